import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type Dockerode from 'dockerode';
import {
  HELPER_LABEL,
  type Container,
  type EngineIdentity,
  type HelperSpec,
  type Image,
  type Labelled,
  type Volume,
} from '../model/engine.js';
import { messageOf, RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { isConflict, statusOf, toEngineError } from './docker-errors.js';
import { DockerNetworks } from './docker-networks.js';
import { outputOf, runToEnd } from './docker-exec.js';
import {
  toContainer,
  toIdentity,
  toImage,
  toMount,
  toTags,
  toVolume,
  toVolumeSizes,
  withManifest,
  type InfoDocument,
  type UsageDocument,
  type VersionDocument,
} from './docker-mapping.js';
import { demultiplex, progressOf } from './docker-stream.js';
import type { Endpoint } from './endpoint.js';
import type { Engine, ExecOptions, ExecResult } from './engine.js';
import { withOwnHash } from './inherited.js';
import { parseTag } from './reference.js';

/** Inspections under way at once. Over ssh each is a connection of its own, and sshd takes ten at most. */
const PARALLEL = 8;
const EXEC_TIMEOUT_MS = 10_000;
export const REGISTRY_TIMEOUT_MS = 10_000;
/** Two empty blocks: the smallest tar archive. */
const EMPTY_TAR = Buffer.alloc(1024);

/** The Docker API as Docker speaks it. */
export class DockerEngine extends DockerNetworks implements Engine {
  #identity: EngineIdentity | undefined;

  constructor(
    docker: Dockerode,
    endpoint: Endpoint,
    private readonly version: VersionDocument,
  ) {
    super(docker, endpoint);
  }

  async identity(): Promise<EngineIdentity> {
    return (this.#identity ??= await this.identify());
  }

  protected async identify(): Promise<EngineIdentity> {
    const info: Promise<InfoDocument> = this.docker.info();
    return toIdentity(await this.ask(info), this.version, this.endpoint.host);
  }

  async containers(filter: { project?: string } = {}): Promise<Container[]> {
    const label =
      filter.project === undefined
        ? {}
        : { filters: { label: [`com.docker.compose.project=${filter.project}`] } };
    const rows = await this.asked(() => this.docker.listContainers({ all: true, ...label }));
    const ids = rows.map((row) => row.Id);
    const found: (Container | undefined)[] = [];
    for (let at = 0; at < ids.length; at += PARALLEL) {
      found.push(...(await Promise.all(ids.slice(at, at + PARALLEL).map((id) => this.container(id)))));
    }
    return found.filter((container) => container !== undefined);
  }

  async container(id: string): Promise<Container | undefined> {
    const document = await this.asked(() => this.containerAt(id).inspect(), 404);
    if (!document) return undefined;
    const imageOf = (image: string) => this.asked(() => this.imageAt(image).inspect(), 404);
    const container = await withOwnHash(toContainer(document, { podman: this.isPodman }), imageOf);
    return { ...container, imageRef: this.nameOf(container.imageRef) };
  }

  async health(id: string): Promise<Container['health']> {
    return (await this.container(id))?.health ?? 'none';
  }

  async image(reference: string): Promise<Image | undefined> {
    const document = await this.asked(() => this.imageAt(reference).inspect(), 404);
    if (!document) return undefined;
    const image = toImage(document);
    const named = (names: string[]) => names.map((name) => this.nameOf(name));
    return { ...image, tags: named(image.tags), digests: named(image.digests) };
  }

  async tag(imageId: string, reference: string): Promise<void> {
    const { repository, tag } = parseTag(reference);
    await this.ask(this.imageAt(imageId).tag({ repo: repository, tag }));
  }

  async untag(reference: string): Promise<void> {
    const { repository, tag } = parseTag(reference);
    const removal = () => this.imageAt(`${repository}:${tag}`).remove();
    try {
      await removal();
    } catch (thrown) {
      if (statusOf(thrown) === 404) return;
      if (statusOf(thrown) !== 409) throw toEngineError(thrown, this.endpoint);
      // The last reference of an image that a container uses. Forcing would take the image away from a stopped container, and importing onto
      // the reference from any (containerd's store). The reference is moved to an empty image and goes with that.
      const imported = await this.ask(this.docker.importImage(Readable.from([EMPTY_TAR]), {}));
      const [blank] = await this.#progress(imported);
      await this.tag(blank?.status ?? '', reference);
      await this.ask(removal(), 404);
    }
  }

  async references(repository: string): Promise<{ reference: string; imageId: string }[]> {
    const images = await this.asked(() => this.docker.listImages());
    const below = (tag: string) => tag.startsWith(`${repository}:`) || tag.startsWith(`${repository}/`);
    return images.flatMap(({ Id: imageId, RepoTags }) => {
      const names = toTags(RepoTags).map((name) => this.nameOf(name));
      return names.filter(below).map((reference) => ({ reference, imageId }));
    });
  }

  async imagesWithManifest(digest: string): Promise<string[]> {
    return withManifest(await this.asked(() => this.docker.listImages({ manifests: true })), digest);
  }

  async stop(id: string): Promise<void> {
    // Stopped twice is once.
    await this.asked(() => this.containerAt(id).stop(), 304, 404);
  }

  async start(id: string): Promise<void> {
    try {
      await this.containerAt(id).start();
    } catch (thrown) {
      if (statusOf(thrown) === 304) return;
      const paused = isConflict(thrown) && (await this.container(id))?.state === 'paused';
      if (!paused) throw toEngineError(thrown, this.endpoint);
      await this.ask(this.containerAt(id).unpause());
    }
  }

  async signal(id: string, name: string): Promise<void> {
    await this.ask(this.containerAt(id).kill({ signal: name }));
  }

  async setRestart(id: string, policy: string): Promise<void> {
    const [Name = '', times = '0'] = policy.split(':');
    const RestartPolicy = { Name, MaximumRetryCount: Number(times) };
    await this.ask(this.containerAt(id).update({ RestartPolicy }), 404);
  }

  async remove(id: string): Promise<void> {
    await this.ask(this.containerAt(id).remove(), 404);
  }

  /** Throws the signal's own reason when that aborts. The process inside goes on: the API has no way to end it. */
  async exec(id: string, argv: string[], options: ExecOptions = {}): Promise<ExecResult> {
    const timeout = options.timeout ?? EXEC_TIMEOUT_MS;
    const deadline = AbortSignal.timeout(timeout);
    const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
    try {
      return await runToEnd(this.containerAt(id), argv, options, signal);
    } catch (thrown) {
      options.signal?.throwIfAborted();
      if (!deadline.aborted) throw toEngineError(thrown, this.endpoint);
      const what = `${quoted(argv[0] ?? '')} in container ${id.slice(0, 12)}`;
      throw new RollbackError('failed', `${what} took longer than ${timeout / 1000} s`, { cause: thrown });
    }
  }

  execStream(
    id: string,
    argv: string[],
    { signal = new AbortController().signal, ...options }: Omit<ExecOptions, 'timeout'> = {},
  ): Promise<Readable> {
    const output = this.readable(Readable.from(outputOf(this.containerAt(id), argv, options, signal)));
    return Promise.resolve(output);
  }

  async logs(id: string, lines: number): Promise<string> {
    const container = this.containerAt(id);
    const [document, written] = await this.ask(
      Promise.all([
        container.inspect(),
        container.logs({ stdout: true, stderr: true, tail: lines, follow: false }),
      ]),
    );
    return document.Config.Tty ? written.toString() : demultiplex(written).both;
  }

  async pause(id: string): Promise<void> {
    try {
      await this.containerAt(id).pause();
    } catch (thrown) {
      const state = isConflict(thrown) ? (await this.container(id))?.state : undefined;
      if (state === undefined || state === 'running') throw toEngineError(thrown, this.endpoint);
    }
  }

  async volume(name: string): Promise<Volume | undefined> {
    const found = await this.asked(() => this.docker.getVolume(name).inspect(), 404);
    return found && toVolume(found);
  }

  async volumeSizes(): Promise<Record<string, number>> {
    return toVolumeSizes(await this.asked<UsageDocument>(() => this.docker.df()));
  }

  async createVolume(name: string, labels: Record<string, string>): Promise<void> {
    await this.ask(this.docker.createVolume({ Name: name, Labels: labels }));
  }

  async removeVolume(name: string): Promise<void> {
    await this.ask(this.docker.getVolume(name).remove(), 404);
  }

  async createHelper({ owner, image, mounts, command = ['none'] }: HelperSpec): Promise<string> {
    const container = await this.ask(
      this.docker.createContainer({
        Image: image,
        Entrypoint: command,
        Cmd: [],
        User: '0:0',
        WorkingDir: '/',
        Labels: { [HELPER_LABEL]: owner },
        Healthcheck: { Test: ['NONE'] },
        HostConfig: {
          NetworkMode: 'none',
          Mounts: Object.entries(mounts).map(([source, target]) => toMount(source, target)),
        },
      }),
    );
    return container.id;
  }

  async helpers(): Promise<{ id: string; owner: string }[]> {
    const filters = { label: [HELPER_LABEL] };
    const rows = await this.asked(() => this.docker.listContainers({ all: true, filters }));
    return rows.map(({ Id, Labels }) => ({ id: Id, owner: Labels[HELPER_LABEL] ?? '' }));
  }

  async removeHelper(id: string): Promise<void> {
    await this.ask(this.containerAt(id).remove({ force: true, v: true }), 404);
  }

  async runHelper(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<number> {
    signal?.throwIfAborted();
    const container = this.containerAt(id);
    await this.ask(container.start());
    try {
      const ended: { StatusCode: number } = await container.wait(
        signal === undefined ? {} : { abortSignal: signal },
      );
      return ended.StatusCode;
    } catch (thrown) {
      signal?.throwIfAborted();
      throw toEngineError(thrown, this.endpoint);
    }
  }

  async readArchive(id: string, path: string): Promise<Readable> {
    return this.readable(await this.ask(this.containerAt(id).getArchive({ path })));
  }

  async fileArchive(id: string, path: string): Promise<Readable | undefined> {
    try {
      return this.readable(await this.containerAt(id).getArchive({ path }));
    } catch (thrown) {
      // Something that is no directory in the middle of the path is a server error (measured, 28.5.2).
      if (statusOf(thrown) === 404 || /not a directory\s*$/.test(messageOf(thrown))) return undefined;
      throw toEngineError(thrown, this.endpoint);
    }
  }

  async writeArchive(id: string, path: string, archive: Readable): Promise<void> {
    try {
      await this.ask(this.containerAt(id).putArchive(archive, { path }));
    } finally {
      // An engine that refuses does not read to the end.
      archive.destroy();
    }
  }

  async saveImage(reference: string): Promise<Readable> {
    return this.readable(await this.ask(this.imageAt(reference).get()));
  }

  async loadImages(archive: Readable): Promise<string[]> {
    const answer = await this.ask(this.docker.loadImage(archive, { quiet: true }));
    return (await this.#progress(answer)).flatMap(({ stream }) => {
      const loaded = /^Loaded image(?: ID)?: (\S+)/.exec(stream ?? '')?.[1];
      return loaded === undefined ? [] : [this.nameOf(loaded)];
    });
  }

  async canPull(reference: string): Promise<boolean> {
    try {
      await this.imageAt(reference).distribution({ abortSignal: AbortSignal.timeout(REGISTRY_TIMEOUT_MS) });
      return true;
    } catch (thrown) {
      const silent = thrown instanceof Error && thrown.name === 'AbortError';
      if (silent || statusOf(thrown) !== undefined) return false;
      throw toEngineError(thrown, this.endpoint);
    }
  }

  async isPulled({ id, digests }: Pick<Image, 'id' | 'digests'>): Promise<boolean> {
    // With containerd's store every image has a digest, and its id is one.
    const told = !digests.some((digest) => digest.endsWith(`@${id}`));
    return told ? digests.length > 0 : await this.canPullAny(digests);
  }

  protected async canPullAny(digests: string[]): Promise<boolean> {
    return (await Promise.all(digests.map((digest) => this.canPull(digest)))).includes(true);
  }

  async pull(reference: string): Promise<void> {
    await this.#progress(await this.ask(this.docker.pull(reference)));
  }

  async hasVolume(name: string): Promise<boolean> {
    const { Volumes } = await this.asked(() => this.docker.listVolumes({ filters: { name: [name] } }));
    return (Volumes ?? []).some((volume) => volume.Name === name);
  }

  async labelled(label: string): Promise<Labelled[]> {
    const filters = { label: [label] };
    const [containers, networks, { Volumes }] = await Promise.all([
      this.asked(() => this.docker.listContainers({ all: true, filters })),
      this.asked(() => this.docker.listNetworks({ filters })),
      this.asked(() => this.docker.listVolumes({ filters })),
    ]);
    const valueOf = (labels: Record<string, string> | undefined) => labels?.[label] ?? '';
    return [
      ...containers.map(({ Id: id, Labels }) => ({ kind: 'container', id, value: valueOf(Labels) }) as const),
      ...networks.map(({ Id: id, Labels }) => ({ kind: 'network', id, value: valueOf(Labels) }) as const),
      // Null when there are none, whatever the types say.
      ...(Volumes ?? []).map(
        ({ Name: id, Labels }) => ({ kind: 'volume', id, value: valueOf(Labels) }) as const,
      ),
    ];
  }

  protected get isPodman(): boolean {
    return false;
  }

  /** An image's name in Docker's short form. */
  protected nameOf(name: string): string {
    return name;
  }

  async #progress(answer: NodeJS.ReadableStream) {
    return progressOf(await this.ask(buffer(this.readable(answer))));
  }
}
