import type { BackOptions, ManagerOptions, MoveOptions, UndoOptions } from './options.js';
import { change, look, read } from './access.js';
import type { FinalizeReport, FinalizeRequest } from './migrate/move/finalize.js';
import { messageOf, RollbackError } from './model/errors.js';
import type { MoveKind, MovePlan } from './model/move.js';
import { isMove } from './model/names.js';
import type { RollbackOutcome } from './rollback/rollback.js';
import type { RunSummary } from './model/run.js';
import type { MoveOutcome } from './migrate/move/move.js';
import type { Sides } from './migrate/move/look.js';
import { locatePlace, openFiles, openStore, userName } from './wiring.js';
import { assertEngines, changeBoth, endsOf, endsOfMove, isThere, lookAtBoth } from './access-both.js';
import type { Diagnosis } from './migrate/diagnose/finding.js';
import type { Recovery, RecoverRequest } from './migrate/recover/recovery.js';
import type { Scenario } from './model/recovery.js';
import type { BackupReport, BackupRequest } from './migrate/backup/backup.js';
import type { Readiness } from './model/readiness.js';
import { withoutKeys } from './model/secrets.js';
import type { Source } from './migrate/source.js';
import type { ValidateRequest } from './migrate/validate/validate.js';
import type { PreparedQuadlet, QuadletReport, QuadletRequest } from './migrate/quadlet/files.js';

/** A move by which a project came to where it is. */
interface LastMove {
  run: RunSummary;
  plan: MovePlan;
}

export interface Moved extends MoveOutcome {
  /** The units that were written. */
  quadlet: QuadletReport | null;
}

/** Moving a project between Docker and Podman: the use-cases. Every method throws RollbackError and nothing else on purpose. */
export class Migration {
  constructor(private readonly options: ManagerOptions = {}) {}

  /** Records the project as a pinned point that `.docker-backup` leads to; or only tells what would be recorded, and whether the backup that is there is whole. */
  async backup(request: BackupRequest & { verifyOnly?: boolean | undefined } = {}): Promise<BackupReport> {
    const { assertFinished, makeBackup, previewBackup } = await import('./work.js');
    if (request.verifyOnly) return look(this.options, (workspace) => previewBackup(workspace, request));
    return change(
      this.options,
      'migrate backup',
      ({ point }) => (point === null ? [] : [point]),
      async (workspace) => {
        await assertFinished(workspace);
        return makeBackup(workspace, request);
      },
    );
  }

  /** Names what is wrong with the project, its engine or Podman, and logs it to `migration-recovery.log`. */
  async diagnose(): Promise<Diagnosis> {
    const { diagnose, diagnoseAll } = await import('./work.js');
    return diagnoseAll(
      this.options.env ?? process.env,
      () => look(this.options, diagnose),
      async () => ({ directory: (await locatePlace(this.options)).directory }),
    );
  }

  /**
   * Mends one kind of what `diagnose` finds: names the causes, plans, acts, looks again, and logs it. What it could not mend is told, not thrown. Throws
   * `declined` or `stale` with nothing touched.
   */
  async recover(scenario: Scenario, request: RecoverRequest = {}): Promise<Recovery> {
    const { assertFinished, recoverPodman, recoverProject } = await import('./work.js');
    if (scenario === 'permission-issues') {
      // Where it is needed nobody may answer for the project.
      const { directory } = await locatePlace(this.options);
      return await recoverPodman(
        { env: this.options.env ?? process.env, user: userName(), directory },
        request,
      );
    }
    if (request.dryRun) {
      return await look(this.options, (workspace) => recoverProject(workspace, scenario, request));
    }
    const subjects = ({ result }: Recovery) =>
      result === 'healthy' || result === 'not-healthy' ? [scenario] : [];
    return await change(this.options, 'migrate recover', subjects, async (workspace) => {
      await assertFinished(workspace);
      return await recoverProject(workspace, scenario, request);
    });
  }

  /** What stands in the way of moving the project from Docker to Podman. Engines that do not answer are findings, and so are broken files. */
  async validate(request: ValidateRequest = {}): Promise<Readiness> {
    const { validate } = await import('./work.js');
    const env = withoutKeys(this.options.env ?? process.env);
    return validate(await this.source(), { env, user: userName() }, request);
  }

  /** The project as units for Podman and systemd, from its files alone. Throws `provider-failed`, and `usage` when a file is there already. */
  async quadlet(request: QuadletRequest = {}): Promise<QuadletReport> {
    const { report, write } = await this.units(request);
    await write();
    return report;
  }

  private async units(request: QuadletRequest): Promise<PreparedQuadlet> {
    const { prepareQuadlet } = await import('./work.js');
    const { project, reading, store } = await openFiles(this.options);
    store.close();
    return prepareQuadlet(project, reading, withoutKeys(this.options.env ?? process.env), request);
  }

