import { RollbackError } from '../../model/errors.js';
import { movePlanSchema, type MovePlan } from '../../model/move.js';
import { isMove } from '../../model/names.js';
import type { RunSummary } from '../../model/run.js';
import { readIfOpen } from '../../points/find.js';
import { readJournal } from '../../store/journal.js';
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
  const run = runs.find(({ kind, result }) => isMove(kind) && result === 'done');
  return run && { run, plan: await readMovePlan(store, run.id) };
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
