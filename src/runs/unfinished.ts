import { RollbackError } from '../model/errors.js';
import type { RunSummary } from '../model/run.js';
import { killedWords } from '../plan/text.js';
import type { Workspace } from '../session/workspace.js';
import { listJournals, readJournal, runSummary } from '../store/journal.js';
import type { Store } from '../store/store.js';
import type { Access } from './access.js';

/** All runs of a project, newest first. A run killed before its last index write looks unfinished there, so its journal decides. */
export async function listRuns(store: Store, project: string): Promise<RunSummary[]> {
  const all = (await store.readIndex())?.runs() ?? [];
  const indexed = all.filter((run) => run.project === project);
  const runs = await Promise.all(
    indexed.map(async (run) => (run.ended === null ? ((await summaryByJournal(store, run.id)) ?? run) : run)),
  );
  const known = new Set(all.map(({ id }) => id));
  const missing = (await listJournals(store.dir)).filter((id) => !known.has(id));
  for (const id of missing) {
    const run = await summaryByJournal(store, id);
    if (run?.project === project) runs.push(run);
  }
  return missing.length === 0
    ? runs
    : runs.toSorted((a, b) => b.sequence - a.sequence || b.started.localeCompare(a.started));
}

/** Undefined for a journal that cannot be read, which the next tidying reports. */
async function summaryByJournal(store: Store, run: string): Promise<RunSummary | undefined> {
  try {
    return runSummary(await readJournal(store.dir.journalFile(run)));
  } catch (error) {
    if (error instanceof RollbackError && ['damaged', 'no-such-run', 'unsafe'].includes(error.code))
      return undefined;
    throw error;
  }
}

/** The run of this project that was begun and not ended. Its process is dead, because the caller holds the lock. */
async function findUnfinished({ store, project }: Workspace): Promise<RunSummary | undefined> {
  return (await store.readIndex())?.unfinishedRuns(project.name)[0];
}

/** Under the lock: the run may have been ended meanwhile. */
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

/** Without the lock, because the run says on which engines to take it; under the lock its kind looks again. */
export async function findUnfinishedRun(access: Access): Promise<RunSummary | undefined> {
  return await searchStores(access, async (store, project) => {
    // One that only its journal says has ended is chosen too: then the index learns of it under the lock.
    const [indexed] = (await store.readIndex())?.unfinishedRuns(project) ?? [];
    return indexed ?? (await listRuns(store, project)).find(({ ended }) => ended === null);
  });
}

/**
 * Searches the store that the files name, and if nothing is found there the store of the project that the engine names: with `-p` that may be another
 * folder's.
 */
export async function searchStores<T>(
  access: Access,
  search: (store: Store, project: string) => Promise<T | undefined>,
): Promise<T | undefined> {
  const silent = access.silent();
  const found = await silent.read(({ store, project }) => search(store, project));
  if (found !== undefined) return found;
  try {
    return await silent.look(({ store, project }) => search(store, project.name));
  } catch (error) {
    const { projectName, env = process.env } = access.options;
    const isNamed = (projectName ?? env['COMPOSE_PROJECT_NAME']) !== undefined;
    if (!isNamed && error instanceof RollbackError && error.code === 'engine-unreachable') return undefined;
    throw error;
  }
}
