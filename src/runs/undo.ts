import { RollbackError } from '../model/errors.js';
import { quoted, RUN_ID } from '../model/names.js';
import type { RunOutcome, RunSummary } from '../model/run.js';
import type { Workspace } from '../session/workspace.js';
import type { Store } from '../store/store.js';
import type { Access } from './access.js';
import type { RunKinds } from './kinds.js';
import type { UndoOptions } from './options.js';
import { listRuns } from './unfinished.js';

export interface UndoRequest extends UndoOptions {
  /** The caller named no run, and means the newest. */
  newest: boolean;
}

/**
 * Takes a run back: the named one, or the newest that changed something. Its kind says how.
 * @throws RollbackError `no-such-run`, `usage`, and as the run that takes it back
 */
export async function undo<O extends RunOutcome>(
  access: Access,
  kinds: RunKinds<O>,
  named: string | undefined,
  options: UndoOptions,
): Promise<O> {
  const run = await access.silent().read(({ store, project }) => findUndoable(store, project, named));
  const work = await kinds.get(run).load();
  return await work.undo(access, run, { ...options, newest: named === undefined });
}

async function findUndoable(store: Store, project: string, named: string | undefined): Promise<RunSummary> {
  if (named !== undefined && !RUN_ID.test(named)) {
    throw new RollbackError('usage', `${quoted(named)} is not the id of a run`, {
      hint: 'give an id such as run-a1b2c3d4e5f6; `compose-rollback runs` shows them',
    });
  }
  const found = await findRun(store, project, named);
  if (!found) {
    throw new RollbackError(
      'no-such-run',
      named ? `project ${project} has no run ${named}` : 'there is nothing to undo',
      { hint: '`compose-rollback runs` shows what was done' },
    );
  }
  if (found.result === 'returned') {
    throw new RollbackError('usage', `${found.id} failed and was taken back already`, {
      hint: '`compose-rollback runs` shows the others',
    });
  }
  return found;
}

/** The named run, else the newest that changed the project. */
async function findRun(store: Store, project: string, named: string | undefined) {
  const runs = await listRuns(store, project);
  if (named !== undefined) return runs.find(({ id }) => id === named);
  // With nothing but an unfinished run, its lock or its end is in the way.
  return runs.find(({ result }) => result === 'done') ?? runs.find(({ ended }) => ended === null);
}

/**
 * Under the lock: another run may have ended since `run` was found.
 * @throws RollbackError `stale`
 */
export async function assertNewest(
  { store, project }: Workspace,
  run: RunSummary,
  { newest }: Pick<UndoRequest, 'newest'>,
): Promise<void> {
  if (!newest || (await findRun(store, project.name, undefined))?.id === run.id) return;
  throw new RollbackError('stale', 'another run ended meanwhile; nothing was touched', {
    hint: '`compose-rollback runs` shows what was done; try again',
  });
}
