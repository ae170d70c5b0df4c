import type { Handler } from '../handlers/handler.js';
import type { EventSink } from '../model/events.js';

/** Selects the project and the engine, and receives events. */
export interface ManagerOptions {
  /** Where the project is looked for, as if called there; the current directory when absent. */
  projectRoot?: string | undefined;
  /** Compose's own flags. */
  files?: string[] | undefined;
  projectName?: string | undefined;
  projectDirectory?: string | undefined;
  profiles?: string[] | undefined;
  envFiles?: string[] | undefined;
  /**
   * Relative to the project. When neither this nor COMPOSE_ROLLBACK_BACKUP_DIR nor the configuration says: where the points are already, else
   * `rollback/backups`, or the state directory when a build of the project would take that into its image.
   */
  backupDir?: string | undefined;
  /** An age identity file that opens encrypted points; relative to where the project is looked for. */
  identityFile?: string | undefined;
  /** Manual and migration points that are kept; 10 when neither this nor the configuration says. */
  maxRollbackPoints?: number | undefined;
  engine?: 'auto' | 'docker' | 'podman' | undefined;
  /** Address of the engine, e.g. `unix:///run/docker.sock`. */
  host?: string | undefined;
  /** Name of a docker context. */
  context?: string | undefined;
  /** Handlers beside the built-in ones; one of the same kind is replaced. */
  handlers?: Handler[] | undefined;
  /** How long to wait for a lock that another command holds, in milliseconds; 0 when absent. */
  lockTimeoutMs?: number | undefined;
  onEvent?: EventSink | undefined;
  /** Aborting it ends a run after its current operation and brings the earlier state back. */
  signal?: AbortSignal | undefined;
  /** The process' own when absent. */
  env?: Record<string, string | undefined> | undefined;
}
