import { RollbackError } from '../../model/errors.js';
import type { MovePlan } from '../../model/move.js';
import type { RunSummary } from '../../model/run.js';
import { openTarget } from '../../points/find.js';
import type { Access } from '../../runs/access.js';
import { changeBoth, lookAtBoth, type Sides } from '../../runs/access-both.js';
import type { UndoOptions } from '../../runs/options.js';
import { selectAgain, type UndoRequest } from '../../runs/undo.js';
import type { Workspace } from '../../session/workspace.js';
import { assertFinished, isUnfinished, listRuns, searchStores } from '../../runs/unfinished.js';
import { assertEngines, endsOfMove } from './ends.js';
import { lastMove, readMovePlan } from './last.js';
import { move, type MoveOutcome } from './move.js';
import { OPPOSITE } from './names.js';
import { abortMove, rescueSource, resumeMove } from './resume.js';

/** The work of `moveKinds`. */

export async function resume(access: Access, run: RunSummary): Promise<MoveOutcome | undefined> {
  return await onItsEngines(access, 'resume', run, subjectsOf, (sides) => resumeMove(sides, run));
}

export async function abort(access: Access, run: RunSummary): Promise<RunSummary | undefined> {
  const act = async (sides: Sides) => {
    await abortMove(sides, run);
    return run;
  };
  const subjects = ({ target, id }: RunSummary) => [target, id];
  try {
    return await onItsEngines(access, 'abort', run, subjects, act);
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'engine-unreachable') throw error;
    const { source } = endsOfMove(access.options, await planOf(access, run.id));
    const rescue = async (workspace: Workspace) =>
      (await isUnfinished(workspace, run.id)) ? await rescueSource(workspace, run, error) : undefined;
    const none = () => [];
    return await access.at(source).change<undefined>('abort', none, rescue, { observes: false });
  }
}

/** The project runs where it ran, as it did then; what was written since stays where it went. */
export async function undo(access: Access, run: RunSummary, request: UndoRequest): Promise<MoveOutcome> {
  const { dryRun = false, confirm } = request;
  assertWhole(request);
  const plan = await planOf(access, run.id);
  const back = { source: plan.target, target: plan.source };
  const act = async (sides: Sides) => {
    assertEngines(sides, back);
    if (!dryRun) await assertFinished(sides.source);
    await assertLast(sides.source, await selectAgain(sides.source, run, request));
    const goal = await openTarget(sides.source.store, run.target);
    return await move(OPPOSITE[plan.kind], sides, { dryRun, confirm, goal, data: false, undoes: run.id });
  };
  const ends = endsOfMove(access.options, back);
  if (dryRun) return await lookAtBoth(access, ends, act);
  return await changeBoth(access, ends, 'undo', subjectsOf, act);
}

/** @throws RollbackError `usage` when the project was moved again since, `blocked` for a move that is unfinished */
async function assertLast({ store, project }: Workspace, run: RunSummary): Promise<void> {
  if (run.result !== 'done') {
    throw new RollbackError('blocked', `${run.id}, a move to another engine, is unfinished`, {
      hint: 'compose-rollback resume finishes it, compose-rollback abort takes it back',
    });
  }
  const last = await lastMove(store, project.name);
  if (last?.run.id === run.id) return;
  throw new RollbackError('usage', `the project was moved again since ${run.id}`, {
    hint: `compose-rollback undo ${last?.run.id} takes that back first`,
  });
}

/** A move has no parts that could be taken back alone. */
function assertWhole({ services, configOnly, returnOnFailure, plan }: UndoOptions): void {
  if (!services && !configOnly && returnOnFailure !== false && !plan) return;
  throw new RollbackError('usage', 'a move between engines is taken back whole, or not at all', {
    hint: 'leave out what narrows it, such as --config-only or --no-return',
  });
}

/** On the engines of an unfinished move. Undefined when it was ended meanwhile. */
async function onItsEngines<T>(
  access: Access,
  action: string,
  { id }: RunSummary,
  subjects: (result: T) => string[],
  act: (sides: Sides) => Promise<T>,
): Promise<T | undefined> {
  const plan = await planOf(access, id);
  return await changeBoth(
    access,
    endsOfMove(access.options, plan),
    action,
    (result) => (result ? subjects(result) : []),
    async (sides) => {
      assertEngines(sides, plan);
      return (await isUnfinished(sides.source, id)) ? await act(sides) : undefined;
    },
    { observes: false },
  );
}

async function planOf(access: Access, run: string): Promise<MovePlan> {
  const found = await searchStores(access, async (store, project) => {
    const runs = await listRuns(store, project);
    return runs.some(({ id }) => id === run) ? await readMovePlan(store, run) : undefined;
  });
  if (found) return found;
  throw new RollbackError('no-such-run', `there is no journal of ${run}`, {
    hint: '`compose-rollback runs` shows the runs there are',
  });
}

/** The points and runs for the audit trail. */
export const subjectsOf = ({ point, run }: MoveOutcome): string[] => [point, run].filter((id) => id !== null);
