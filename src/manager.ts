import type { ManagerOptions } from './options.js';
import { messageOf, RollbackError } from './model/errors.js';
import type { Plan } from './model/plan.js';
import { LISTED_KINDS } from './model/names.js';
import type { Point, PointSummary } from './model/point.js';
import type { AuditRecord, RunKind, RunSummary } from './model/run.js';
import type { Target } from './plan/target.js';
import type { CreateRequest } from './points/create.js';
import type { Difference } from './points/diff.js';
import type { InitReport } from './points/init.js';
import type { CleanupRequest } from './points/remove.js';
import type { Status } from './points/status.js';
import type { Verification } from './points/verify.js';
import type { RollbackOutcome } from './rollback/rollback.js';
import type { Workspace } from './run/workspace.js';
import type { IndexDb, PointFilter, PointLine } from './store/index-db.js';
import type { ReindexReport } from './store/reindex.js';
import { locatePlace, openBareStore, openStore, openWorkspace, type OpenedStore } from './wiring.js';

export interface RollbackOptions {
  /** Plan only; changes nothing. */
  dryRun?: boolean | undefined;
  /** Only these services; all when absent. */
  services?: string[] | undefined;
  /** Write files, start nothing. */
  configOnly?: boolean | undefined;
  /** Restore the listed files outside the project too. */
  outside?: boolean | undefined;
  /** Check the point's commit out, after stashing. */
  git?: boolean | undefined;
  /** Undo automatically when something fails; true when absent. */
  returnOnFailure?: boolean | undefined;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: Plan) => Promise<boolean>) | undefined;
  /** A plan made earlier: refused as stale when the project changed since. */
  plan?: Plan | undefined;
}

export interface ListRequest {
  /** Safety points too. */
  safety?: boolean | undefined;
}

/** Runs by the commands that begin them, for the audit trail. */
const ACTIONS: Record<RunKind, string> = { rollback: 'rollback', undo: 'undo', service: 'rollback-service' };

/** Asked with the points that would go; absent means yes. */
export type ConfirmDeletion = (points: PointSummary[]) => Promise<boolean>;

/**
 * Rollback points of one compose project: the use-cases. Nothing is opened before it is needed. Every method throws RollbackError and nothing
 * else on purpose; its code tells what happened.
 */
export class RollbackManager {
  constructor(private readonly options: ManagerOptions = {}) {}

  /** Records the present. The point is there, whole, when this returns. */
  async createRollbackPoint(request: CreateRequest = {}): Promise<Point> {
    const { assertCreatable, createPoint } = await import('./points/create.js');
    assertCreatable(request);
    return this.change(
      'create',
      ({ id }) => [id],
      (workspace) => createPoint(workspace, request),
    );
  }

  /** Writes a `rollback.yaml` to edit and has git ignore the backup directory. Throws `usage` when there is one already. */
  async init(): Promise<InitReport> {
    const { initProject } = await import('./points/init.js');
    return initProject(await locatePlace(this.options));
  }

  /** Newest first; safety points only when asked for. */
  async listRollbackPoints(request: ListRequest = {}): Promise<PointSummary[]> {
    return this.list(request, (index, filter) => index.points(filter));
  }

  /** `listRollbackPoints`, only what a listing prints: a fraction of the time when there are thousands. */
  async listPointLines(request: ListRequest = {}): Promise<PointLine[]> {
    return this.list(request, (index, filter) => index.pointLines(filter));
  }

  /** `listRollbackPoints`, each still as JSON text: for those who only pass it on. */
  async listPointDocuments(request: ListRequest = {}): Promise<string[]> {
    return this.list(request, (index, filter) => index.pointDocuments(filter));
  }

  /** A pinned point is never removed by retention or clean-up. */
  async setPinned(selector: string, pinned: boolean): Promise<PointSummary> {
    const { findPoint } = await import('./points/find.js');
    return this.change(
      pinned ? 'pin' : 'unpin',
      ({ id }) => [id],
      async ({ store, project }) => {
        const point = await findPoint(store, project.name, selector);
        await store.setPinned(point.id, pinned);
        return { ...point, pinned };
      },
    );
  }

  /** One point, whole. Throws `no-such-point`, `damaged`. */
  async showRollbackPoint(selector: string): Promise<Point> {
    const { findPoint } = await import('./points/find.js');
    return this.read(async ({ store, project }) => {
      const { id } = await findPoint(store, project, selector);
      return store.read(id);
    });
  }

