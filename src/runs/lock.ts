import { endChildren } from '../operations/children.js';
import { releaseDeadHolds } from '../operations/hold.js';
import { sweepDrills } from '../points/drill-traces.js';
import { untagPoint } from '../points/remove.js';
import { prefetchModel, type Workspace } from '../session/workspace.js';
import { acquireLock } from '../store/lock.js';

/**
 * Locks a project on its engine until it is disposed of. Only what is read afterwards is reliable, so nothing read before is kept.
 * @param timeoutMs how long to wait for another holder, in milliseconds
 * @throws RollbackError `locked`
 */
export async function lockProject(
  workspace: Workspace,
  command: string,
  timeoutMs = 0,
): Promise<AsyncDisposable> {
  const { project, identity, emit, signal } = workspace;
  const lock = await acquireLock(
    { engineId: identity.id, project: project.name, command },
    { timeoutMs, signal, onWait: (message) => emit({ type: 'warning', message }) },
  );
  return { [Symbol.asyncDispose]: () => lock.release() };
}

/** Cleans up after dead processes: before the present is observed, because they may have left services paused. */
export async function settleLeftovers(workspace: Workspace): Promise<void> {
  const { engine, store, project, emit } = workspace;
  // A git checkout that outlived its run would change the compose files while they are read.
  for (const { id } of (await store.readIndex())?.unfinishedRuns(project.name) ?? []) await endChildren(id);
  prefetchModel(workspace);
  await sweepDrills(workspace);
  await store.tidy((id) => untagPoint(engine, id));
  if ((await releaseDeadHolds(workspace)) > 0) {
    emit({ type: 'warning', message: 'services that a killed process had paused run again' });
  }
}
