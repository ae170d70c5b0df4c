import { endChildren } from '../operations/children.js';
import { releaseDeadHolds } from '../operations/hold.js';
import { sweepDrills } from '../points/drill-traces.js';
import { untagPoint } from '../points/remove.js';
import type { Workspace } from '../session/workspace.js';
import { isCarriedOn } from '../store/journal.js';

/**
 * Cleans up after dead processes, under the lock and before the present is observed: they may have left services paused, and a git checkout that
 * outlived its run would change the compose files while they are read.
 */
export async function settleLeftovers(workspace: Workspace): Promise<void> {
  const { engine, store, project, emit } = workspace;
  for (const { id } of (await store.readIndex())?.unfinishedRuns(project.name) ?? []) {
    // The run of a process that lives goes on on another engine.
    if ((await isCarriedOn(store.dir.journalFile(id))) !== true) await endChildren(id);
  }
  await sweepDrills(workspace);
  await store.tidy((id) => untagPoint(engine, id));
  if ((await releaseDeadHolds(workspace)) > 0) {
    emit({ type: 'warning', message: 'services that a killed process had paused run again' });
  }
}
