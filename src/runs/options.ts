import type { MovePlan } from '../model/move.js';
import type { Plan } from '../model/plan.js';
import type { ScopeOptions } from '../model/scope.js';

export interface RollbackOptions extends ScopeOptions {
  /** Plan only; changes nothing. */
  dryRun?: boolean | undefined;
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
