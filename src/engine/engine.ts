import type { Readable } from 'node:stream';
import type {
  Container,
  EngineIdentity,
  HelperSpec,
  Image,
  Labelled,
  Network,
  Volume,
} from '../model/engine.js';
import type { Membership } from '../model/facts.js';

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface ExecOptions {
  /** Extra environment; values never appear in argv, logs or errors. */
  env?: Record<string, string>;
  user?: string;
  /** Milliseconds; 10,000 when absent. Throws `failed` when it takes longer. */
  timeout?: number;
  signal?: AbortSignal;
}

/**
 * What we need of a container engine. All methods throw RollbackError: `engine-unreachable` when nobody answers, `failed` with the
 * engine's words otherwise. "Not there" is an answer (undefined, or nothing to do), not an error, so that everything can be repeated.
 */
export interface Engine {
  identity(): Promise<EngineIdentity>;
  /** Containers of one project by compose's labels, or all of them; inspected; stopped and one-off ones included. */
  containers(filter?: { project?: string }): Promise<Container[]>;
  container(id: string): Promise<Container | undefined>;
  /** What its own health check says: when it was last run, or now, where the engine does not run checks by itself. */
  health(id: string): Promise<Container['health']>;
  /** By id, tag or digest reference; what is there locally, never a pull. */
  image(reference: string): Promise<Image | undefined>;
  /** `reference` (`name:tag`) points to `imageId` afterwards. */
  tag(imageId: string, reference: string): Promise<void>;
  /** Removes one reference. The image itself goes when that was its last one and no container uses it. */
  untag(reference: string): Promise<void>;
  /** All references that start with this repository name, as `name:tag`. */
  references(repository: string): Promise<{ reference: string; imageId: string }[]>;
  /** Ids of the images that have this manifest, see `Container.imageManifest`; none where the engine does not tell. */
  imagesWithManifest(digest: string): Promise<string[]>;
  /** Stops with the container's own stop signal and grace time. */
  stop(id: string): Promise<void>;
  /** Starts; a paused container is unpaused; a running one is left alone. */
  start(id: string): Promise<void>;
  /** Sends e.g. `SIGHUP` to the main process. */
  signal(id: string, name: string): Promise<void>;
  /** Sets a container's restart policy, see `Container.restart`; one that is gone needs none. Throws `not-supported` where it cannot be changed. */
  setRestart(id: string, policy: string): Promise<void>;
  /** Removes a stopped container; its named volumes stay. */
  remove(id: string): Promise<void>;
  exec(id: string, argv: string[], options?: ExecOptions): Promise<ExecResult>;
  /**
   * What a command writes to its standard output, as it comes. Fails with `failed` and its last words when it ends otherwise than with 0, with the
   * signal's own reason when aborted: the command itself goes on until it notices that nobody reads. No timeout but the signal.
   */
  execStream(id: string, argv: string[], options?: Omit<ExecOptions, 'timeout'>): Promise<Readable>;
  /** The last lines a container wrote, both streams. */
  logs(id: string, lines: number): Promise<string>;
  /** Freezes a running container; one that does not run is left alone. `start` unpauses. */
  pause(id: string): Promise<void>;
  /** Undefined when there is no volume of this name. */
  volume(name: string): Promise<Volume | undefined>;
  /**
   * What the files of each volume come to, in bytes by name: holes whole, hard links once on Docker; those that the engine cannot look into are left out. It looks at
   * all it has for that, which takes its time. Docker 20.10 fails while somebody else asks the same.
   */
  volumeSizes(): Promise<Record<string, number>>;
  /** Makes a volume of the engine's own driver; one that is there is left alone. */
  createVolume(name: string, labels: Record<string, string>): Promise<void>;
  /** Removes a volume that no container refers to. */
  removeVolume(name: string): Promise<void>;
  /** Makes a helper container and returns its id; nothing runs in it yet. */
  createHelper(spec: HelperSpec): Promise<string>;
  /** All helper containers, with what their label says. */
  helpers(): Promise<{ id: string; owner: string }[]>;
  /** Removes a helper container, running or not, and the volumes that came with its image; the mounted ones stay. */
  removeHelper(id: string): Promise<void>;
  /**
   * Runs a helper container that was made with a command, to its end; `logs` has what it wrote. Returns the exit code. Throws the signal's
   * own reason when that aborts: the helper goes on until it is removed.
   */
  runHelper(id: string, options?: { signal?: AbortSignal }): Promise<number>;
  /** Tar of what is at `path` in a container, running or not; with `/.` at its end the names start at `./`. */
  readArchive(id: string, path: string): Promise<Readable>;
  /** Tar of one file of a container, running or not; undefined when there is none. Podman says that root owns it. */
  fileArchive(id: string, path: string): Promise<Readable | undefined>;
  /**
   * Unpacks a tar below `path` in a container, running or not; with owners; files that are there stay, and so do owner and mode of `path`
   * itself. Fails for symbolic links that lead out of `path`. Fails with what `archive` failed with; destroys it in any case.
   */
  writeArchive(id: string, path: string, archive: Readable): Promise<void>;
  /** An archive of an image (by id or tag) as `loadImages` takes it: a tar, not compressed. */
  saveImage(reference: string): Promise<Readable>;
  /** Loads an archive, gzipped or plain; the ids or references that the engine says it loaded. */
  loadImages(archive: Readable): Promise<string[]>;
  /** Did this image come from a registry, so that it can come again? Where the engine cannot tell, its registry is asked. */
  isPulled(image: Pick<Image, 'id' | 'digests'>): Promise<boolean>;
  /** Does its registry answer that it has this reference? Nobody answering is a no. */
  canPull(reference: string): Promise<boolean>;
  /** Fetches an image by tag or digest from its registry. Throws `failed` with the registry's words. */
  pull(reference: string): Promise<void>;
  hasNetwork(name: string): Promise<boolean>;
  /** All that there are, without their containers. */
  networks(): Promise<Omit<Network, 'members'>[]>;
  /** By its name; undefined when there is none. */
  network(name: string): Promise<Network | undefined>;
  /** Connects a container, running or not; one that is connected already stays as it is. Throws `failed` when the network is not there. */
  connect(network: string, container: string, membership: Membership): Promise<void>;
  /** Disconnects a container; one that is not connected, or not there, needs nothing. */
  disconnect(network: string, container: string): Promise<void>;
  hasVolume(name: string): Promise<boolean>;
  /** Removes a network that no container is in. */
  removeNetwork(id: string): Promise<void>;
  /** Containers, networks and volumes that have this label, in the order in which they can be removed. */
  labelled(label: string): Promise<Labelled[]>;
}
