import type { RunOutcome, RunSummary } from '../model/run.js';
import type { Access } from './access.js';
import type { RunKinds } from './kinds.js';
import { listRuns } from './unfinished.js';

/** What becomes of a run whose process died. Its kind says how. */

/**
 * Finishes it. Undefined when there is none.
 * @throws RollbackError as the run itself
 */
export async function resume<O extends RunOutcome>(
  access: Access,
  kinds: RunKinds<O>,
): Promise<O | undefined> {
  const run = await findUnfinishedRun(access);
  return run && (await (await kinds.get(run).load()).resume(access, run));
}

/**
 * Restores the state before it. Undefined when there is none.
 * @throws RollbackError `not-returned`
 */
export async function abort(access: Access, kinds: RunKinds): Promise<RunSummary | undefined> {
  const run = await findUnfinishedRun(access);
  return run && (await (await kinds.get(run).load()).abort(access, run));
}

/** Without the lock, because the run says on which engines to take it; under the lock its kind looks again. */
async function findUnfinishedRun(access: Access): Promise<RunSummary | undefined> {
  return await access.silent().read(async ({ store, project }) => {
    const runs = await listRuns(store, project);
    return runs.find(({ ended }) => ended === null);
  });
}
