import * as z from 'zod';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { BeginRecord, JournalRecord, RunPlan } from '../model/run.js';
import { readJournal } from '../store/journal.js';
import type { Store } from '../store/store.js';

/** The schemas of the parts that a kind of run adds to its journal. */
export interface JournalSchemas<B extends BeginRecord, P extends Operations> {
  /** The begin record with its plan and its request; `kind` discriminates it from those of other kinds. */
  begin: z.ZodType<B & { plan: P }>;
  /** Plans with which another process went on. */
  plan: z.ZodType<P>;
  /** Plans of the way back. */
  way: z.ZodType<Operations>;
}

/** The part of stored plans that is read. */
export type Operations = Pick<RunPlan, 'operations'>;

/** A run's journal, with every plan in it parsed. */
export interface RunJournal<B extends BeginRecord, P extends Operations> {
  begin: B & { plan: P };
  /** All other records, in order; null stands for the plan of a process that only went back. */
  records: ParsedRecord<P>[];
}

type Step = Extract<JournalRecord, { type: 'doing' | 'done' | 'failed' | 'end' }>;
type Resume<P> = Omit<Extract<JournalRecord, { type: 'resume' }>, 'plan'> & { plan: P | null };
type Part = Omit<Extract<JournalRecord, { type: 'part' }>, 'plan'> & { plan: Operations };
type Return = Omit<Extract<JournalRecord, { type: 'return' }>, 'plan'> & { plan: Operations };
type ParsedRecord<P> = Step | Resume<P> | Part | Return;

const HINT =
  'put back a copy of that file; or set the services right by hand, move it out of `runs/`, and call compose-rollback reindex';

/** @throws RollbackError `damaged`, naming the line, for anything that is not a record of this kind; `no-such-run` */
export async function readRunJournal<B extends BeginRecord, P extends Operations>(
  store: Store,
  run: string,
  { begin, plan, way }: JournalSchemas<B, P>,
): Promise<RunJournal<B, P>> {
  const path = store.dir.journalFile(run);
  const [first, ...rest] = await readJournal(path);
  const parse = <T>(schema: z.ZodType<T>, value: unknown, line: number): T => {
    const { success, data } = schema.safeParse(value);
    if (success) return data;
    throw new RollbackError('damaged', `the journal ${quoted(path)} is damaged in line ${line}`, {
      hint: HINT,
    });
  };
  return {
    begin: parse(begin, first, 1),
    records: rest.map((record, index): ParsedRecord<P> => {
      const line = index + 2;
      if (record.type === 'begin') return parse(z.never(), record, line);
      if (record.type === 'resume') return { ...record, plan: parse(plan.nullable(), record.plan, line) };
      if (record.type === 'return' || record.type === 'part')
        return { ...record, plan: parse(way, record.plan, line) };
      return record;
    }),
  };
}

/** Why the run went back; undefined for one that did not, or not yet. */
export function reasonOfReturn<P>(records: ParsedRecord<P>[]): string | undefined {
  const record = records.find(({ type }) => type === 'return');
  return record?.type === 'return' ? record.reason : undefined;
}

/**
 * The operations of its own plan that a run began (`doing`) or finished (`done`), in order.
 * @throws RollbackError `damaged` for a step that its plan does not have
 */
export function forwardOperations<B extends BeginRecord, P extends Operations>(
  { begin, records }: RunJournal<B, P>,
  state: 'doing' | 'done',
): P['operations'] {
  let operations: P['operations'] = begin.plan.operations;
  return records.flatMap((record) => {
    if (record.type === 'resume') operations = record.plan?.operations ?? [];
    if (record.type !== state || record.phase !== 'forward') return [];
    const operation = operations[record.step];
    if (operation) return operation;
    throw new RollbackError(
      'damaged',
      `the journal of ${begin.run} has a step ${record.step} that its plan has not`,
      {
        hint: HINT,
      },
    );
  });
}

/** Every operation of every plan in the journal. */
export function allOperations<B extends BeginRecord, P extends Operations>({
  begin,
  records,
}: RunJournal<B, P>): Operations['operations'] {
  const later = records.flatMap((record) => ('plan' in record ? (record.plan?.operations ?? []) : []));
  return [...begin.plan.operations, ...later];
}
