import type { MovePlan } from '../model/move.js';
import type { Plan } from '../model/plan.js';

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

/** The plan of an undo may be that of a move. */
export interface UndoOptions extends Omit<RollbackOptions, 'confirm'> {
  confirm?: ((plan: Plan | MovePlan) => Promise<boolean>) | undefined;
}
