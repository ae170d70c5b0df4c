import { RollbackError } from '../../model/errors.js';
import { movePlanSchema, type MovePlan } from '../../model/move.js';
import type { JournalRecord, RunSummary } from '../../model/run.js';
import { openTarget } from '../../points/find.js';
import { RunLog } from '../../rollback/run-log.js';
import { endChildren } from '../../run/children.js';
import { mendExchanges } from '../../run/data.js';
import { readJournal } from '../../store/journal.js';
import { isUp } from '../../plan/services.js';
import { engineName } from './facts.js';
import { readMovePlan } from './last.js';
import type { Sides } from './look.js';
import { carryOut, takeBack, type MoveOutcome } from './move.js';
import { startSource, unswapTarget, type Undertaking } from './movers.js';
import type { Workspace } from '../../run/workspace.js';

/** What becomes of a move that was killed. */

/**
 * Finishes a killed move. Before the target began to start, all of its operations are done again: the source may have run meanwhile. Afterwards nothing is
 * copied any more. Throws as `move`; `blocked` when both sides run.
 */
export async function resumeMove(sides: Sides, unfinished: RunSummary): Promise<MoveOutcome> {
  const { undertaking, fallen } = await openKilled(sides, unfinished);
  if (fallen !== undefined) throw await takeBack(undertaking, undefined, fallen);
  if (undertaking.progress.started) await assertStopped(undertaking);
  else await unswapTarget(undertaking);
  // It may take a key, which shall not be missed once the source is down.
  const goal = await undertaking.goal();
  return await carryOut({ ...undertaking, goal: () => Promise.resolve(goal) });
}

/** The source runs again as before. Throws `not-returned` when that fails. */
export async function abortMove(sides: Sides, unfinished: RunSummary): Promise<void> {
  const { undertaking } = await openKilled(sides, unfinished);
  const end = await takeBack(undertaking, undefined, 'aborted');
  if (end.code !== 'returned') throw end;
}

/** The source alone, where nobody answers at the target and nothing can have started there. Always throws: the run stays to be aborted. */
export async function rescueSource(source: Workspace, run: string, cause: RollbackError): Promise<never> {
  const plan = await readMovePlan(source.store, run);
  if (hasStarted(await readJournal(source.store.dir.journalFile(run)))) throw cause;
  await startSource({ source, plan });
  throw new RollbackError(
    'not-returned',
    `${engineName(plan.source)} runs the project again; ${cause.message}`,
    {
      hint: `once ${engineName(plan.target)} answers, compose-rollback abort takes away what is left there`,
      subjects: [run],
      cause,
    },
  );
}

async function openKilled(
  { source, target }: Sides,
  { id, safety, target: point }: RunSummary,
): Promise<{ undertaking: Undertaking; fallen: string | undefined }> {
  const { store } = source;
  await endChildren(id);
  const [whole, records, kept] = await Promise.all([
    readMovePlan(store, id),
    readJournal(store.dir.journalFile(id)),
    openTarget(store, safety),
  ]);
  await store.dropUnrecorded(kept.point);
  await mendExchanges(target, kept.point, id);
  const started = hasStarted(records);
  const at = whole.operations.findIndex(({ kind }) => kind === 'release-target' || kind === 'start-target');
  const plan = started ? { ...whole, operations: whole.operations.slice(at) } : whole;
  const goal = () => openTarget(store, whole.goal ?? point);
  const log = await RunLog.resume(source, id, plan);
  const sides = { source, target };
  return {
    // The labels of new volumes are those of their first making.
    undertaking: {
      ...sides,
      plan,
      model: undefined,
      point,
      goal,
      safety: kept.point,
      log,
      progress: { started },
    },
    fallen: records.find((record) => record.type === 'return')?.reason,
  };
}

/** Had the target begun to start, by what the journal says? */
function hasStarted(records: JournalRecord[]): boolean {
  let operations: MovePlan['operations'] = [];
  return records.some((record) => {
    if (record.type === 'begin' || record.type === 'resume') {
      operations = movePlanSchema.safeParse(record.plan).data?.operations ?? [];
    }
    const begun = record.type === 'doing' && record.phase === 'forward';
    return begun && operations[record.step]?.kind === 'start-target';
  });
}

async function assertStopped({ source, plan }: Undertaking): Promise<void> {
  const containers = await source.engine.containers({ project: source.project.name });
  const up = containers.filter(isUp).map(({ name }) => name);
  if (up.length === 0) return;
  throw new RollbackError(
    'blocked',
    `${up.join(', ')} run on ${engineName(plan.source)} again; nothing was touched`,
    {
      hint: 'stop them there, or take the move back with compose-rollback abort',
    },
  );
}
