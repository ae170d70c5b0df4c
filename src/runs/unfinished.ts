import { RollbackError } from '../model/errors.js';
import type { RunSummary } from '../model/run.js';
import { killedWords } from '../plan/text.js';
import type { Workspace } from '../session/workspace.js';
import { listJournals, readJournal, runSummary } from '../store/journal.js';
import type { Store } from '../store/store.js';

/**
 * All runs of a project, newest first. A process that dies at the very beginning or end of a run has not told the index: then its
 * journal is right.
 */
export async function listRuns(store: Store, project: string): Promise<RunSummary[]> {
  const indexed = (await store.readIndex())?.runs({ project }) ?? [];
  const runs = await Promise.all(
    indexed.map(async (run) => (run.ended === null ? ((await summaryByJournal(store, run.id)) ?? run) : run)),
  );
  const known = new Set(indexed.map(({ id }) => id));
  const missing = (await listJournals(store.dir)).filter((id) => !known.has(id));
  for (const id of missing) {
    const run = await summaryByJournal(store, id);
    if (run?.project === project) runs.push(run);
  }
  return missing.length === 0 ? runs : runs.toSorted((a, b) => b.started.localeCompare(a.started));
}

/** Undefined for a journal that cannot be read, which the next tidying reports. */
async function summaryByJournal(store: Store, run: string): Promise<RunSummary | undefined> {
  try {
    return runSummary(await readJournal(store.dir.journalFile(run)));
  } catch (error) {
    if (error instanceof RollbackError && ['damaged', 'no-such-run'].includes(error.code)) return undefined;
    throw error;
  }
}

/** The run of this project that was begun and not ended. Its process is dead, because the caller holds the lock. */
export async function findUnfinished({ store, project }: Workspace): Promise<RunSummary | undefined> {
  return (await store.readIndex())?.unfinishedRuns(project.name)[0];
}

/**
 * Whether this run is still unfinished, under the lock. It may have been ended meanwhile.
 */
export async function isUnfinished({ store, project }: Workspace, run: string): Promise<boolean> {
  const unfinished = (await store.readIndex())?.unfinishedRuns(project.name) ?? [];
  return unfinished.some(({ id }) => id === run);
}

/** @throws RollbackError `blocked` when an unfinished run has to be finished or taken back first */
export async function assertFinished(workspace: Workspace): Promise<void> {
  const unfinished = await findUnfinished(workspace);
  if (!unfinished) return;
  throw new RollbackError('blocked', `${killedWords(unfinished)}; nothing was touched`, {
    hint: 'compose-rollback resume finishes it, compose-rollback abort brings the earlier state back',
    subjects: [unfinished.id],
  });
}
