import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import * as z from 'zod';
import type { Container, EngineIdentity, Image } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import type { Membership, Settings } from '../model/facts.js';
import { isLocal } from './endpoint.js';
import { statusOf, toEngineError } from './docker-errors.js';
import { DockerEngine, REGISTRY_TIMEOUT_MS } from './docker.js';
import { parseTag, qualified } from './reference.js';

const infoSchema = z.object({
  host: z.object({
    hostname: z.string(),
    logDriver: z.string().default('k8s-file'),
    ociRuntime: z.object({ name: z.string() }).default({ name: 'crun' }),
    cgroupVersion: z.string(),
    security: z.object({ rootless: z.boolean() }),
  }),
  store: z.object({ graphDriverName: z.string(), graphRoot: z.string() }),
  version: z.object({ Version: z.string(), APIVersion: z.string() }),
});

const containerSchema = z.object({
  State: z.object({ Status: z.string() }),
  OCIRuntime: z.string().optional(),
  HostConfig: z.object({
    RestartPolicy: z.object({ Name: z.string() }).nullish(),
    LogConfig: z.object({ Type: z.string() }).nullish(),
  }),
  Dependencies: z.array(z.string()).nullish(),
  Config: z.object({
    CreateCommand: z.array(z.string()).nullish(),
    Env: z.array(z.string()).nullish(),
    StopTimeout: z.int().nullish(),
  }),
});

/**
 * Podman, by the Docker API that it answers too, and by its own where that falls short. What differs was measured with 4.3.1: it calls a conflict of states a
 * server error, gives itself a new id at each question, qualifies every name, takes no gzipped archives, and runs no health checks where there is no systemd.
 */
export class PodmanEngine extends DockerEngine {
  protected override async identify(): Promise<EngineIdentity> {
    const { host, store, version } = infoSchema.parse(await this.libpod('GET', 'info'));
    return {
      kind: 'podman',
      // Images and containers are those of a store; its place on a host is what tells it from others.
      id: `podman:${host.hostname}:${store.graphRoot}`,
      hostname: host.hostname,
      version: version.Version,
      apiVersion: version.APIVersion,
      host: this.endpoint.host,
      local: isLocal(this.endpoint.host),
      rootless: host.security.rootless,
      pauses: !host.security.rootless || host.cgroupVersion !== 'v1',
      // Measured, 4.3.1: neither of its APIs has it.
      changesRestart: false,
      storageDriver: store.graphDriverName,
      imageIdIsConfigDigest: true,
      storageDirectory: store.graphRoot,
      defaults: { logging: host.logDriver, runtime: host.ociRuntime.name },
    };
  }

  protected override get isPodman(): boolean {
    return true;
  }

  override setRestart(): Promise<void> {
    return Promise.reject(
      new RollbackError('not-supported', 'Podman does not change the restart policy of a container'),
    );
  }

  override async container(id: string): Promise<Container | undefined> {
    const container = await super.container(id);
    const own = container && (await this.inspected(container.id));
    if (!own) return undefined;
    return {
      ...container,
      // It tells the ports of one that does not run, too.
      ports: container.pid > 0 ? container.ports : [],
      needs: own.Dependencies ?? [],
      configHash: container.configHash ?? hashOfCommand(own.Config),
      settings: withOwnWords(container.settings, own),
    };
  }

  private async inspected(id: string): Promise<z.infer<typeof containerSchema> | undefined> {
    const document = await this.libpod('GET', `containers/${id}/json`, {}, 404);
    return document === undefined ? undefined : containerSchema.parse(document);
  }

  /** Runs the check: nobody else may do so. */
  override async health(id: string): Promise<Container['health']> {
    const found = await this.container(id);
    if (found?.state === 'running' && found.health !== 'none') {
      await this.libpod('GET', `containers/${id}/healthcheck`);
    }
    return await super.health(id);
  }

  /** Every image has a digest, pulled or not. */
  override async isPulled({ digests }: Pick<Image, 'digests'>): Promise<boolean> {
    return await this.canPullAny(digests);
  }

  /** Docker's question for that is not answered. */
  override async canPull(reference: string): Promise<boolean> {
    const asking = this.libpod('GET', `manifests/${encodeURIComponent(qualified(reference))}/json`);
    try {
      return await Promise.race([asking.then(() => true), delay(REGISTRY_TIMEOUT_MS, false, { ref: false })]);
    } catch (thrown) {
      if (thrown instanceof RollbackError && thrown.code === 'failed') return false;
      throw thrown;
    }
  }