  /** The project on Docker; where no engine that we can speak to answers there, what its files say. */
  private async source(): Promise<Source> {
    const { engine = 'auto' } = this.options;
    if (engine === 'podman') {
      throw new RollbackError('usage', 'the way from Docker is looked at, and --engine names Podman', {
        hint: 'leave --engine out',
      });
    }
    const options: ManagerOptions = { ...this.options, engine: 'docker' };
    const { sourceOf, sourceOfFiles } = await import('./work.js');
    try {
      return await look(options, sourceOf);
    } catch (error) {
      const absent =
        error instanceof RollbackError &&
        ['engine-unreachable', 'engine-not-supported', 'provider-failed'].includes(error.code);
      if (!absent) throw error;
      return await sourceOfFiles(await openFiles(options), error);
    }
  }

  /**
   * Moves the project to the other engine. Throws `blocked`, `stale`, `declined`, `returned`, `not-returned`, `interrupted`; `usage` or `provider-failed` when
   * units could not be written, and `failed` when they could not after all: then the project was moved.
   */
  async move(
    kind: MoveKind,
    { dryRun = false, targetHost, quadlet, confirm }: MoveOptions = {},
  ): Promise<Moved> {
    const { assertFinished, move } = await import('./work.js');
    if (quadlet !== undefined && kind === 'to-docker')
      throw new RollbackError('usage', 'Docker takes no Quadlet units', { hint: 'leave quadlet out' });
    const units = quadlet === undefined ? undefined : await this.units({ output: quadlet });
    const ends = endsOf(this.options, kind, { target: targetHost });
    const act = async (sides: Sides) => {
      if (!dryRun) await assertFinished(sides.source);
      return await move(kind, sides, { dryRun, confirm });
    };
    const outcome = dryRun ? await lookAtBoth(ends, act) : await changeBoth(ends, kind, subjectsOf, act);
    if (!units || dryRun) return { ...outcome, quadlet: null };
    await units.write().catch((error: unknown) => {
      throw new RollbackError('failed', `the project was moved, but not its units: ${messageOf(error)}`, {
        hint: 'write them with compose-rollback migrate quadlet --output DIR',
        cause: error,
      });
    });
    return { ...outcome, quadlet: units.report };
  }

  /** Removes what the project left where it was before its last move. Throws `blocked`, `declined`, `no-such-run`. */
  async finalize(request: FinalizeRequest = {}): Promise<FinalizeReport> {
    const { assertFinished, finalize, unpinMoves } = await import('./work.js');
    const { run, plan } = await this.lastMove();
    const act = async (sides: Sides) => {
      assertEngines(sides, plan);
      await assertFinished(sides.source);
      const report = await finalize(sides, plan, request);
      if (!request.dryRun) await unpinMoves(sides.source.store, sides.source.project.name);
      return report;
    };
    const subjects = ({ result, point }: FinalizeReport) =>
      result === 'done' ? [run.id, ...(point === null ? [] : [point])] : [];
    const ends = endsOfMove(this.options, plan);
    if (request.dryRun) return await lookAtBoth(ends, act);
    return await changeBoth(ends, 'finalize', subjects, act);
  }

  /**
   * Brings the project back to Docker, with the files and images of its newest backup there: the data comes with it only when it is to be kept. Where Podman has
   * nothing of the project this is a rollback. Throws as `move` and as `rollback`.
   */
  async rollbackToDocker({
    keepData = false,
    dryRun = false,
    targetHost,
    confirm,
  }: BackOptions = {}): Promise<MoveOutcome | RollbackOutcome> {
    const { assertFinished, move, newestBackup, openTarget } = await import('./work.js');
    const ends = endsOf(this.options, 'to-docker', { target: targetHost });
    const act = async (sides: Sides) => {
      if (!dryRun) await assertFinished(sides.source);
      const { store, project } = sides.source;
      const goal = await openTarget(store, await newestBackup(store, project.name));
      return await move('to-docker', sides, { dryRun, confirm, goal, data: keepData });
    };
    // Where it was moved to Podman, what does not answer there may still run.
    const moved = (await this.findMove())?.plan.target.kind === 'podman';
    if (!moved && !(await isThere(ends.source))) {
      const point = await read(ends.target, ({ store, project }) => newestBackup(store, project));
      const { RollbackManager } = await import('./manager.js');
      const manager = new RollbackManager(ends.target);
      return await manager.rollback(point, { dryRun, confirm, volumes: false });
    }
    if (dryRun) return await lookAtBoth(ends, act);
    return await changeBoth(ends, 'rollback-to-docker', subjectsOf, act);
  }

  private async findMove() {
    const { lastMove } = await import('./work.js');
    return await read(this.options, ({ store, project }) => lastMove(store, project));
  }

