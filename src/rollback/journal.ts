import * as z from 'zod';
import { planSchema } from '../model/plan.js';
import { pointImageSchema } from '../model/point.js';
import { beginSchema } from '../model/run.js';
import type { RunScope } from '../model/scope.js';
import { readRunJournal } from '../runs/journal.js';
import type { Store } from '../store/store.js';
import { ROLLBACK_KINDS } from './names.js';

/** The request of a rollback, as its journal keeps it for the process that finishes it. */
const requestSchema = z.object({
  /** Null for all. */
  services: z.array(z.string()).nullable(),
  config_only: z.boolean(),
  volumes: z.boolean(),
  outside: z.boolean(),
  git: z.boolean(),
  leave_tags: z.boolean().default(false),
  /** The image of a run that takes one service to another image. */
  image: pointImageSchema.nullable(),
});

type RollbackRequestRecord = z.infer<typeof requestSchema>;

export function recordRequest(
  { services, configOnly, leaveTags, ...rest }: RunScope,
  image: RollbackRequestRecord['image'],
): RollbackRequestRecord {
  return {
    services: services ?? null,
    config_only: configOnly,
    leave_tags: leaveTags,
    ...rest,
    image,
  };
}

export function scopeOfRequest({
  services,
  config_only: configOnly,
  leave_tags: leaveTags,
  ...rest
}: RollbackRequestRecord): RunScope {
  const { volumes, outside, git } = rest;
  return { services: services ?? undefined, configOnly, volumes, outside, git, leaveTags };
}

const schemas = {
  begin: beginSchema.extend({ kind: z.enum(ROLLBACK_KINDS), request: requestSchema, plan: planSchema }),
  plan: planSchema,
  way: planSchema,
};

/** @throws RollbackError `damaged`, `no-such-run` */
export const readRollbackJournal = (store: Store, run: string) => readRunJournal(store, run, schemas);

export type RollbackJournal = Awaited<ReturnType<typeof readRollbackJournal>>;