  /** What changed from a point to another one, or to the present. */
  async diff(selector: string, other?: string): Promise<Difference[]> {
    const { differences, presentAsPoint } = await import('./points/diff.js');
    const from = await this.showRollbackPoint(selector);
    if (other !== undefined) return differences(from, await this.showRollbackPoint(other));
    const { observePresent } = await import('./run/workspace.js');
    const { openTarget } = await import('./points/find.js');
    return this.look(async (workspace) => {
      const target = await openTarget(workspace.store, from.id);
      return differences(from, presentAsPoint(await observePresent(workspace, target.point)));
    });
  }

  async status(): Promise<Status> {
    const { readStatus } = await import('./points/status.js');
    return this.look(readStatus);
  }

  /** Who did what, when, with what result; newest first. */
  async history({ limit }: { limit?: number | undefined } = {}): Promise<AuditRecord[]> {
    return this.read(async ({ store, project }) => {
      const index = await store.readIndex();
      return index?.audit({ project, ...(limit === undefined ? {} : { limit }) }) ?? [];
    });
  }

  /** Newest first. A run without an end that nobody carries on was killed. */
  async runs(): Promise<RunSummary[]> {
    return this.read(async ({ store, project }) => (await store.readIndex())?.runs({ project }) ?? []);
  }

  /** What a rollback would do. Changes nothing; a plan with blockers is returned like any other. */
  async plan(selector: string, options: RollbackOptions = {}): Promise<Plan> {
    const { prepare } = await import('./rollback/prepare.js');
    const { findTarget } = await import('./points/find.js');
    return this.look(async (workspace) => {
      const target = await findTarget(workspace.store, workspace.project.name, selector);
      return (await prepare(workspace, target, planOptions('rollback', options))).plan;
    });
  }

  /** Brings the project to a point. Throws `blocked`, `stale`, `declined`, `returned`, `not-returned`, `interrupted`. */
  async rollback(selector: string, options: RollbackOptions = {}): Promise<RollbackOutcome> {
    const { findTarget } = await import('./points/find.js');
    return this.converge('rollback', options, ({ store, project }) =>
      findTarget(store, project.name, selector),
    );
  }

  /** Brings one service to its image in the newest point, or to another tag of its image; everything else stays. */
  async rollbackService(
    service: string,
    tag?: string,
    options: RollbackOptions = {},
  ): Promise<RollbackOutcome> {
    const { serviceTarget } = await import('./rollback/service.js');
    return this.converge('service', options, (workspace) => serviceTarget(workspace, service, tag));
  }

  /** Takes a run back: the named one, or the newest that changed something. Undoing an undo is redoing. */
  async undo(run?: string, options: RollbackOptions = {}): Promise<RollbackOutcome> {
    const { findUndoable, reachOf } = await import('./rollback/undo.js');
    const { openTarget } = await import('./points/find.js');
    return this.converge('undo', options, async ({ store, project }) => {
      const undone = await findUndoable(store, project.name, run);
      const reach = await reachOf(store, undone.id);
      return { ...(await openTarget(store, undone.safety)), undoes: undone, reach };
    });
  }

  /** Deletes points for good; pinned ones only when `force`. Returns what went. */
  async deleteRollbackPoint(
    selectors: string | string[],
    { confirm, force = false }: { confirm?: ConfirmDeletion | undefined; force?: boolean | undefined } = {},
  ): Promise<PointSummary[]> {
    const { assertUnpinned, findAll } = await import('./points/remove.js');
    return this.removal('delete', confirm, async (workspace) => {
      const points = await findAll(workspace, typeof selectors === 'string' ? [selectors] : selectors);
      if (!force) assertUnpinned(points);
      return points;
    });
  }

  /** Deletes old points; pinned ones and those a run needs stay. Returns what went, or would go. */
  async cleanup(
    request: CleanupRequest & { dryRun?: boolean | undefined; confirm?: ConfirmDeletion | undefined },
  ): Promise<PointSummary[]> {
    const { planCleanup } = await import('./points/remove.js');
    if (request.dryRun) return this.look((workspace) => planCleanup(workspace, request));
    return this.removal('cleanup', request.confirm, (workspace) => planCleanup(workspace, request));
  }

  /** Reads stored bytes again and compares them with what was recorded. Of one point, or of all, safety points included. */
  async verify(selector?: string): Promise<Verification[]> {
    const { verifyPoints } = await import('./points/verify.js');
    return this.read(({ store, project }) => verifyPoints(store, project, selector));
  }

  /** Makes the index again from points, journals and the audit trail. Loses nothing. */
  async reindex(): Promise<ReindexReport> {
    const store = await openBareStore(this.options);
    try {
      return await store.reindex();
    } finally {
      store.close();
    }
  }