  private async lastMove() {
    const found = await this.findMove();
    if (found) return found;
    throw new RollbackError('no-such-run', 'the project was not moved', {
      hint: '`compose-rollback runs` shows what was done',
    });
  }

  /** The move of this project that was begun and not ended. */
  async unfinished(): Promise<RunSummary | undefined> {
    const { unfinishedMove } = await import('./work.js');
    const { store, project } = await openStore(this.options);
    return await unfinishedMove(store, project).finally(() => store.close());
  }

  /** The move that `undo` would take back: the named run, or the newest. Undefined when that is no move that was done. Throws `usage`. */
  async toUndo(named: string | undefined): Promise<LastMove | undefined> {
    const { findRun, lastMove } = await import('./work.js');
    return await read(this.options, async ({ store, project }) => {
      const undone = await findRun(store, project, named);
      const last = await lastMove(store, project);
      if (!last || last.run.id === undone?.id) return last;
      if (named === undefined) return undone && undone.started > last.run.started ? undefined : last;
      if (!undone || !isMove(undone.kind) || undone.result !== 'done') return undefined;
      throw new RollbackError('usage', `the project was moved again since ${undone.id}`, {
        hint: `compose-rollback undo ${last.run.id} takes that back first`,
      });
    });
  }

  /** Takes the last move back: the project runs where it ran, as it did then; what was written since stays where it went. Throws as `move`. */
  async undo({ run, plan }: LastMove, options: UndoOptions = {}): Promise<MoveOutcome> {
    const { dryRun = false, confirm } = options;
    assertWhole(options);
    const { assertFinished, move, openTarget } = await import('./work.js');
    const kind = plan.kind === 'to-podman' ? 'to-docker' : 'to-podman';
    const back = { kind, source: plan.target, target: plan.source } as const;
    const act = async (sides: Sides) => {
      assertEngines(sides, back);
      if (!dryRun) await assertFinished(sides.source);
      const goal = await openTarget(sides.source.store, run.target);
      return await move(kind, sides, { dryRun, confirm, goal, data: false, undoes: run.id });
    };
    const ends = endsOfMove(this.options, back);
    return dryRun ? await lookAtBoth(ends, act) : await changeBoth(ends, 'undo', subjectsOf, act);
  }

  /** Finishes a move that was killed. Undefined when it was ended meanwhile. Throws as `move`. */
  async resume(run: RunSummary): Promise<MoveOutcome | undefined> {
    const { resumeMove } = await import('./work.js');
    return await this.again('resume', run, subjectsOf, (sides) => resumeMove(sides, run));
  }

  /** Brings the state before a killed move back. Undefined when it was ended meanwhile. Throws `not-returned`. */
  async abort(run: RunSummary): Promise<RunSummary | undefined> {
    const { abortMove, rescueSource } = await import('./work.js');
    const act = async (sides: Sides) => {
      await abortMove(sides, run);
      return run;
    };
    const subjects = ({ target, id }: RunSummary) => [target, id];
    try {
      return await this.again('abort', run, subjects, act);
    } catch (error) {
      if (!(error instanceof RollbackError) || error.code !== 'engine-unreachable') throw error;
      const { source } = endsOfMove(this.options, await this.planOf(run.id));
      return await change(source, 'abort', subjects, (workspace) => rescueSource(workspace, run.id, error));
    }
  }

  private async again<T>(
    action: string,
    { id }: RunSummary,
    subjects: (result: T) => string[],
    act: (sides: Sides) => Promise<T>,
  ): Promise<T | undefined> {
    const plan = await this.planOf(id);
    return await changeBoth(
      endsOfMove(this.options, plan),
      action,
      (result) => (result ? subjects(result) : []),
      async (sides) => {
        assertEngines(sides, plan);
        const { store, project } = sides.source;
        const left = (await store.readIndex())?.unfinishedRuns(project.name) ?? [];
        // Killed at its very end, or ended by somebody else meanwhile: nothing is left to do.
        return left.some((one) => one.id === id) ? await act(sides) : undefined;
      },
    );
  }

  private async planOf(run: string): Promise<MovePlan> {
    const { readMovePlan } = await import('./work.js');
    const { store } = await openStore(this.options);
    return await readMovePlan(store, run).finally(() => store.close());
  }
}

const subjectsOf = ({ point, run }: MoveOutcome) => [point, run].filter((id) => id !== null);

/** A move has no parts that could be taken back alone. */
function assertWhole({ services, configOnly, returnOnFailure, plan }: UndoOptions): void {
  if (!services && !configOnly && returnOnFailure !== false && !plan) return;
  throw new RollbackError('usage', 'a move between engines is taken back whole, or not at all', {
    hint: 'leave out what narrows it, such as --config-only or --no-return',
  });
}
