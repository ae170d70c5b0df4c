import type { ManagerOptions, RollbackOptions, UndoOptions } from './options.js';
import { RollbackError } from './model/errors.js';
import type { Plan } from './model/plan.js';
import { LISTED_KINDS } from './model/names.js';
import type { Point, PointSummary } from './model/point.js';
import type { AuditRecord, RollbackKind, RunSummary } from './model/run.js';
import type { MoveOutcome } from './migrate/move/move.js';
import type { Target } from './plan/target.js';
import type { Readable, Writable } from 'node:stream';
import type { CreateRequest } from './points/create.js';
import type { Difference } from './points/diff.js';
import type { DrillReport } from './points/drill.js';
import type { ExportReport } from './points/export.js';
import type { ImportReport, ImportRequest } from './points/import.js';
import type { InitReport } from './points/init.js';
import type { CleanupRequest } from './points/remove.js';
import type { Status } from './points/status.js';
import type { Verification } from './points/verify.js';
import type { RollbackOutcome } from './rollback/rollback.js';
import type { Workspace } from './run/workspace.js';
import type { IndexDb, PointFilter, PointLine } from './store/index-db.js';
import type { ReindexReport } from './store/reindex.js';
import type { StoreUsage } from './store/usage.js';
import { change, look, read, warnOfHistory } from './access.js';
import { locatePlace, openBareStore, userName } from './wiring.js';

export interface ListRequest {
  /** Safety points too. */
  safety?: boolean | undefined;
}

