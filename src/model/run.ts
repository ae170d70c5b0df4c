import * as z from 'zod';
import type { MoveKind } from './move.js';
import { RUN_ID } from './names.js';
import { pointImageSchema } from './point.js';

/** A run's journal, `runs/<run>.jsonl`: one record a line, appended and synced, never rewritten. */

export const RUN_KINDS = ['rollback', 'undo', 'service', 'to-podman', 'to-docker'] as const;
export type RunKind = (typeof RUN_KINDS)[number];
/** Runs that lead to a point, on one engine. */
export type RollbackKind = Exclude<RunKind, MoveKind>;

/** `returned`: failed, and the earlier state is back. `not-returned`: failed, and it is not. */
export const RUN_RESULTS = ['done', 'failed', 'returned', 'not-returned'] as const;
export type RunResult = (typeof RUN_RESULTS)[number];

const at = z.iso.datetime();
/** `target`: what a move does at its target, as one of its own operations. */
const phase = z.enum(['forward', 'return', 'target']);

/** What was asked of a run, so that another process can go on with it. */
const requestSchema = z.object({
  services: z.array(z.string()).nullable(),
  config_only: z.boolean(),
  volumes: z.boolean(),
  outside: z.boolean(),
  git: z.boolean(),
  /** Of a run that takes one service to another image: that image. */
  image: pointImageSchema.nullable(),
});

export const journalRecordSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('begin'),
    at,
    run: z.string().regex(RUN_ID),
    kind: z.enum(RUN_KINDS),
    project: z.string(),
    user: z.string(),
    pid: z.int(),
    /** What tells later whether that process still lives. */
    process: z.string(),
    /** The point to go to, and the safety point to come back to. */
    target: z.string(),
    safety: z.string(),
    /** Of an undo: the run it takes back. */
    undoes: z.string().nullable(),
    request: requestSchema,
    plan: z.unknown(),
  }),
  /** Another process goes on, with a plan from what it found; steps count from 0 again. */
  z.object({ type: z.literal('resume'), at, pid: z.int(), process: z.string(), plan: z.unknown() }),
  /** Synced before the operation acts. `step` counts within the phase, from 0. */
  z.object({ type: z.literal('doing'), at, phase, step: z.int() }),
  z.object({
    type: z.literal('done'),
    at,
    phase,
    step: z.int(),
    note: z.string().nullable(),
  }),
  z.object({
    type: z.literal('failed'),
    at,
    phase,
    step: z.int(),
    error: z.string(),
  }),
  /** The plan of the way back to the safety point. */
  z.object({ type: z.literal('return'), at, reason: z.string(), plan: z.unknown() }),
  z.object({
    type: z.literal('end'),
    at,
    result: z.enum(RUN_RESULTS),
    message: z.string(),
    warnings: z.array(z.string()),
  }),
]);

export type JournalRecord = z.infer<typeof journalRecordSchema>;
export type RunRequest = z.infer<typeof requestSchema>;

/** What the index holds of a run. */
export interface RunSummary {
  id: string;
  kind: RunKind;
  project: string;
  started: string;
  /** Null while it runs, and for a run that was killed. */
  ended: string | null;
  result: RunResult | null;
  target: string;
  safety: string;
  undoes: string | null;
  user: string;
  message: string | null;
}

/** One line of `audit.jsonl`: who did what, when, with what result. */
export interface AuditRecord {
  at: string;
  user: string;
  project: string;
  /** `create`, `rollback`, `undo`, `delete`, `cleanup`, … */
  action: string;
  /** Ids of the points and runs concerned. */
  subjects: string[];
  result: 'done' | 'failed';
  message: string;
}
