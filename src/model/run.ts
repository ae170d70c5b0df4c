import * as z from 'zod';
import type { AnyOperation } from './events.js';
import { RUN_ID } from './names.js';
import type { Remark } from './plan.js';

/** A run's journal, `runs/<run>.jsonl`: one record a line, appended and synced, never rewritten. */

/** `returned`: failed, and the earlier state is back. `not-returned`: failed, and it is not. */
export const RUN_RESULTS = ['done', 'failed', 'returned', 'not-returned'] as const;
export type RunResult = (typeof RUN_RESULTS)[number];

const at = z.iso.datetime();
/** `target`: operations of the plan in the last `part` record, which one operation carries out. */
const phase = z.enum(['forward', 'return', 'target']);

/** The fields that begin records of all kinds share. The kinds extend it to a union discriminated by `kind`: each adds its plan and its request. */
export const beginSchema = z.looseObject({
  type: z.literal('begin'),
  at,
  run: z.string().regex(RUN_ID),
  /** Place in the order of its store, counted together with its points; 0 in earlier journals, which come before, by their time. */
  sequence: z.int().nonnegative().default(0),
  /** Name of a kind of run. */
  kind: z.string(),
  project: z.string(),
  user: z.string(),
  pid: z.int(),
  /** Tells later whether that process still lives. */
  process: z.string(),
  /** The point to go to, and the safety point to return to. */
  target: z.string(),
  safety: z.string(),
  /** The run that an undo takes back. */
  undoes: z.string().nullable(),
});

export const journalRecordSchema = z.discriminatedUnion('type', [
  beginSchema,
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
  /** The plan that one operation carries out; its steps count from 0 in the phase `target`. */
  z.object({ type: z.literal('part'), at, plan: z.unknown() }),
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
export type BeginRecord = z.infer<typeof beginSchema>;

/** The fields that plans of all kinds of runs share. */
export interface RunPlan {
  kind: string;
  project: string;
  operations: AnyOperation[];
  risks: Remark[];
  blockers: Remark[];
}

/** What was compared with the target at the end of a run, and is equal to it. */
export interface Proof {
  /** Facts of containers, networks and volumes, images included; null when the point recorded none. */
  facts: number | null;
  /** Configuration files, links and directories that were compared; paths that have to be absent are not among them. */
  files: number;
  /** Volumes and directories whose data was restored, or copied from another engine. */
  volumes: number;
  /** What is not as recorded, and changes nothing of what services are: their essentials were compared before. */
  differences: { what: 'service' | 'network' | 'volume'; name: string; key: string; change: string }[];
  /** Defaults of the engine that changed since. */
  defaults: string[];
}

/** The fields that outcomes of all kinds of runs share. */
export interface RunOutcome<P extends RunPlan = RunPlan> {
  /** Name of the kind of run. */
  kind: string;
  plan: P;
  result: 'planned' | 'nothing-to-do' | 'done';
  /** Null when nothing was run. */
  run: string | null;
  warnings: string[];
  /** Null when nothing was run, and for kinds of runs that prove nothing at their end. */
  proof: Proof | null;
}

/** What the index holds of a run. */
export interface RunSummary {
  id: string;
  /** Place in the order of its store; equal ones follow their time. */
  sequence: number;
  /** Name of a kind of run: `rollback`, `service`, `undo`, `to-podman`, `to-docker`. */
  kind: string;
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
