import * as z from 'zod';
import { planSchema } from '../model/plan.js';
import { beginSchema, requestSchema } from '../model/run.js';
import { readRunJournal } from '../runs/journal.js';
import type { Store } from '../store/store.js';
import { ROLLBACK_KINDS } from './names.js';

const schemas = {
  begin: beginSchema.extend({ kind: z.enum(ROLLBACK_KINDS), request: requestSchema, plan: planSchema }),
  plan: planSchema,
  way: planSchema,
};

/** @throws RollbackError `damaged`, `no-such-run` */
export const readRollbackJournal = (store: Store, run: string) => readRunJournal(store, run, schemas);
