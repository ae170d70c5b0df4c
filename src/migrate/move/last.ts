import { RollbackError } from '../../model/errors.js';
import { movePlanSchema, type MovePlan } from '../../model/move.js';
import { isMove } from '../../model/names.js';
import type { RunSummary } from '../../model/run.js';
import { readIfOpen } from '../../points/find.js';
import { listJournals, readJournal, runSummary } from '../../store/journal.js';
import type { Store } from '../../store/store.js';

/** The plan of a move, from its journal: which engines it is between. Throws `damaged`. */
export async function readMovePlan(store: Store, run: string): Promise<MovePlan> {
  const [begin] = await readJournal(store.dir.journalFile(run));
  const { success, data } = movePlanSchema.safeParse(begin && 'plan' in begin ? begin.plan : undefined);
  if (success) return data;
  throw new RollbackError('damaged', `the journal of ${run} holds no plan of a move`, {
    hint: 'look at what runs on both engines, and stop one of them',
  });
}

/** The move by which a project came to where it is; undefined when it was never moved. */
export async function lastMove(
  store: Store,
  project: string,
): Promise<{ run: RunSummary; plan: MovePlan } | undefined> {
  const runs = (await store.readIndex())?.runs({ project }) ?? [];
  for (const known of runs.filter(({ kind }) => isMove(kind))) {
    // Who was killed at the very end has not told the index.
    const run = known.ended === null ? await summaryOf(store, known.id) : known;
    if (run?.result === 'done') return { run, plan: await readMovePlan(store, run.id) };
  }
  return undefined;
}

/** The move that was begun and not ended, by its journal: who was killed may not have told the index. */
export async function unfinishedMove(store: Store, project: string): Promise<RunSummary | undefined> {
  const known = (await store.readIndex())?.runs({ project }) ?? [];
  const unfinished = known.find(({ kind, ended }) => isMove(kind) && ended === null);
  if (unfinished) return unfinished;
  const ids = new Set(known.map(({ id }) => id));
  for (const id of await listJournals(store.dir)) {
    if (ids.has(id)) continue;
    const run = await summaryOf(store, id);
    if (run && run.project === project && isMove(run.kind) && run.ended === null) return run;
  }
  return undefined;
}

/** By its journal; undefined for one that cannot be read, which whoever tidies up tells. */
async function summaryOf(store: Store, run: string): Promise<RunSummary | undefined> {
  try {
    return runSummary(await readJournal(store.dir.journalFile(run)));
  } catch (error) {
    if (error instanceof RollbackError && ['damaged', 'no-such-run'].includes(error.code)) return undefined;
    throw error;
  }
}

/** From now on retention may have the points that moves made and pinned. */
export async function unpinMoves(store: Store, project: string): Promise<void> {
  const index = await store.readIndex();
  const targets = new Set(
    (index?.runs({ project }) ?? []).filter(({ kind }) => isMove(kind)).map((run) => run.target),
  );
  const points = index?.points({ project, kinds: ['migration'] }) ?? [];
  for (const { id, pinned } of points) if (pinned && targets.has(id)) await store.setPinned(id, false);
}

/** The newest point that was recorded for a move, on Docker. Throws `no-such-point`. */
export async function newestBackup(store: Store, project: string): Promise<string> {
  const points = (await store.readIndex())?.points({ project, kinds: ['migration'] }) ?? [];
  for (const { id } of points) {
    const point = await readIfOpen(store, id);
    if (point?.metadata.engine.kind === 'docker') return id;
  }
  throw new RollbackError('no-such-point', `there is no backup of ${project} as it ran on Docker`, {
    hint: 'compose-rollback migrate backup makes one; so does compose-rollback migrate to-podman',
  });
}
