import type { MovePlan } from './model/move.js';
import type { Plan } from './model/plan.js';

/** Options of moves. */

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
