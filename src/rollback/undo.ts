import { messageOf, RollbackError } from '../model/errors.js';
import { ENGINE_NAMES } from '../model/names.js';
import type { Point, SealedPoint } from '../model/point.js';
import { type RunSummary } from '../model/run.js';
import { scopeOf, type RunScope } from '../model/scope.js';
import { keepReplaced } from '../operations/data.js';
import type { Target } from '../plan/target.js';
import { openTarget } from '../points/find.js';
import { selectAgain, type UndoRequest } from '../runs/undo.js';
import { assertFinished } from '../runs/unfinished.js';
import { discardStaged } from '../runs/volumes.js';
import type { Workspace } from '../session/workspace.js';
import { readRollbackJournal } from './journal.js';
import { blockedByDamage, rollback, type RollbackOutcome } from './rollback.js';

/**
 * Takes a run back: a rollback to its safety point. Undoing an undo is redoing, because an undo is a run like any other.
 * @throws RollbackError as `rollback`; `usage` for a run on the engine that the project left
 */
export async function undoRollback(
  workspace: Workspace,
  run: RunSummary,
  request: UndoRequest,
): Promise<RollbackOutcome> {
  const { dryRun = false, returnOnFailure = true, confirm, plan: expected, ...options } = request;
  if (!dryRun) await assertFinished(workspace);
  const undone = await selectAgain(workspace, run, request);
  const { target, reach } = await openSafetyPoint(workspace, undone, { dryRun }).catch(blockedByDamage);
  // It has to reach where the run reached.
  const scope = scopeOf({
    ...options,
    outside: options.outside || reach.outside,
    git: options.git || reach.git,
  });
  return rollback(workspace, target, {
    kind: 'undo',
    scope,
    undone,
    dryRun,
    returnOnFailure,
    confirm,
    expected,
  });
}

async function openSafetyPoint(
  workspace: Workspace,
  undone: RunSummary,
  { dryRun }: { dryRun: boolean },
): Promise<{ target: Target; reach: Pick<RunScope, 'outside' | 'git'> }> {
  const { store } = workspace;
  assertSameEngine(undone, await store.readRecord(undone.safety), workspace);
  const { begin } = await readRollbackJournal(store, undone.id);
  if (!dryRun) await archiveParkedData(workspace, undone);
  return { target: await openTarget(store, undone.safety), reach: begin.request };
}

/** Points from before a move belong to another engine. */
function assertSameEngine(
  { id, safety }: RunSummary,
  { metadata }: Point | SealedPoint,
  { identity }: Workspace,
): void {
  const { kind } = metadata.engine;
  if (kind === identity.kind) return;
  throw new RollbackError('usage', `${id} was a run on ${ENGINE_NAMES[kind]}, before the project was moved`, {
    hint: `undo the move first, or go to its safety point: compose-rollback rollback ${safety}`,
  });
}

/**
 * What a run could not archive lies beside its volume still: it goes into the safety point before anything goes back to that; what it unpacked and
 * never used goes away. Throws `blocked`, with nothing touched, when that is not possible yet.
 */
async function archiveParkedData(workspace: Workspace, { safety, result }: RunSummary): Promise<void> {
  const point = await workspace.store.read(safety);
  const { replaced, volume_data, metadata } = point;
  const stored = new Set(volume_data.map(({ name }) => name));
  // A run that failed may not have come to a volume, or have brought its data back.
  const mayBeBack = result !== 'done';
  for (const data of replaced.filter(({ name }) => !stored.has(name))) {
    try {
      await keepReplaced(workspace, safety, data, metadata.run ?? '', { mayBeBack });
    } catch (error) {
      throw new RollbackError(
        'blocked',
        `the replaced data of ${data.name} cannot be archived; nothing was touched`,
        {
          hint: `it is beside ${data.path}: free some space in the backup directory, then try again`,
          details: [messageOf(error)],
          cause: error,
        },
      );
    }
  }
  await discardStaged(workspace, point);
}
