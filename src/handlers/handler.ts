import type { Readable } from 'node:stream';
import type { Engine } from '../engine/engine.js';
import type { ComposeService } from '../model/compose.js';
import type { ServiceConfig } from '../model/config.js';
import type { Container } from '../model/engine.js';
import type { Verdict } from '../model/verdict.js';

/** What a handler has to work with: one service of one project on one engine. */
export interface HandlerContext {
  service: string;
  engine: Engine;
  /** True when container addresses and 127.0.0.1 of the engine are ours. */
  local: boolean;
  /** The service's containers as they are now, inspected afresh; one-off ones left out. */
  containers(): Promise<Container[]>;
  /** Another service of the same project, for dependency checks. */
  sibling(service: string): HandlerContext;
  /** From the resolved model; undefined when there is none. */
  model: ComposeService | undefined;
  config: ServiceConfig;
  signal: AbortSignal;
  /** What deserves a line on the way, e.g. "waiting for /health (503)". */
  report(message: string): void;
}

/** A file as a container is meant to see it. */
export interface MountedFile {
  /** Absolute path inside the container. */
  target: string;
  /** `sha256:<hex>` of its bytes on the host. */
  sha256: string;
}

/** What one kind of service needs before and after a rollback, and to be called healthy. A missing step is not needed. */
export interface Handler {
  readonly kind: string;
  /** Does this container image (repository without registry and tag, e.g. `prom/prometheus`) look like ours? */
  matches(repository: string): boolean;
  /** Before anything stops. A fail ends the run with nothing touched. */
  prepare?(context: HandlerContext): Promise<Verdict>;
  /** All its data in a form that other versions of it read, as text. Undefined when it does not run. The stream fails when anything is missing. */
  dump?(context: HandlerContext): Promise<Readable | undefined>;
  /** Can a running service take new bytes of its mounted files without a restart? */
  readonly reloads?: boolean;
  /** Makes it read `files` again; a verdict other than pass (the container does not see their bytes, …) means: restart it. */
  reload?(context: HandlerContext, files: MountedFile[]): Promise<Verdict>;
  /** After the start, before health is asked for. */
  settle?(context: HandlerContext): Promise<Verdict>;
  /** Does its check start a program in the container? Then it is too slow to be made by the way. */
  readonly checksInside?: boolean;
  /**
   * Its own check alone. Callers go through `verifyService`, which knows configured probes, prefers a HEALTHCHECK of the service unless the user
   * configured the handler, and watches for crashes.
   */
  verify(context: HandlerContext): Promise<Verdict>;
}
