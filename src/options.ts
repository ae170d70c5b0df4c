import type { MovePlan } from './model/move.js';
import type { Plan } from './model/plan.js';
import type { Handler } from './handlers/handler.js';
import type { EventSink } from './model/events.js';

/** Which project on which engine, and how to be told. */
export interface ManagerOptions {
  /** Where the project is looked for, as if called there; the current directory when absent. */
  projectRoot?: string | undefined;
  /** Compose's own flags. */
  files?: string[] | undefined;
  projectName?: string | undefined;
  projectDirectory?: string | undefined;
  profiles?: string[] | undefined;
  envFiles?: string[] | undefined;
  /** Relative to the project; `rollback/backups` when neither this nor the configuration says. */
  backupDir?: string | undefined;
  /** An age identity file that opens encrypted points; relative to where the project is looked for. */
  identityFile?: string | undefined;
  /** Points kept; 10 when neither this nor the configuration says. */
  maxRollbackPoints?: number | undefined;
  engine?: 'auto' | 'docker' | 'podman' | undefined;
  /** Address of the engine, e.g. `unix:///run/docker.sock`. */
  host?: string | undefined;
  /** Name of a docker context. */
  context?: string | undefined;
  /** Handlers beside the built-in ones; one of the same kind is replaced. */
  handlers?: Handler[] | undefined;
  onEvent?: EventSink | undefined;
  /** Aborting it ends a run after its current operation and brings the earlier state back. */
  signal?: AbortSignal | undefined;
  /** The process' own when absent. */
  env?: Record<string, string | undefined> | undefined;
}

export interface RollbackOptions {
  /** Plan only; changes nothing. */
  dryRun?: boolean | undefined;
  /** Only these services; all when absent. */
  services?: string[] | undefined;
  /** Write files, start nothing. */
  configOnly?: boolean | undefined;
  /** Restore volume data where the point has it; true when absent. */
  volumes?: boolean | undefined;
  /** Restore the listed files outside the project too. */
  outside?: boolean | undefined;
  /** Check the point's commit out, after stashing. */
  git?: boolean | undefined;
  /** Undo automatically when something fails; true when absent. */
  returnOnFailure?: boolean | undefined;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: Plan) => Promise<boolean>) | undefined;
  /** A plan made earlier: refused as stale when the project changed since. */
  plan?: Plan | undefined;
}

/** Who is asked may be shown the plan of a move. */
export interface UndoOptions extends Omit<RollbackOptions, 'confirm'> {
  confirm?: ((plan: Plan | MovePlan) => Promise<boolean>) | undefined;
}

export interface MoveOptions {
  /** Plan only; changes nothing. */
  dryRun?: boolean | undefined;
  /** Address of the engine to move to; found where it usually is when absent. */
  targetHost?: string | undefined;
  /** Where to write the project as Quadlet units once it runs on Podman; absent: nowhere. */
  quadlet?: string | undefined;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: MovePlan) => Promise<boolean>) | undefined;
}

export interface BackOptions {
  /** Carry the data over; else Docker's volumes are used as they stand. */
  keepData?: boolean | undefined;
  dryRun?: boolean | undefined;
  targetHost?: string | undefined;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: MovePlan | Plan) => Promise<boolean>) | undefined;
}
