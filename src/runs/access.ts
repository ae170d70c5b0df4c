import { messageOf, RollbackError } from '../model/errors.js';
import { killedWords } from '../plan/text.js';
import { openStore, type OpenedStore } from '../session/locate.js';
import type { ManagerOptions } from '../session/options.js';
import type { RunFacts, Workspace } from '../session/workspace.js';
import type { Store } from '../store/store.js';
import type { RunKinds } from './kinds.js';

/** The three ways into a project: its store alone, its engine too, or both under the project's lock. */
export class Access {
  constructor(
    readonly options: ManagerOptions,
    readonly kinds: RunKinds,
  ) {}

  /** The same with other options: on another engine, or without events. */
  at(options: ManagerOptions): Access {
    return new Access(options, this.kinds);
  }

  /** The same without events, for a first look of a command that opens the project again. */
  silent(): Access {
    return this.at({ ...this.options, onEvent: undefined });
  }

  /** With the store alone: no engine is asked. */
  async read<T>(act: (opened: OpenedStore) => Promise<T> | T): Promise<T> {
    const opened = await openStore(this.options, this.runFacts);
    try {
      await this.warnAboutUnfinishedRun(opened.store, opened.project);
      return await act(opened);
    } finally {
      opened.store.close();
    }
  }

  /**
   * With the engine, changing nothing.
   * @param fallbackName name of the project when nothing else tells one
   */
  async look<T>(act: (workspace: Workspace) => Promise<T>, fallbackName?: string): Promise<T> {
    return this.open({ prefetch: true, fallbackName }, act);
  }

  /**
   * With the engine, the project's lock, and a line in the audit trail, whatever the end; doing nothing leaves none. Everything that `act` sees was read
   * under the lock, after the leftovers of dead processes were settled.
   * @param subjects ids of points and runs for the audit trail; none when nothing was done
   */
  async change<T>(
    action: string,
    subjects: (result: T) => string[],
    act: (workspace: Workspace) => Promise<T>,
    fallbackName?: string,
  ): Promise<T> {
    const { lockProject, settleLeftovers } = await import('./lock.js');
    return this.open({ fallbackName }, async (workspace) => {
      const { project, store, user } = workspace;
      await using _ = await lockProject(workspace, action, this.options.lockTimeoutMs);
      const line = { user, project: project.name, action };
      try {
        await settleLeftovers(workspace);
        const result = await act(workspace);
        const names = subjects(result);
        if (names.length > 0) await store.audit({ ...line, subjects: names });
        return result;
      } catch (error) {
        await this.auditFailure(store, line, error);
        throw error;
      }
    });
  }

  /** Opens the project and closes it after `act`. */
  async open<T>(
    settings: { prefetch?: boolean; fallbackName?: string | undefined },
    act: (workspace: Workspace) => Promise<T>,
  ): Promise<T> {
    const { openWorkspace } = await import('../session/open.js');
    const workspace = await openWorkspace(this.options, this.runFacts, settings);
    try {
      await this.warnAboutUnfinishedRun(workspace.store, workspace.project.name);
      return await act(workspace);
    } finally {
      workspace.prefetched?.reading?.cancel();
      workspace.store.close();
    }
  }

  get runFacts(): RunFacts {
    return {
      undoPointOf: (run) => this.kinds.undoPointOf(run),
      findRelocation: async (...asked) => {
        const { findRelocation } = await import('./relocation.js');
        return findRelocation(this.kinds, ...asked);
      },
    };
  }

  warnAboutHistory(error: unknown): void {
    this.warn(`the history is incomplete: ${messageOf(error)}`);
  }

  private warn(message: string): void {
    this.options.onEvent?.({ type: 'warning', message });
  }

  private async auditFailure(
    store: Store,
    line: { user: string; project: string; action: string },
    error: unknown,
  ): Promise<void> {
    const nothingDone =
      error instanceof RollbackError && ['declined', 'usage', 'no-such-point'].includes(error.code);
    if (nothingDone) return;
    const subjects = error instanceof RollbackError ? error.subjects : [];
    const failure = { ...line, subjects, message: messageOf(error), result: 'failed' as const };
    await store.audit(failure).catch((second: unknown) => {
      // The first failure counts, and may be the reason for this one.
      if (messageOf(second) !== messageOf(error))
        this.warn(`the history is incomplete: ${messageOf(second)}`);
    });
  }

  /** A person who does not know of an unfinished run learns of it from every command. */
  private async warnAboutUnfinishedRun(store: Store, project: string): Promise<void> {
    if (!this.options.onEvent) return;
    const run = await store.killedRun(project).catch((error: unknown) => {
      // A command that needs the index, or that journal, reports what is wrong with it.
      if (error instanceof RollbackError) return undefined;
      throw error;
    });
    if (run) this.warn(`${killedWords(run)}: resume finishes it, abort takes it back`);
  }
}
