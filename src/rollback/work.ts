import type { RunSummary } from '../model/run.js';
import type { Access } from '../runs/access.js';
import type { UndoRequest } from '../runs/undo.js';
import { isUnfinished } from '../runs/unfinished.js';
import { abortRollback, resumeRollback } from './resume.js';
import type { RollbackOutcome } from './rollback.js';
import { undoRollback } from './undo.js';

/** The work of `rollbackKinds`. */

export async function resume(access: Access, run: RunSummary): Promise<RollbackOutcome | undefined> {
  return await access.change('resume', subjectsOf, async (workspace) => {
    if (await isUnfinished(workspace, run.id)) return await resumeRollback(workspace, run);
    return undefined;
  });
}

export async function abort(access: Access, run: RunSummary): Promise<RunSummary | undefined> {
  const subjects = (aborted: RunSummary | undefined) => (aborted ? [run.target, run.id] : []);
  return await access.change('abort', subjects, async (workspace) => {
    if (!(await isUnfinished(workspace, run.id))) return undefined;
    await abortRollback(workspace, run);
    return run;
  });
}

export async function undo(access: Access, run: RunSummary, request: UndoRequest): Promise<RollbackOutcome> {
  if (request.dryRun) return await access.look((workspace) => undoRollback(workspace, run, request));
  return await access.change('undo', subjectsOf, (workspace) => undoRollback(workspace, run, request));
}

/** The points and runs for the audit trail. */
export const subjectsOf = (outcome: RollbackOutcome | undefined): string[] =>
  outcome?.run ? [outcome.plan.target.id, outcome.run] : [];
