import type { MovePlan } from '../model/move.js';
import type { JournalRecord, RunSummary } from '../model/run.js';
import { openTarget } from '../points/find.js';
import { RunLog } from '../rollback/run-log.js';
import { endChildren } from '../run/children.js';
import { mendExchanges } from '../run/data.js';
import { readJournal } from '../store/journal.js';
import { readMovePlan } from './last.js';
import type { Sides } from './look.js';
import { carryOut, takeBack, type MoveOutcome } from './move.js';
import type { Undertaking } from './movers.js';

/** What becomes of a move that was killed. */

/** Finishes a killed move: all of its operations again, but for data that has taken its place. Throws as `move`. */
export async function resumeMove(sides: Sides, unfinished: RunSummary): Promise<MoveOutcome> {
  const { undertaking, fallen } = await openKilled(sides, unfinished);
  if (fallen !== undefined) throw await takeBack(undertaking, undefined, fallen);
  return await carryOut(undertaking);
}

/** The source runs again as before. Throws `not-returned` when that fails. */
export async function abortMove(sides: Sides, unfinished: RunSummary): Promise<void> {
  const { undertaking } = await openKilled(sides, unfinished);
  const end = await takeBack(undertaking, undefined, 'aborted');
  if (end.code !== 'returned') throw end;
}

async function openKilled(
  { source, target }: Sides,
  { id, safety, target: point }: RunSummary,
): Promise<{ undertaking: Undertaking; fallen: string | undefined }> {
  const { store } = source;
  await endChildren(id);
  const [plan, records, kept, goal] = await Promise.all([
    readMovePlan(store, id),
    readJournal(store.dir.journalFile(id)),
    openTarget(store, safety),
    openTarget(store, point),
  ]);
  await store.dropUnrecorded(kept.point);
  await mendExchanges(target, kept.point, id);
  const fallen = records.find((record) => record.type === 'return');
  const log = await RunLog.resume(source, id, plan);
  const found = { plan, model: goal.model, point: goal.point, safety: kept.point, log };
  return {
    undertaking: { source, target, ...found, synced: syncedVolumes(plan, records) },
    fallen: fallen?.reason,
  };
}

/** Volumes that had taken their place: what runs at the target may have written there since. */
function syncedVolumes({ operations }: MovePlan, records: JournalRecord[]): Set<string> {
  const synced = new Set<string>();
  for (const record of records) {
    if (record.type !== 'done' || record.phase !== 'forward') continue;
    const operation = operations[record.step];
    if (operation?.kind === 'sync-volume') synced.add(operation.volume);
  }
  return synced;
}
