import type { ManagerOptions } from './options.js';
import { messageOf, RollbackError } from './model/errors.js';
import { killedWords } from './plan/text.js';
import type { Workspace } from './run/workspace.js';
import type { Store } from './store/store.js';
import { openStore, openWorkspace, type OpenedStore } from './wiring.js';

/** The three ways into a project: its store alone, its engine too, or both under the project's lock. */

/** With the store alone: no engine is asked. */
export async function read<T>(
  options: ManagerOptions,
  act: (opened: OpenedStore) => Promise<T> | T,
): Promise<T> {
  const opened = await openStore(options);
  try {
    await tellOfKilled(options, opened.store, opened.project);
    return await act(opened);
  } finally {
    opened.store.close();
  }
}

/** With the engine, changing nothing. `otherwise` is the project's name when nothing else tells it. */
export async function look<T>(
  options: ManagerOptions,
  act: (workspace: Workspace) => Promise<T>,
  otherwise?: string,
): Promise<T> {
  const workspace = await openWorkspace(options, otherwise);
  try {
    await tellOfKilled(options, workspace.store, workspace.project.name);
    return await act(workspace);
  } finally {
    workspace.begun?.early?.cancel();
    workspace.store.close();
  }
}

/** With the engine, the project's lock, and a line in the audit trail, whatever the end; doing nothing leaves none. */
export async function change<T>(
  options: ManagerOptions,
  action: string,
  subjects: (result: T) => string[],
  act: (workspace: Workspace) => Promise<T>,
  otherwise?: string,
): Promise<T> {
  const { acquireLock, releaseDeadHolds, sweepDrills, untagPoint } = await import('./work.js');
  return look(
    options,
    async (workspace) => {
      const { project, identity, store, user } = workspace;
      const lock = await acquireLock({ engineId: identity.id, project: project.name, command: action });
      const line = { user, project: project.name, action };
      try {
        await sweepDrills(workspace);
        await store.tidy((id) => untagPoint(workspace.engine, id));
        if ((await releaseDeadHolds(workspace)) > 0) {
          workspace.emit({ type: 'warning', message: 'services that a killed process had paused run again' });
        }
        const result = await act(workspace);
        const names = subjects(result);
        if (names.length > 0) await store.audit({ ...line, subjects: names });
        return result;
      } catch (error) {
        const nothingDone =
          error instanceof RollbackError && ['declined', 'usage', 'no-such-point'].includes(error.code);
        if (!nothingDone) {
          // What went wrong first is what counts; it may be the reason for this too.
          const failure = { ...line, subjects: subjectsOf(error), message: messageOf(error) };
          await store.audit({ ...failure, result: 'failed' }).catch((second: unknown) => {
            if (messageOf(second) !== messageOf(error)) warnOfHistory(options, second);
          });
        }
        throw error;
      } finally {
        await lock.release();
      }
    },
    otherwise,
  );
}

export function warnOfHistory({ onEvent }: ManagerOptions, error: unknown): void {
  onEvent?.({ type: 'warning', message: `the history is incomplete: ${messageOf(error)}` });
}

/** Whatever is asked: who does not know of a half-done rollback has to hear of it. */
async function tellOfKilled({ onEvent }: ManagerOptions, store: Store, project: string): Promise<void> {
  if (!onEvent) return;
  const run = await store.killedRun(project).catch((error: unknown) => {
    // Who needs the index, or that journal, will say what is wrong with it.
    if (error instanceof RollbackError) return undefined;
    throw error;
  });
  if (run)
    onEvent({ type: 'warning', message: `${killedWords(run)}: resume finishes it, abort takes it back` });
}

/** The points and runs that a failure is about. */
function subjectsOf(error: unknown): string[] {
  return error instanceof RollbackError ? error.subjects : [];
}