/** Runs by the commands that begin them, for the audit trail. */
const ACTIONS: Record<RollbackKind, string> = {
  rollback: 'rollback',
  undo: 'undo',
  service: 'rollback-service',
};

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
    const { assertCreatable, assertFinished, createPoint } = await import('./work.js');
    assertCreatable(request);
    return change(
      this.options,
      'create',
      ({ id }) => [id],
      async (workspace) => {
        await assertFinished(workspace);
        return createPoint(workspace, request);
      },
    );
  }

  /** Writes a `rollback.yaml` to edit and has git ignore the backup directory. Throws `usage` when there is one already. */
  async init(): Promise<InitReport> {
    const { initProject } = await import('./work.js');
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
    const { findPoint } = await import('./work.js');
    return change(
      this.options,
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
    const { findPoint } = await import('./work.js');
    return read(this.options, async ({ store, project }) => {
      const { id } = await findPoint(store, project, selector);
      return store.read(id);
    });
  }

  /** What changed from a point to another one, or to the present. */
  async diff(selector: string, other?: string): Promise<Difference[]> {
    const { differences, findTarget, observePresent, presentAsPoint } = await import('./work.js');
    const open = (text: string) =>
      read(this.options, ({ store, project }) => findTarget(store, project, text));
    const from = await open(selector);
    if (other !== undefined) return differences(from, await open(other));
    return look(this.options, async (workspace) => {
      const observation = await observePresent(workspace, from.point);
      return differences(from, { point: presentAsPoint(observation), model: observation.model });
    });
  }

  async status(): Promise<Status> {
    const { readStatus } = await import('./work.js');
    return look(this.options, readStatus);
  }

  /** Who did what, when, with what result; newest first. */
  async history({ limit }: { limit?: number | undefined } = {}): Promise<AuditRecord[]> {
    return read(this.options, async ({ store, project }) => {
      const index = await store.readIndex();
      return index?.audit({ project, ...(limit === undefined ? {} : { limit }) }) ?? [];
    });
  }

  /** Newest first. A run without an end that nobody carries on was killed. */
  async runs(): Promise<RunSummary[]> {
    return read(
      this.options,
      async ({ store, project }) => (await store.readIndex())?.runs({ project }) ?? [],
    );
  }

  /** What a rollback would do. Changes nothing; a plan with blockers is returned like any other. */
  async plan(selector: string, options: RollbackOptions = {}): Promise<Plan> {
    const { findTarget, prepare } = await import('./work.js');
    return look(this.options, async (workspace) => {
      const target = await findTarget(workspace.store, workspace.project.name, selector);
      return (await prepare(workspace, target, planOptions('rollback', options))).plan;
    });
  }

  /** Brings the project to a point. Throws `blocked`, `stale`, `declined`, `returned`, `not-returned`, `interrupted`. */
  async rollback(selector: string, options: RollbackOptions = {}): Promise<RollbackOutcome> {
    const { findTarget } = await import('./work.js');
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
    const { serviceTarget } = await import('./work.js');
    return this.converge('service', options, (workspace) => serviceTarget(workspace, service, tag));
  }

  /** Takes a run back: the named one, or the newest that changed something. Undoing an undo is redoing. A move goes back whole, or not at all. */
  async undo(run?: string, options: UndoOptions = {}): Promise<RollbackOutcome | MoveOutcome> {
    const { Migration } = await import('./migration.js');
    const migration = new Migration(this.options);
    const moved = await migration.toUndo(run);
    if (moved) return migration.undo(moved, options);
    const { assertSameEngine, findUndoable, keepFirst, openTarget, reachOf } = await import('./work.js');
    return this.converge('undo', options, async (workspace) => {
      const { store, project } = workspace;
      const undone = await findUndoable(store, project.name, run);
      assertSameEngine(undone, await store.readRecord(undone.safety), workspace);
      if (!options.dryRun) await keepFirst(workspace, undone);
      const reach = await reachOf(store, undone.id);
      return { ...(await openTarget(store, undone.safety)), undone, reach };
    });
  }

  /** Finishes a run that was killed. Undefined when there is none. Throws as `rollback`. */
  async resume(): Promise<RollbackOutcome | MoveOutcome | undefined> {
    const { Migration } = await import('./migration.js');
    const migration = new Migration(this.options);
    const moving = await migration.unfinished();
    if (moving) return migration.resume(moving);
    const { findUnfinished, resumeRun } = await import('./work.js');
    return change(
      this.options,
      'resume',
      (outcome) => (outcome?.run ? [outcome.plan.target.id, outcome.run] : []),
      async (workspace) => {
        const unfinished = await findUnfinished(workspace);
        return unfinished && resumeRun(workspace, unfinished);
      },
    );
  }

  /** Brings the state before a killed run back. Undefined when there is none. Throws `not-returned`. */
  async abort(): Promise<RunSummary | undefined> {
    const { Migration } = await import('./migration.js');
    const migration = new Migration(this.options);
    const moving = await migration.unfinished();
    if (moving) return migration.abort(moving);
    const { abortRun, findUnfinished } = await import('./work.js');
    return change(
      this.options,
      'abort',
      (run) => (run ? [run.target, run.id] : []),
      async (workspace) => {
        const unfinished = await findUnfinished(workspace);
        if (unfinished) await abortRun(workspace, unfinished);
        return unfinished;
      },
    );
  }

  /** Deletes points for good; pinned ones only when `force`. Returns what went. */
  async deleteRollbackPoint(
    selectors: string | string[],
    { confirm, force = false }: { confirm?: ConfirmDeletion | undefined; force?: boolean | undefined } = {},
  ): Promise<PointSummary[]> {
    const { assertUnpinned, findAll } = await import('./work.js');
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
    const { planCleanup } = await import('./work.js');
    if (request.dryRun) return look(this.options, (workspace) => planCleanup(workspace, request));
    return this.removal('cleanup', request.confirm, (workspace) => planCleanup(workspace, request));
  }

  /** Reads stored bytes again and compares them with what was recorded. Of one point, or of all, safety points included. */
  async verify(selector?: string): Promise<Verification[]> {
    const { verifyPoints } = await import('./work.js');
    return read(this.options, ({ store, project }) => verifyPoints(store, project, selector));
  }

  /** Restores a point into a project that exists for this alone, checks its services, and takes it away. The project is not touched. */
  async drill(selector: string): Promise<DrillReport> {
    const { drillPoint } = await import('./work.js');
    return look(this.options, (workspace) => drillPoint(workspace, selector));
  }

  /** What the project's points, safety points included, take on the disk. */
  async usage(): Promise<StoreUsage> {
    return read(this.options, async ({ store, project }) => {
      const points = (await store.readIndex())?.pointLines({ project }) ?? [];
      return store.usage(points.map(({ id }) => id));
    });
  }

  /** Writes a point as one archive, for another machine: to a file, which must not be there yet unless `force`, or to a stream. */
  async exportPoint(
    selector: string,
    output: string | Writable,
    { force = false }: { force?: boolean | undefined } = {},
  ): Promise<ExportReport> {
    const { exportPoint } = await import('./work.js');
    return read(this.options, async ({ store, project }) => {
      const report = await exportPoint(store, project, selector, output, force);
      if (await store.isSealed(report)) {
        const message = 'the point is encrypted and its archive is not: keep it safe, or pass it through age';
        this.options.onEvent?.({ type: 'warning', message });
      }
      const line = { user: userName(), project, action: 'export', subjects: [report.id] };
      await store.audit(line).catch((error: unknown) => warnOfHistory(this.options, error));
      return report;
    });
  }

  /** Makes a point of an archive that `exportPoint` wrote. Nothing of it is there before all of it was checked. */
  async importPoint(input: string | Readable, request: ImportRequest = {}): Promise<ImportReport> {
    const { importPoint, openArchive } = await import('./work.js');
    const archive = await openArchive(input);
    try {
      return await change(
        this.options,
        'import',
        ({ id, already }) => (already ? [] : [id]),
        (workspace) => importPoint(workspace, archive, request),
        archive.manifest.project,
      );
    } finally {
      await archive.entries.return(undefined);
    }
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
    return read(this.options, async ({ store, project }) => {
      const index = await store.readIndex();
      return index ? query(index, safety ? { project } : { project, kinds: LISTED_KINDS }) : [];
    });
  }

  private async converge(
    kind: RollbackKind,
    options: RollbackOptions,
    find: (
      workspace: Workspace,
    ) => Promise<Target & { undone?: RunSummary; reach?: { outside: boolean; git: boolean } }>,
  ): Promise<RollbackOutcome> {
    const { assertFinished, blockedByDamage, rollback } = await import('./work.js');
    const request = {
      kind,
      options: planOptions(kind, options),
      dryRun: options.dryRun ?? false,
      returnOnFailure: options.returnOnFailure ?? true,
      confirm: options.confirm,
      expected: options.plan,
    };
    const act = async (workspace: Workspace) => {
      // Without the lock: another process may be at it.
      if (!request.dryRun) await assertFinished(workspace);
      const { undone, reach, ...target } = await find(workspace).catch(blockedByDamage);
      const { outside, git } = request.options;
      const wider = { outside: outside || (reach?.outside ?? false), git: git || (reach?.git ?? false) };
      return rollback(workspace, target, { ...request, options: { ...request.options, ...wider }, undone });
    };
    if (request.dryRun) return look(this.options, act);
    return change(this.options, ACTIONS[kind], ({ plan, run }) => (run ? [plan.target.id, run] : []), act);
  }

  private async removal(
    action: string,
    confirm: ConfirmDeletion | undefined,
    select: (workspace: Workspace) => Promise<PointSummary[]>,
  ): Promise<PointSummary[]> {
    const { assertNotNeeded, removePoint } = await import('./work.js');
    return change(
      this.options,
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
}

function planOptions(
  kind: RollbackKind,
  { services, configOnly = false, volumes = true, outside = false, git = false }: RollbackOptions,
) {
  return { kind, services, configOnly, volumes, outside, git };
}
