import { messageOf, RollbackError } from '../../model/errors.js';
import type { MovePlan } from '../../model/move.js';
import type { RunSummary } from '../../model/run.js';
import { mendExchanges } from '../../operations/data.js';
import { allOwn, readContainers } from '../../project/containers.js';
import { isUp } from '../../plan/services.js';
import { openTarget } from '../../points/find.js';
import type { Sides } from '../../runs/access-both.js';
import { reasonOfReturn } from '../../runs/journal.js';
import { RunLog } from '../../runs/log.js';
import { carryOut } from '../../runs/perform.js';
import { carryOutReturn, returnToSafetyPoint, type WayBack } from '../../runs/return.js';
import type { Workspace } from '../../session/workspace.js';
import { engineName } from './facts.js';
import { hasStarted, readMoveJournal } from './journal.js';
import { createMoveRun, rescueServices, type MoveOutcome } from './move.js';
import { startSource, type BegunMove } from './movers.js';
import { planRescue, planRest } from './replan.js';

/** Resumes and aborts an unfinished move. */

/**
 * Finishes it. Before the target began to start, all of its operations are done again: the source may have run meanwhile. Afterwards nothing is
 * copied any more.
 * @throws RollbackError as `move`; `blocked` when both sides run
 */
export async function resumeMove(sides: Sides, run: RunSummary): Promise<MoveOutcome> {
  const { move, journal } = await openUnfinished(sides, run);
  const reason = reasonOfReturn(journal.records);
  if (reason !== undefined) throw await goBack(move, run, reason);
  const { started } = move.progress;
  if (started) await assertSourceStopped(move);
  const plan = planRest(journal.begin.plan, started);
  // Opening it may take a key, which must not be missed once the source is down.
  const goal = await move.goal();
  const log = await RunLog.resume(sides.source, run.id, plan);
  const begun = createMoveRun({ ...move, plan, log, goal: () => Promise.resolve(goal) });
  const outcome = await carryOut(begun);
  return { kind: plan.kind, plan, result: 'done', run: run.id, point: run.target, ...outcome, quadlet: null };
}

/**
 * The source runs again as before.
 * @throws RollbackError `not-returned`
 */
export async function abortMove(sides: Sides, run: RunSummary): Promise<void> {
  const { move } = await openUnfinished(sides, run);
  const end = await goBack(move, run, 'aborted');
  if (end.code !== 'returned') throw end;
}

/**
 * Starts the source alone, while the target engine does not answer and nothing can have started there. The run stays unfinished.
 * @throws RollbackError always: `not-returned`, or the cause
 */
export async function rescueSource(source: Workspace, run: RunSummary, cause: RollbackError): Promise<never> {
  const journal = await readMoveJournal(source.store, run.id);
  if (hasStarted(journal)) throw cause;
  const { plan } = journal.begin;
  try {
    await startJournalled(source, run.id, plan);
  } catch (error) {
    await startSource({ source, plan }).catch((second: unknown) => {
      throw notReturned(run, messageOf(second), cause);
    });
    source.emit({
      type: 'warning',
      message: `the journal of ${run.id} does not say so: ${messageOf(error)}`,
    });
  }
  const hint = `once ${engineName(plan.target)} answers, compose-rollback abort takes away what is left there`;
  throw notReturned(run, `${engineName(plan.source)} runs the project again; ${cause.message}`, cause, hint);
}

async function startJournalled(source: Workspace, run: string, plan: MovePlan): Promise<void> {
  const log = await RunLog.resume(source, run, null);
  try {
    const way: WayBack = {
      plan: planRescue(plan),
      perform: () => startSource({ source, plan }),
      findRemaining: () => Promise.resolve([]),
    };
    await log.beginPart(way.plan);
    await carryOutReturn({ workspace: source, log }, way, 'target');
  } finally {
    await log.journal.close();
  }
}

async function goBack(move: UnfinishedMove, run: RunSummary, explanation: string): Promise<RollbackError> {
  let log: RunLog;
  try {
    log = await RunLog.resume(move.source, run.id, null);
  } catch (error) {
    // Without a journal nothing but this can be done.
    const rescued = await rescueServices(move);
    if (rescued === undefined) throw error;
    return notReturned(run, `${messageOf(error)}; ${rescued}`, error);
  }
  return await returnToSafetyPoint(createMoveRun({ ...move, log }), { error: undefined, explanation });
}

function notReturned({ id }: RunSummary, message: string, cause: unknown, hint?: string): RollbackError {
  return new RollbackError('not-returned', message, {
    hint: hint ?? 'fix what is named, then compose-rollback abort',
    subjects: [id],
    cause,
  });
}

type UnfinishedMove = Omit<BegunMove, 'log'>;

async function openUnfinished({ source, target }: Sides, { id, safety, target: point }: RunSummary) {
  const { store } = source;
  const [journal, kept] = await Promise.all([readMoveJournal(store, id), openTarget(store, safety)]);
  await store.dropUnrecorded(kept.point);
  await mendExchanges(target, kept.point, id);
  const { plan } = journal.begin;
  const move: UnfinishedMove = {
    source,
    target,
    plan,
    // New volumes have their labels from when they were made.
    model: undefined,
    point,
    goal: () => openTarget(store, plan.goal ?? point),
    safety: kept.point,
    progress: { started: hasStarted(journal) },
  };
  return { journal, move };
}

async function assertSourceStopped({ source, plan }: UnfinishedMove): Promise<void> {
  const containers = await readContainers(source.engine, source.project);
  const up = allOwn(containers)
    .filter(isUp)
    .map(({ name }) => name);
  if (up.length === 0) return;
  throw new RollbackError(
    'blocked',
    `${up.join(', ')} run on ${engineName(plan.source)} again; nothing was touched`,
    {
      hint: 'stop them there, or take the move back with compose-rollback abort',
    },
  );
}
