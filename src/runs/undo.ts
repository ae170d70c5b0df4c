import { RollbackError } from '../model/errors.js';
import { quoted, RUN_ID } from '../model/names.js';
import type { RunOutcome, RunSummary } from '../model/run.js';
import type { Workspace } from '../session/workspace.js';
import type { Store } from '../store/store.js';
import type { Access } from './access.js';
import type { RunKinds } from './kinds.js';
import type { UndoOptions } from './options.js';
import { findUnfinishedRun, listRuns, searchStores } from './unfinished.js';

export interface UndoRequest extends UndoOptions {
  /** Id of the run that the caller named; undefined for the newest. */
  named: string | undefined;
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
  const run = await searchStores(access, (store, project) => selectRun(store, project, named));
  const undone = assertUndoable(run ?? (await fallback(access, options)), named);
  const work = await kinds.get(undone).load();
  return await work.undo(access, undone, { ...options, named });
}

/** With nothing but an unfinished run, its lock or its end is in the way, and its kind says so. */
async function fallback(access: Access, { dryRun = false }: UndoOptions): Promise<RunSummary | undefined> {
  return dryRun ? undefined : await findUnfinishedRun(access);
}

/**
 * Selects the run again, under the lock.
 * @throws RollbackError as `undo`; `stale` when another run ended meanwhile
 */
export async function selectAgain(
  { store, project }: Workspace,
  run: RunSummary,
  { named }: Pick<UndoRequest, 'named'>,
): Promise<RunSummary> {
  const found = assertUndoable(await selectRun(store, project.name, named), named);
  if (found.id === run.id) return found;
  throw new RollbackError('stale', 'another run ended meanwhile; nothing was touched', {
    hint: '`compose-rollback runs` shows what was done; try again',
  });
}

/** The named run, else the newest that changed the project. */
async function selectRun(
  store: Store,
  project: string,
  named: string | undefined,
): Promise<RunSummary | undefined> {
  if (named !== undefined && !RUN_ID.test(named)) {
    throw new RollbackError('usage', `${quoted(named)} is not the id of a run`, {
      hint: 'give an id such as run-a1b2c3d4e5f6; `compose-rollback runs` shows them',
    });
  }
  const runs = await listRuns(store, project);
  return runs.find(({ id, result }) => (named === undefined ? result === 'done' : id === named));
}

function assertUndoable(run: RunSummary | undefined, named: string | undefined): RunSummary {
  if (!run) {
    const message = named ? `the project has no run ${named}` : 'there is nothing to undo';
    throw new RollbackError('no-such-run', message, {
      hint: '`compose-rollback runs` shows what was done',
    });
  }
  if (run.result !== 'returned') return run;
  throw new RollbackError('usage', `${run.id} failed and was taken back already`, {
    hint: '`compose-rollback runs` shows the others',
  });
}
