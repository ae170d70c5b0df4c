import { messageOf, RollbackError } from '../model/errors.js';
import { acquireLock, type Lock, type LockWait } from '../store/lock.js';
import type { Workspace } from './workspace.js';

/** The locks of a project, one an engine. */

/** Another command holds a lock. Closes what was opened on its way to `retryWhileLocked`. */
export class LockHeld extends Error {
  constructor(
    readonly workspaces: Workspace[],
    readonly reason: RollbackError,
  ) {
    super(reason.message);
  }
}

/**
 * Holds the locks of a project on all its engines while `act` runs.
 * @throws LockHeld; RollbackError `unsafe` or `failed` when locks cannot be used
 */
export async function holdLocks<T>(
  workspaces: Workspace[],
  command: string,
  act: () => Promise<T>,
): Promise<T> {
  const locks: Lock[] = [];
  try {
    // In one order for everybody: two commands that each hold the lock that the other wants would wait for ever.
    for (const { identity, project } of inOrder(workspaces))
      locks.push(await acquireLock({ engineId: identity.id, project: project.name, command }));
    return await act();
  } catch (error) {
    if (locks.length === workspaces.length || !isLocked(error)) throw error;
    throw new LockHeld(workspaces, error);
  } finally {
    // The locks end with the process at the latest, and the end of `act` is what counts.
    for (const lock of locks)
      await lock.release().catch((error: unknown) =>
        workspaces[0]?.emit({
          type: 'warning',
          message: `a lock still names its holder: ${messageOf(error)}`,
        }),
      );
  }
}

/**
 * Calls `act` again each time a lock was held and has become free, as long as `timeoutMs` allows: the other command may have changed everything that
 * was read so far.
 * @throws RollbackError `locked`, `interrupted`, and what `act` throws
 */
export async function retryWhileLocked<T>(
  command: string,
  { timeoutMs = 0, signal }: Pick<LockWait, 'timeoutMs' | 'signal'>,
  act: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof LockHeld)) throw error;
      if (performance.now() >= deadline) throw error.reason;
      for (const workspace of inOrder(error.workspaces))
        await waitForLock(workspace, command, deadline, signal);
    }
  }
}

async function waitForLock(
  { identity, project, emit }: Workspace,
  command: string,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const timeoutMs = deadline - performance.now();
  const onWait = (holder: string) =>
    emit({ type: 'warning', message: `${holder}; waiting up to ${Math.ceil(timeoutMs / 1000)} s` });
  const lock = await acquireLock(
    { engineId: identity.id, project: project.name, command },
    { timeoutMs, signal, onWait },
  );
  await lock.release();
}

const inOrder = (workspaces: Workspace[]): Workspace[] =>
  workspaces.toSorted((a, b) => a.identity.id.localeCompare(b.identity.id));

const isLocked = (error: unknown): error is RollbackError =>
  error instanceof RollbackError && error.code === 'locked';
