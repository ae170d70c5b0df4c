import * as z from 'zod';
import { movePlanSchema, moveReturnSchema } from '../../model/move.js';
import { planSchema } from '../../model/plan.js';
import { beginSchema } from '../../model/run.js';
import { forwardOperations, readRunJournal } from '../../runs/journal.js';
import type { Store } from '../../store/store.js';
import { MOVE_KINDS } from './names.js';

const schemas = {
  begin: beginSchema.extend({ kind: z.enum(MOVE_KINDS), plan: movePlanSchema }),
  plan: movePlanSchema,
  // Up to 0.1 the way back was written down as the plan of the target alone, as parts still are.
  way: z.union([moveReturnSchema, planSchema]),
};

/** @throws RollbackError `damaged`, `no-such-run` */
export const readMoveJournal = (store: Store, run: string) => readRunJournal(store, run, schemas);

export type MoveJournal = Awaited<ReturnType<typeof readMoveJournal>>;

/** True if the start of the target began: its data may have been written since. */
export function hasStarted(journal: MoveJournal): boolean {
  return forwardOperations(journal, 'doing').some(({ kind }) => kind === 'start-target');
}