  /** The last name of an image in use is taken away by itself. */
  override async untag(reference: string): Promise<void> {
    const { repository, tag } = parseTag(reference);
    const name = `${repository}:${tag}`;
    try {
      await this.imageAt(name).remove();
    } catch (thrown) {
      if (statusOf(thrown) === 404) return;
      if (statusOf(thrown) !== 409) throw toEngineError(thrown, this.endpoint);
      const repo = qualified(repository);
      await this.libpod('POST', `images/${encodeURIComponent(`${repo}:${tag}`)}/untag`, { repo, tag });
    }
  }

  /**
   * A paused one has to run first. What was made over Docker's API without a grace time has one of 0 (measured, 4.3.1): it would be killed
   * at once, and lose what it has not written. What ends by itself is started again even when it was stopped in between (measured, 4.3.1), so
   * it is stopped until it rests. Throws `failed` when it never does.
   */
  override async stop(id: string): Promise<void> {
    if ((await this.container(id))?.state === 'paused') await this.start(id);
    const { Config: config, HostConfig: host } = (await this.inspected(id)) ?? {};
    const restarts = !['', 'no'].includes(host?.RestartPolicy?.Name ?? '');
    const grace = config?.StopTimeout || GRACE_SECONDS;
    const deadline = Date.now() + LOOP_MS;
    do {
      await this.ask(this.docker.getContainer(id).stop({ t: grace }), 304, 404);
      if (!restarts || (await this.comesToRest(id))) return;
    } while (Date.now() < deadline);
    throw new RollbackError('failed', `container ${id.slice(0, 12)} runs again whenever it is stopped`, {
      hint: `see what starts it, or remove it: podman rm --force ${id.slice(0, 12)}`,
    });
  }

  /** `stopped` is what nobody has cleaned up after yet: whoever comes to do so may start it again, and comes at once or never. */
  private async comesToRest(id: string): Promise<boolean> {
    const deadline = Date.now() + CLEANUP_MS;
    for (;;) {
      const status = (await this.inspected(id))?.State.Status ?? 'gone';
      if (['running', 'initialized'].includes(status)) return false;
      if (!['stopped', 'stopping'].includes(status) || Date.now() > deadline) return true;
      await delay(CLEANUP_POLL_MS);
    }
  }

  /** Podman does not tell which addresses were asked for, so that others are given back the one they had: where that is taken by now, any. */
  override async connect(network: string, container: string, membership: Membership): Promise<void> {
    try {
      await super.connect(network, container, membership);
    } catch (thrown) {
      const isRefused = thrown instanceof RollbackError && thrown.code === 'failed';
      if (!isRefused || membership.ipv4 === undefined) throw thrown;
      const { ipv4: _, ...anyAddress } = membership;
      await super.connect(network, container, anyAddress);
    }
  }

  /** By its name: by its id it goes although containers are in it (measured, 5.8.6), which never start again. */
  override async removeNetwork(id: string): Promise<void> {
    const found = await this.asked(() => this.docker.getNetwork(id).inspect(), 404);
    if (found) await super.removeNetwork(found.Name);
  }

  override readArchive(): Promise<Readable> {
    throw withoutOwners();
  }

  override writeArchive(): Promise<void> {
    throw withoutOwners();
  }

  /** 5.4.2 leaves out what was asked for. */
  override async pull(reference: string): Promise<void> {
    try {
      await super.pull(reference);
    } catch (thrown) {
      if (!(thrown instanceof RollbackError) || thrown.code !== 'failed') throw thrown;
      throw new RollbackError('failed', `${reference} cannot be pulled: ${thrown.message}`, {
        cause: thrown,
      });
    }
  }

  override async loadImages(archive: Readable): Promise<string[]> {
    return await super.loadImages(await unzipped(archive));
  }

  /** `docker.io/library/redis:7` is `redis:7`. */
  protected override nameOf(name: string): string {
    return name.replace(/^docker\.io\/(?:library\/)?/, '');
  }

