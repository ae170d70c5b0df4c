import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import type Dockerode from 'dockerode';
import type { Container, EngineIdentity, Image } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { statusOf, toEngineError } from './docker-errors.js';
import { toContainer, toIdentity, toImage, type InfoDocument } from './docker-mapping.js';
import { demultiplex } from './docker-stream.js';
import { socketPath, type Endpoint } from './endpoint.js';
import type { Engine, ExecOptions, ExecResult } from './engine.js';
import { parseReference, parseTag } from './reference.js';

/** Inspections under way at once. Over ssh each is a connection of its own, and sshd takes ten at most. */
const PARALLEL = 8;
const EXEC_TIMEOUT_MS = 10_000;
const EXIT_POLL_MS = 10;
/** Two empty blocks: the smallest tar archive. */
const EMPTY_TAR = Buffer.alloc(1024);

/** Connects nothing yet: the first question does. Throws `engine-unreachable` when the TLS files cannot be read. */
export async function connectDocker(endpoint: Endpoint): Promise<Engine> {
  const [{ default: Docker }, options] = await Promise.all([import('dockerode'), connection(endpoint)]);
  return new DockerEngine(new Docker(options), endpoint);
}

/** The Docker API as Docker speaks it. */
export class DockerEngine implements Engine {
  readonly #docker: Dockerode;
  readonly #endpoint: Endpoint;
  #identity: EngineIdentity | undefined;

  constructor(docker: Dockerode, endpoint: Endpoint) {
    this.#docker = docker;
    this.#endpoint = endpoint;
  }

  async identity(): Promise<EngineIdentity> {
    if (this.#identity !== undefined) return this.#identity;
    const info: Promise<InfoDocument> = this.#docker.info();
    const [facts, version] = await this.#ask(Promise.all([info, this.#docker.version()]));
    this.#identity = toIdentity(facts, version, this.#endpoint.host);
    return this.#identity;
  }

  async containers(filter: { project?: string } = {}): Promise<Container[]> {
    const label =
      filter.project === undefined
        ? {}
        : { filters: { label: [`com.docker.compose.project=${filter.project}`] } };
    const ids = (await this.#ask(this.#docker.listContainers({ all: true, ...label }))).map((row) => row.Id);
    const found: (Container | undefined)[] = [];
    for (let at = 0; at < ids.length; at += PARALLEL) {
      found.push(...(await Promise.all(ids.slice(at, at + PARALLEL).map((id) => this.container(id)))));
    }
    return found.filter((container) => container !== undefined);
  }

  async container(id: string): Promise<Container | undefined> {
    const document = await this.#ask(this.#container(id).inspect(), 404);
    return document && toContainer(document);
  }

  async image(reference: string): Promise<Image | undefined> {
    const document = await this.#ask(this.#image(reference).inspect(), 404);
    return document && toImage(document);
  }

  async tag(imageId: string, reference: string): Promise<void> {
    const { repository, tag } = parseTag(reference);
    await this.#ask(this.#image(imageId).tag({ repo: repository, tag }));
  }

  async untag(reference: string): Promise<void> {
    const { repository, tag } = parseTag(reference);
    const removal = () => this.#image(`${repository}:${tag}`).remove();
    try {
      await removal();
    } catch (thrown) {
      if (statusOf(thrown) === 404) return;
      if (statusOf(thrown) !== 409) throw toEngineError(thrown, this.#endpoint);
      // The last reference of an image that a container uses. Forcing would take the image away from a stopped container, so the
      // reference is moved to an empty image and goes with that.
      const blank = await this.#ask(
        this.#docker.importImage(Readable.from([EMPTY_TAR]), { repo: repository, tag }),
      );
      await this.#ask(buffer(blank));
      await this.#ask(removal(), 404);
    }
  }

  async references(repository: string): Promise<{ reference: string; imageId: string }[]> {
    const images = await this.#ask(this.#docker.listImages());
    const below = (tag: string) => tag.startsWith(`${repository}:`) || tag.startsWith(`${repository}/`);
    return images.flatMap((image) =>
      // Null for images without a tag, whatever the types say.
      (image.RepoTags ?? []).filter(below).map((reference) => ({ reference, imageId: image.Id })),
    );
  }

  async stop(id: string): Promise<void> {
    await this.#ask(this.#container(id).stop(), 304, 404);
  }

  async start(id: string): Promise<void> {
    try {
      await this.#container(id).start();
    } catch (thrown) {
      if (statusOf(thrown) === 304) return;
      const paused = statusOf(thrown) === 409 && (await this.container(id))?.state === 'paused';
      if (!paused) throw toEngineError(thrown, this.#endpoint);
      await this.#ask(this.#container(id).unpause());
    }
  }

  async signal(id: string, name: string): Promise<void> {
    await this.#ask(this.#container(id).kill({ signal: name }));
  }

  async remove(id: string): Promise<void> {
    await this.#ask(this.#container(id).remove(), 404);
  }

  /** Throws the signal's own reason when that aborts. The process inside goes on: the API has no way to end it. */
  async exec(id: string, argv: string[], options: ExecOptions = {}): Promise<ExecResult> {
    const timeout = options.timeout ?? EXEC_TIMEOUT_MS;
    const deadline = AbortSignal.timeout(timeout);
    const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
    try {
      return await this.#exec(id, argv, options, signal);
    } catch (thrown) {
      options.signal?.throwIfAborted();
      if (!deadline.aborted) throw toEngineError(thrown, this.#endpoint);
      const what = `${quoted(argv[0] ?? '')} in container ${id.slice(0, 12)}`;
      throw new RollbackError('failed', `${what} took longer than ${timeout / 1000} s`, { cause: thrown });
    }
  }

  async logs(id: string, lines: number): Promise<string> {
    const container = this.#container(id);
    const [document, written] = await this.#ask(
      Promise.all([
        container.inspect(),
        container.logs({ stdout: true, stderr: true, tail: lines, follow: false }),
      ]),
    );
    // docker-modem parses an answer that happens to be JSON; only a terminal's can be, it comes without frames.
    if (!Buffer.isBuffer(written)) return JSON.stringify(written);
    return document.Config.Tty ? written.toString() : demultiplex(written).both;
  }

  async hasNetwork(name: string): Promise<boolean> {
    // The engine matches parts of names and ids too.
    const networks = await this.#ask(this.#docker.listNetworks({ filters: { name: [name] } }));
    return networks.some((network) => network.Name === name);
  }

  async hasVolume(name: string): Promise<boolean> {
    const { Volumes } = await this.#ask(this.#docker.listVolumes({ filters: { name: [name] } }));
    return (Volumes ?? []).some((volume) => volume.Name === name);
  }

  async #exec(id: string, argv: string[], options: ExecOptions, signal: AbortSignal): Promise<ExecResult> {
    signal.throwIfAborted();
    const exec = await this.#container(id).exec({
      Cmd: argv,
      AttachStdout: true,
      AttachStderr: true,
      Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
      ...(options.user === undefined ? {} : { User: options.user }),
      abortSignal: signal,
    });
    const stream = await exec.start({ hijack: false, stdin: false, abortSignal: signal });
    const { stdout, stderr } = demultiplex(await buffer(addAbortSignal(signal, stream)));
    for (;;) {
      // The stream may end before the engine has noted the exit code.
      const state = await exec.inspect({ abortSignal: signal });
      if (!state.Running && state.ExitCode !== null) return { exitCode: state.ExitCode, stdout, stderr };
      await delay(EXIT_POLL_MS, undefined, { signal });
    }
  }

