import type { RunOutcome, RunSummary } from '../model/run.js';
import type { Access } from './access.js';
import type { RunKinds } from './kinds.js';
import { findUnfinishedRun } from './unfinished.js';

/** Finishes or aborts an unfinished run. Its kind says how. */

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