  /** Podman's own API. Throws as all methods; undefined for the `expected` status codes. */
  private libpod(
    method: 'GET' | 'POST',
    path: string,
    query: Record<string, string> = {},
    ...expected: number[]
  ): Promise<unknown> {
    const request = {
      path: `/v4.0.0/libpod/${path}?`,
      method,
      options: query,
      statusCodes: {
        200: true,
        201: true,
        204: true,
        400: 'bad request',
        404: 'not there',
        409: 'conflict',
        500: 'server error',
      },
    };
    const question = () =>
      new Promise<unknown>((resolve, reject) => {
        this.docker.modem.dial(request, (error, answer) => {
          if (error) reject(error);
          else resolve(answer);
        });
      });
    return method === 'GET' ? this.asked(question, ...expected) : this.ask(question(), ...expected);
  }
}

/**
 * Whether it is started at once, what may be pulled for it, what it is tied to, how the files were named, what all of them together say, who read them, and which of several
 * it is.
 */
const BESIDE_DEFINITION =
  /^(?:-d$|--pull(?:=|$)|--name=|--requires=|com\.docker\.compose\.(?:project\.config_files|container-number)=|io\.podman\.compose\.(?:config-hash|version)=)/;
const PROJECT_LABEL = /^(?:--label=)?io\.podman\.compose\.project=/;
/** As Docker gives, and compose. */
const GRACE_SECONDS = 10;
/** To catch what runs for a few milliseconds at a time. */
const LOOP_MS = 60_000;
/** Podman starts a process for that, which takes a second on a small machine at work. */
const CLEANUP_MS = 10_000;
const CLEANUP_POLL_MS = 10;
/** What every container has of its own, some of it from its first start on. */
const OWN_ENVIRONMENT = /^(?:HOSTNAME|HOME|container)=/;

/**
 * What podman-compose leaves away as a label: the command by which it made a container says how, and its environment what files and shell gave it. Undefined
 * for what the API made, and for a command that does not name the project: that one is somebody's own, of an image that carries the labels.
 */
function hashOfCommand({
  CreateCommand,
  Env,
}: z.infer<typeof containerSchema>['Config']): string | undefined {
  const [, verb, ...words] = CreateCommand ?? [];
  if (verb !== 'run' && verb !== 'create') return undefined;
  if (!words.some((word) => PROJECT_LABEL.test(word))) return undefined;
  const definition = words
    .filter((word, index) => !BESIDE_DEFINITION.test(word) && words[index - 1] !== '--pull')
    .map(inOrder);
  const environment = (Env ?? []).filter((entry) => !OWN_ENVIRONMENT.test(entry)).toSorted();
  const text = [...definition, '', ...environment].join('\0');
  return `podman:${createHash('sha256').update(text).digest('hex')}`;
}

/** Docker's API tells every runtime as `oci`, and logs of Podman's own kind as `json-file` (measured, 5.8.6). */
function withOwnWords(
  settings: Settings,
  { OCIRuntime: runtime, HostConfig: { LogConfig: logging } }: z.infer<typeof containerSchema>,
): Settings {
  return {
    ...settings,
    ...(runtime === undefined ? {} : { runtime }),
    ...(logging ? { logging: logging.Type } : {}),
  };
}

/** It names networks in any order. */
function inOrder(word: string, index: number, words: string[]): string {
  const named = ['--net', '--network'].includes(words[index - 1] ?? '');
  return named ? word.split(',').toSorted().join(',') : word;
}

/** Measured, 4.3.1 and 5.4.2: files come out as root's, under other names, and go in outside of the volume. */
function withoutOwners(): RollbackError {
  return new RollbackError('not-supported', "Podman's archives of containers do not keep owners", {
    hint: 'copy the data of volumes on the machine where Podman runs',
  });
}

const GZIP = Buffer.from([0x1f, 0x8b]);

/** Fails with what `archive` failed with. */
async function unzipped(archive: Readable): Promise<Readable> {
  const pieces: AsyncIterator<Buffer> = archive[Symbol.asyncIterator]();
  const { value: first = Buffer.alloc(0) } = await pieces.next();
  const whole = Readable.from(
    (async function* () {
      yield first;
      yield* { [Symbol.asyncIterator]: () => pieces };
    })(),
    { objectMode: false },
  );
  if (!GZIP.equals(first.subarray(0, GZIP.length))) return whole;
  return pipeline(whole, createGunzip(), () => undefined); // What fails is told by the stream itself.
}
