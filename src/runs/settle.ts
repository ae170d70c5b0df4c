import { endChildren } from '../operations/children.js';
import { releaseDeadHolds } from '../operations/hold.js';
import { sweepDrills } from '../points/drill-traces.js';
import { untagPoint } from '../points/remove.js';
import type { Workspace } from '../session/workspace.js';
import { isCarriedOn } from '../store/journal.js';

/** Cleans up after dead processes, under the lock and before the present is observed. */

/** A compose or a git checkout that outlived its run would change containers and files while they are read. */
export async function endLeftoverChildren({ store, project }: Workspace): Promise<void> {
  for (const { id } of (await store.readIndex())?.unfinishedRuns(project.name) ?? []) {
    // The run of a process that lives goes on on another engine.
    if ((await isCarriedOn(store.dir.journalFile(id))) !== true) await endChildren(id);
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
