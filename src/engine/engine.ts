import type { Container, EngineIdentity, Image } from '../model/engine.js';

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
  /** By id, tag or digest reference; what is there locally, never a pull. */
  image(reference: string): Promise<Image | undefined>;
  /** `reference` (`name:tag`) points to `imageId` afterwards. */
  tag(imageId: string, reference: string): Promise<void>;
  /** Removes one reference. The image itself goes when that was its last one and no container uses it. */
  untag(reference: string): Promise<void>;
  /** All references that start with this repository name, as `name:tag`. */
  references(repository: string): Promise<{ reference: string; imageId: string }[]>;
  /** Stops with the container's own stop signal and grace time. */
  stop(id: string): Promise<void>;
  /** Starts; a paused container is unpaused; a running one is left alone. */
  start(id: string): Promise<void>;
  /** Sends e.g. `SIGHUP` to the main process. */
  signal(id: string, name: string): Promise<void>;
  /** Removes a stopped container; its named volumes stay. */
  remove(id: string): Promise<void>;
  exec(id: string, argv: string[], options?: ExecOptions): Promise<ExecResult>;
  /** The last lines a container wrote, both streams. */
  logs(id: string, lines: number): Promise<string>;
  hasNetwork(name: string): Promise<boolean>;
  hasVolume(name: string): Promise<boolean>;
}