  #container(id: string): Dockerode.Container {
    if (!/^[A-Za-z0-9][\w.-]*$/.test(id))
      throw new RollbackError('usage', `${quoted(id)} is not a container's id`);
    return this.#docker.getContainer(id);
  }

  #image(reference: string): Dockerode.Image {
    if (parseReference(reference) === undefined && !/^(?:sha256:)?[0-9a-f]{64}$/.test(reference)) {
      throw new RollbackError('usage', `${quoted(reference)} is not an image reference`);
    }
    return this.#docker.getImage(reference);
  }

  /** The answer; undefined when the engine says one of the `expected` status codes, which mean that there is nothing to do. */
  async #ask<T>(request: Promise<T>): Promise<T>;
  async #ask<T>(request: Promise<T>, ...expected: number[]): Promise<T | undefined>;
  async #ask<T>(request: Promise<T>, ...expected: number[]): Promise<T | undefined> {
    try {
      return await request;
    } catch (thrown) {
      const status = statusOf(thrown);
      if (status !== undefined && expected.includes(status)) return undefined;
      throw toEngineError(thrown, this.#endpoint);
    }
  }
}

/** dockerode's options: all named, because what is not comes from its own reading of DOCKER_HOST. */
async function connection(endpoint: Endpoint) {
  const nowhere = { host: undefined, port: undefined, username: undefined, timeout: undefined };
  const path = socketPath(endpoint.host);
  if (path !== undefined) {
    const agent = quiet(new http.Agent({ keepAlive: true }));
    return { ...nowhere, socketPath: path, protocol: 'http' as const, agent };
  }
  const url = new URL(endpoint.host);
  const host = { ...nowhere, host: url.hostname };
  if (url.protocol === 'ssh:') {
    const sshOptions = endpoint.sshAgent === undefined ? {} : { agent: endpoint.sshAgent };
    const username = decodeURIComponent(url.username) || undefined;
    return { ...host, username, port: url.port || undefined, protocol: 'ssh' as const, sshOptions };
  }
  if (endpoint.certPath === undefined && url.protocol !== 'https:') {
    const agent = quiet(new http.Agent({ keepAlive: true }));
    return { ...host, port: url.port || '2375', protocol: 'http' as const, agent };
  }
  const agent = quiet(new https.Agent({ keepAlive: true }));
  const files = endpoint.certPath === undefined ? {} : await tlsFiles(endpoint.certPath);
  return { ...host, port: url.port || '2376', protocol: 'https' as const, agent, ...files };
}

/** docker-modem describes all options of every request for its debug log, read or not; an agent with its sockets takes milliseconds each time. */
function quiet<T extends http.Agent>(agent: T): T {
  return Object.assign(agent, { [inspect.custom]: () => agent.constructor.name });
}

async function tlsFiles(directory: string): Promise<{ ca: Buffer; cert: Buffer; key: Buffer }> {
  const read = (name: string) => readFile(join(directory, name));
  try {
    const [ca, cert, key] = await Promise.all([read('ca.pem'), read('cert.pem'), read('key.pem')]);
    return { ca, cert, key };
  } catch (thrown) {
    throw new RollbackError('engine-unreachable', `the TLS files in ${directory} cannot be read`, {
      hint: 'ca.pem, cert.pem and key.pem must be there: check DOCKER_CERT_PATH or the docker context',
      cause: thrown,
    });
  }
}
