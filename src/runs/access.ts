import { messageOf, RollbackError } from '../model/errors.js';
import { killedWords } from '../plan/text.js';
import type { Subject } from '../session/choose-name.js';
import { openStore, type OpenedStore } from '../session/locate.js';
import type { ManagerOptions } from '../session/options.js';
import type { OpenSettings } from '../session/open.js';
import type { RunFacts, Workspace } from '../session/workspace.js';
import type { Store } from '../store/store.js';
import type { RunKinds } from './kinds.js';

/** Nothing was done that the history has to tell. */
const isHarmless = (error: unknown): boolean =>
  error instanceof RollbackError && ['declined', 'usage', 'no-such-point'].includes(error.code);

/** Carries out `act` under the locks of a project on all its engines, with a line in the audit trail of the first. */
export type UnderLock<T> = (
  workspaces: [Workspace, ...Workspace[]],
  subjects: (result: T) => string[],
  act: () => Promise<T>,
  settings?: { observes?: boolean },
) => Promise<T>;

/** The three ways into a project: its store alone, its engine too, or both under the project's lock. */
export class Access {
  constructor(
    readonly options: ManagerOptions,
    readonly kinds: RunKinds,
    private readonly subject: Subject = 'points',
  ) {}

  /** The same with other options: on another engine, or without events. */
  at(options: ManagerOptions): Access {
    return new Access(options, this.kinds, this.subject);
  }

  /** The same for a command that works with the present of the project: its containers tell its name before its points do. */
  ofPresent(): Access {
    return new Access(this.options, this.kinds, 'present');
  }

  /** The same without events, for a first look of a command that opens the project again. */
  silent(): Access {
    return this.at({ ...this.options, onEvent: undefined });
  }

  /** With the store alone: no engine is asked. */
  async read<T>(act: (opened: OpenedStore) => Promise<T> | T): Promise<T> {
    const opened = await openStore(this.options, this.runFacts);
    try {
      if (opened.notice !== undefined) this.warn(opened.notice);
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
   * With the engine, the project's lock, and a line in the audit trail, whatever the end; doing nothing leaves none. What `act` observes is read
   * under the lock, after the leftovers of dead processes were settled.
   * @param subjects ids of points and runs for the audit trail; none when nothing was done
   * @param settings `observes`: `act` observes the project, so that reading its files starts at once; true when absent. `strict`: refuse settings that make
   * no sense; false when absent
   */
  async change<T>(
    action: string,
    subjects: (result: T) => string[],
    act: (workspace: Workspace) => Promise<T>,
    settings: { fallbackName?: string; observes?: boolean; strict?: boolean } = {},
  ): Promise<T> {
    const { fallbackName, strict } = settings;
    return this.locking(action, (under) =>
      this.open({ fallbackName, strict }, (workspace) =>
        under([workspace], subjects, () => act(workspace), settings),
      ),
    );
  }

  /**
   * Opens by `open`, which takes the locks by the function that it is given: on all engines that it opened, the first being the one with the audit
   * trail. Opens everything anew after it has waited for a lock.
   */
  async locking<T>(action: string, open: (under: UnderLock<T>) => Promise<T>): Promise<T> {
    const opening = await import('./opening.js');
    const { endLeftoverChildren, holdLocks, prefetchModel, retryWhileLocked, settleLeftovers } = opening;
    const { lockTimeoutMs: timeoutMs, signal } = this.options;
    const under: UnderLock<T> = ([first, ...others], subjects, act, { observes = true } = {}) =>
      holdLocks([first, ...others], action, async () => {
        await opening.settleBackupPlace(first, this.options);
        return await this.audited(action, first, subjects, async () => {
          for (const workspace of [first, ...others]) await endLeftoverChildren(workspace);
          // Reading the compose files takes processes of the provider, which go on while the containers are settled.
          if (observes) prefetchModel(first);
          for (const workspace of [first, ...others]) await settleLeftovers(workspace);
          return act();
        });
      });
    return retryWhileLocked(action, { timeoutMs, signal }, () => open(under));
  }

  /** Opens the project and closes it after `act`. */
  async open<T>(settings: OpenSettings, act: (workspace: Workspace) => Promise<T>): Promise<T> {
    const { openWorkspace } = await import('./opening.js');
    const workspace = await openWorkspace(this.options, this.runFacts, {
      subject: this.subject,
      ...settings,
    });
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
        const { findRelocation } = await import('./opening.js');
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

  private async audited<T>(
    action: string,
    { store, user, project }: Workspace,
    subjects: (result: T) => string[],
    act: () => Promise<T>,
  ): Promise<T> {
    const line = { user, project: project.name, action };
    try {
      const result = await act();
      const names = subjects(result);
      if (names.length > 0) await store.audit({ ...line, subjects: names });
      return result;
    } catch (error) {
      if (!isHarmless(error)) {
        const failed = error instanceof RollbackError ? error.subjects : [];
        const failure = { ...line, subjects: failed, message: messageOf(error), result: 'failed' as const };
        await store.audit(failure).catch((second: unknown) => {
          // The first failure counts, and may be the reason for this one.
          if (messageOf(second) !== messageOf(error)) this.warnAboutHistory(second);
        });
      }
      throw error;
    }
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