  private async list<T>(
    { safety = false }: ListRequest,
    query: (index: IndexDb, filter: PointFilter) => T[],
  ): Promise<T[]> {
    return this.read(async ({ store, project }) => {
      const index = await store.readIndex();
      return index ? query(index, safety ? { project } : { project, kinds: LISTED_KINDS }) : [];
    });
  }

  private async converge(
    kind: RunKind,
    options: RollbackOptions,
    find: (
      workspace: Workspace,
    ) => Promise<Target & { undoes?: RunSummary; reach?: { outside: boolean; git: boolean } }>,
  ): Promise<RollbackOutcome> {
    const { blockedByDamage, rollback } = await import('./rollback/rollback.js');
    const request = {
      kind,
      options: planOptions(kind, options),
      dryRun: options.dryRun ?? false,
      returnOnFailure: options.returnOnFailure ?? true,
      confirm: options.confirm,
      expected: options.plan,
    };
    const act = async (workspace: Workspace) => {
      const { undoes, reach, ...target } = await find(workspace).catch(blockedByDamage);
      const { outside, git } = request.options;
      const wider = { outside: outside || (reach?.outside ?? false), git: git || (reach?.git ?? false) };
      return rollback(workspace, target, { ...request, options: { ...request.options, ...wider }, undoes });
    };
    if (request.dryRun) return this.look(act);
    return this.change(ACTIONS[kind], ({ plan, run }) => (run ? [plan.target.id, run] : []), act);
  }

  private async removal(
    action: string,
    confirm: ConfirmDeletion | undefined,
    select: (workspace: Workspace) => Promise<PointSummary[]>,
  ): Promise<PointSummary[]> {
    const { assertNotNeeded, removePoint } = await import('./points/remove.js');
    return this.change(
      action,
      (points) => points.map(({ id }) => id),
      async (workspace) => {
        const points = await select(workspace);
        await assertNotNeeded(workspace, points);
        if (points.length > 0 && confirm && !(await confirm(points))) {
          throw new RollbackError('declined', 'declined; nothing was deleted');
        }
        for (const { id } of points) await removePoint(workspace, id);
        return points;
      },
    );
  }

  /** With the store alone: no engine is asked. */
  private async read<T>(act: (opened: OpenedStore) => Promise<T> | T): Promise<T> {
    const opened = await openStore(this.options);
    try {
      return await act(opened);
    } finally {
      opened.store.close();
    }
  }

  /** With the engine, changing nothing. */
  private async look<T>(act: (workspace: Workspace) => Promise<T>): Promise<T> {
    const workspace = await openWorkspace(this.options);
    try {
      return await act(workspace);
    } finally {
      workspace.begun?.early?.cancel();
      workspace.store.close();
    }
  }

  /** With the engine, the project's lock, and a line in the audit trail, whatever the end; doing nothing leaves none. */
  private async change<T>(
    action: string,
    subjects: (result: T) => string[],
    act: (workspace: Workspace) => Promise<T>,
  ): Promise<T> {
    const { acquireLock } = await import('./store/lock.js');
    return this.look(async (workspace) => {
      const { project, identity, store, user } = workspace;
      const lock = await acquireLock({ engineId: identity.id, project: project.name, command: action });
      const trail = (result: AuditRecord['result'], names: string[], message: string) =>
        store.audit({
          at: new Date().toISOString(),
          user,
          project: project.name,
          action,
          subjects: names,
          result,
          message,
        });
      try {
        await store.tidy();
        const result = await act(workspace);
        const names = subjects(result);
        if (names.length > 0) await trail('done', names, '');
        return result;
      } catch (error) {
        const nothingDone =
          error instanceof RollbackError && ['declined', 'usage', 'no-such-point'].includes(error.code);
        if (!nothingDone) {
          // What went wrong first is what counts; it may be the reason for this too.
          await trail('failed', subjectsOf(error), messageOf(error)).catch((second: unknown) => {
            if (messageOf(second) === messageOf(error)) return;
            workspace.emit({ type: 'warning', message: `the history is incomplete: ${messageOf(second)}` });
          });
        }
        throw error;
      } finally {
        await lock.release();
      }
    });
  }
}

/** The points and runs that a failure is about. */
function subjectsOf(error: unknown): string[] {
  return error instanceof RollbackError ? error.subjects : [];
}

function planOptions(
  kind: RunKind,
  { services, configOnly = false, outside = false, git = false }: RollbackOptions,
) {
  return { kind, services, configOnly, outside, git };
}
