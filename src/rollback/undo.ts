import { RollbackError } from '../model/errors.js';
import { quoted, RUN_ID } from '../model/names.js';
import type { RunSummary } from '../model/run.js';
import { planSchema } from '../model/plan.js';
import { readJournal } from '../store/journal.js';
import type { Store } from '../store/store.js';

/**
 * The run to take back: the named one, else the newest that changed the project, or may have: one without an end was killed, because the
 * caller holds the lock. Undoing an undo is redoing: an undo
 * is a run like any other. Throws `no-such-run`.
 */
export async function findUndoable(
  store: Store,
  project: string,
  run: string | undefined,
): Promise<RunSummary> {
  if (run !== undefined && !RUN_ID.test(run)) {
    throw new RollbackError('usage', `${quoted(run)} is not the id of a run`, {
      hint: 'give an id such as run-a1b2c3d4e5f6; `compose-rollback runs` shows them',
    });
  }
  const runs = (await store.readIndex())?.runs({ project }) ?? [];
  const found =
    run === undefined
      ? runs.find(({ result, ended }) => result === 'done' || ended === null)
      : runs.find(({ id }) => id === run);
  if (!found) {
    throw new RollbackError(
      'no-such-run',
      run ? `project ${project} has no run ${run}` : 'there is nothing to undo',
      {
        hint: '`compose-rollback runs` shows what was done',
      },
    );
  }
  if (found.result === 'returned') {
    throw new RollbackError('usage', `${found.id} failed and was taken back already`, {
      hint: '`compose-rollback runs` shows the others',
    });
  }
  return found;
}

/** What a run went beyond the project's own files and containers in: taking it back has to go there too. */
export async function reachOf(store: Store, run: string): Promise<{ outside: boolean; git: boolean }> {
  const [begin] = await readJournal(store.dir.journalFile(run));
  const plan = planSchema.safeParse(begin?.type === 'begin' ? begin.plan : undefined);
  const operations = plan.success ? plan.data.operations : [];
  return {
    outside: operations.some((operation) => 'outside' in operation && operation.outside),
    git: operations.some((operation) => operation.kind === 'checkout'),
  };
}
