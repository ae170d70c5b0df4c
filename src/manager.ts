import type { RollbackOptions, UndoOptions } from './runs/options.js';
import type { ManagerOptions } from './session/options.js';
import { RollbackError } from './model/errors.js';
import type { Plan } from './model/plan.js';
import { type PointKind, selectKinds } from './model/names.js';
import type { Point, PointSummary } from './model/point.js';
import { scopeOf } from './model/scope.js';
import type { AuditRecord, RunSummary } from './model/run.js';
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
import type { Workspace } from './session/workspace.js';
import type { IndexDb, PointFilter, PointLine } from './store/index-db.js';
import type { ReindexReport } from './store/reindex.js';
import type { StoreUsage } from './store/usage.js';
import { Access } from './runs/access.js';
import { RUN_KINDS } from './kinds.js';
import { findPlace, locatePlace, openBareStore, userName } from './session/locate.js';
import type { PlaceOrigin } from './session/backup-place.js';
import type { BackupDirMove } from './session/move-place.js';

export interface ListRequest {
  /** Only points of these kinds; manual, deploy and migration when absent. */
  kinds?: readonly PointKind[] | undefined;
  /** Safety points too. */
  safety?: boolean | undefined;
}

export interface BackupDirReport {
  /** Absolute; nothing is there yet when `origin` is `undecided`. */
  path: string;
  origin: PlaceOrigin;
}

/** Runs by the commands that begin them, for the audit trail. */
const ACTIONS = { rollback: 'rollback', service: 'rollback-service' } as const;

/** Asked with the points that would go; absent means yes. */
export type ConfirmDeletion = (points: PointSummary[]) => Promise<boolean>;

/**
 * Rollback points of one compose project: the use-cases. Nothing is opened before it is needed. Every method throws RollbackError and nothing
 * else on purpose; its code tells what happened.
 */
export class RollbackManager {
  private readonly access: Access;

  constructor(private readonly options: ManagerOptions = {}) {
    this.access = new Access(options, RUN_KINDS);
  }

  /** Records the present. The point is there, whole, when this returns. */
  async createRollbackPoint(request: CreateRequest = {}): Promise<Point> {
    const [{ assertCreatable, createPoint }, { assertFinished }] = await Promise.all([
      import('./points/create.js'),
      import('./runs/unfinished.js'),
    ]);
    assertCreatable(request);
    return this.access.ofPresent().change(
      'create',
      ({ id }) => [id],
      async (workspace) => {
        await assertFinished(workspace);
        return createPoint(workspace, request);
      },
      { strict: true },
    );
  }

  /** Writes a `rollback.yaml` to edit and has git ignore the backup directory. Throws `usage` when there is one already. */
  async init(): Promise<InitReport> {
    const { initProject } = await import('./points/init.js');
    return initProject(await locatePlace(this.options));
  }

