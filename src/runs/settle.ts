import { endChildren } from '../operations/children.js';
import { releaseDeadHolds } from '../operations/hold.js';
import { sweepDrills } from '../points/drill-traces.js';
import { untagPoint } from '../points/remove.js';
import { RollbackError } from '../model/errors.js';
import type { Workspace } from '../session/workspace.js';
import { isCarriedOn } from '../store/journal.js';
import type { Store } from '../store/store.js';

/** Cleans up after dead processes, under the lock and before the present is observed. */

/** A compose or a git checkout that outlived its run would change containers and files while they are read. */
export async function endLeftoverChildren({ store, project }: Workspace): Promise<void> {
  for (const { id } of (await store.readIndex())?.unfinishedRuns(project.name) ?? []) {
    if (await isDead(store, id)) await endChildren(id);
  }
}

/** The run of a process that lives goes on on another engine. A journal that cannot be read is for the commands that need it. */
async function isDead(store: Store, run: string): Promise<boolean> {
  try {
    return (await isCarriedOn(store.dir.journalFile(run))) !== true;
  } catch (error) {
    if (error instanceof RollbackError) return false;
    throw error;
  }
}

/** Services that dead processes paused or stopped run again. */
export async function settleLeftovers(workspace: Workspace): Promise<void> {
  const { engine, store, emit } = workspace;
  await sweepDrills(workspace);
  await store.tidy((id) => untagPoint(engine, id));
  if ((await releaseDeadHolds(workspace)) > 0) {
    emit({ type: 'warning', message: 'services that a killed process had paused run again' });
  }
}