  /** Newest first; points of kind guard, heal and safety only when asked for. Throws `usage` for an unknown kind. */
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
    return this.access.change(
      pinned ? 'pin' : 'unpin',
      ({ id }) => [id],
      async ({ store, project }) => {
        const point = await findPoint(store, project.name, selector);
        await store.setPinned(point.id, pinned);
        return { ...point, pinned };
      },
      { observes: false },
    );
  }

  /** One point, whole. Throws `no-such-point`, `damaged`. */
  async showRollbackPoint(selector: string): Promise<Point> {
    const { findPoint } = await import('./points/find.js');
    return this.access.read(async ({ store, project }) => {
      const { id } = await findPoint(store, project, selector);
      return store.read(id);
    });
  }

  /** What changed from a point to another one, or to the present. */
  async diff(selector: string, other?: string): Promise<Difference[]> {
    const [{ differences, presentState }, { findTarget }, { observePresent }] = await Promise.all([
      import('./points/diff.js'),
      import('./points/find.js'),
      import('./session/workspace.js'),
    ]);
    const open = (text: string) => this.access.read(({ store, project }) => findTarget(store, project, text));
    const from = await open(selector);
    if (other !== undefined) return differences(from, await open(other));
    return this.access.look(async (workspace) => {
      const observation = await observePresent(workspace, from);
      return differences(from, presentState(observation));
    });
  }

  async status(): Promise<Status> {
    const { readStatus } = await import('./points/status.js');
    return this.access.ofPresent().look(readStatus);
  }

  /** Who did what, when, with what result; newest first. */
  async history({ limit }: { limit?: number | undefined } = {}): Promise<AuditRecord[]> {
    return this.access.read(async ({ store, project }) => {
      const index = await store.readIndex();
      return index?.audit({ project, ...(limit === undefined ? {} : { limit }) }) ?? [];
    });
  }

  /** Newest first. A run without an end that nobody carries on was killed. */
  async runs(): Promise<RunSummary[]> {
    return this.access.read(async ({ store, project }) => (await store.readIndex())?.runs({ project }) ?? []);
  }

  /** What a rollback would do. Changes nothing; a plan with blockers is returned like any other. */
  async plan(selector: string, options: RollbackOptions = {}): Promise<Plan> {
    const [{ findTarget }, { prepare }] = await Promise.all([
      import('./points/find.js'),
      import('./runs/prepare.js'),
    ]);
    return this.access.look(async (workspace) => {
      const target = await findTarget(workspace.store, workspace.project.name, selector);
      return (await prepare(workspace, target, { kind: 'rollback', ...scopeOf(options) })).plan;
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

  /** Takes a run back: the named one, or the newest that changed something. Undoing an undo is redoing. A move goes back whole, or not at all. */
  async undo(run?: string, options: UndoOptions = {}): Promise<RollbackOutcome | MoveOutcome> {
    const { undo } = await import('./runs/undo.js');
    return undo(this.access, RUN_KINDS, run, options);
  }

  /** Finishes a run that was killed. Undefined when there is none. Throws as `rollback`. */
  async resume(): Promise<RollbackOutcome | MoveOutcome | undefined> {
    const { resume } = await import('./runs/recover.js');
    return resume(this.access, RUN_KINDS);
  }

  /** Brings the state before a killed run back. Undefined when there is none. Throws `not-returned`. */
  async abort(): Promise<RunSummary | undefined> {
    const { abort } = await import('./runs/recover.js');
    return abort(this.access, RUN_KINDS);
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
    if (request.dryRun) return this.access.look((workspace) => planCleanup(workspace, request));
    return this.removal('cleanup', request.confirm, (workspace) => planCleanup(workspace, request));
  }

  /** Reads stored bytes again and compares them with what was recorded. Of one point, or of all, safety points included. */
  async verify(selector?: string): Promise<Verification[]> {
    const { verifyPoints } = await import('./points/verify.js');
    return this.access.read(({ store, project }) => verifyPoints(store, project, selector));
  }

  /** Restores a point into a project that exists for this alone, checks its services, and takes it away. The project is not touched. */
  async drill(selector: string): Promise<DrillReport> {
    const { drillPoint } = await import('./points/drill.js');
    return this.access.look((workspace) => drillPoint(workspace, selector));
  }

  /** What the project's points, safety points included, take on the disk. */
  async usage(): Promise<StoreUsage> {
    return this.access.read(async ({ store, project }) => {
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
    const { exportPoint } = await import('./points/export.js');
    return this.access.read(async ({ store, project }) => {
      const report = await exportPoint(store, project, selector, output, force);
      if (await store.isSealed(report)) {
        const message = 'the point is encrypted and its archive is not: keep it safe, or pass it through age';
        this.options.onEvent?.({ type: 'warning', message });
      }
      const line = { user: userName(), project, action: 'export', subjects: [report.id] };
      await store.audit(line).catch((error: unknown) => this.access.warnAboutHistory(error));
      return report;
    });
  }

  /** Makes a point of an archive that `exportPoint` wrote. Nothing of it is there before all of it was checked. */
  async importPoint(input: string | Readable, request: ImportRequest = {}): Promise<ImportReport> {
    const { importPoint, openArchive } = await import('./points/import.js');
    const archive = await openArchive(input);
    try {
      return await this.access.change(
        'import',
        ({ id, already }) => (already ? [] : [id]),
        (workspace) => importPoint(workspace, archive, request),
        { fallbackName: archive.manifest.project, observes: false, strict: true },
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

  /** Where the points are, and who said so. Asks no engine. */
  async backupDirectory(): Promise<BackupDirReport> {
    const { path, origin } = await findPlace(this.options);
    return { path, origin };
  }

  /**
   * Moves the points to a directory that does not exist yet (relative to where the project is looked for), or into the state directory; killed at any
   * instant, they are whole in one of the two. Throws `usage`, `locked`, `blocked` while a run is unfinished, `failed`.
   */
  async moveBackupDirectory(directory?: string): Promise<BackupDirMove> {
    const [{ assertFinished }, { moveBackupPlace }] = await Promise.all([
      import('./runs/unfinished.js'),
      import('./session/move-place.js'),
    ]);
    return this.access.change(
      'backup-dir move',
      () => [],
      async (workspace) => {
        await assertFinished(workspace);
        return moveBackupPlace(workspace, this.options, directory);
      },
      { observes: false },
    );
  }

  private async list<T>(
    { kinds, safety }: ListRequest,
    query: (index: IndexDb, filter: PointFilter) => T[],
  ): Promise<T[]> {
    const shown = selectKinds(kinds, safety);
    return this.access.read(async ({ store, project }) => {
      const index = await store.readIndex();
      return index ? query(index, { project, kinds: shown }) : [];
    });
  }

  private async converge(
    kind: keyof typeof ACTIONS,
    options: RollbackOptions,
    find: (workspace: Workspace) => Promise<Target>,
  ): Promise<RollbackOutcome> {
    const [{ assertFinished }, { blockedByDamage, rollback }] = await Promise.all([
      import('./runs/unfinished.js'),
      import('./rollback/rollback.js'),
    ]);
    const { dryRun = false, returnOnFailure = true, confirm, plan: expected, ...scope } = options;
    const act = async (workspace: Workspace) => {
      // Without the lock another process may be carrying a run out.
      if (!dryRun) await assertFinished(workspace);
      const target = await find(workspace).catch(blockedByDamage);
      const request = { kind, scope: scopeOf(scope), dryRun, returnOnFailure, confirm, expected };
      return rollback(workspace, target, request);
    };
    if (dryRun) return this.access.look(act);
    return this.access.change(ACTIONS[kind], ({ plan, run }) => (run ? [plan.target.id, run] : []), act);
  }

  private async removal(
    action: string,
    confirm: ConfirmDeletion | undefined,
    select: (workspace: Workspace) => Promise<PointSummary[]>,
  ): Promise<PointSummary[]> {
    const { assertNotNeeded, removePoint } = await import('./points/remove.js');
    return this.access.change(
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
      { observes: false },
    );
  }
}
