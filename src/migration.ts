import type { BackOptions, MoveOptions } from './options.js';
import { Access } from './runs/access.js';
import { RUN_KINDS } from './kinds.js';
import type { ManagerOptions } from './session/options.js';
import type { FinalizeReport, FinalizeRequest } from './migrate/move/finalize.js';
import { messageOf, RollbackError } from './model/errors.js';
import type { MoveKind } from './model/move.js';
import type { RollbackOutcome } from './rollback/rollback.js';
import type { MoveOutcome } from './migrate/move/move.js';
import { assertEngines, endsOfKind, endsOfMove } from './migrate/move/ends.js';
import { locatePlace, userName } from './session/locate.js';
import { changeBoth, hasContainers, lookAtBoth, type Sides } from './runs/access-both.js';
import type { Diagnosis } from './migrate/diagnose/finding.js';
import type { Recovery, RecoverRequest } from './migrate/recover/recovery.js';
import type { Scenario } from './model/recovery.js';
import type { BackupReport, BackupRequest } from './migrate/backup/backup.js';
import type { Readiness } from './model/readiness.js';
import { withoutKeys } from './model/secrets.js';
import type { Source } from './migrate/source.js';
import type { ValidateRequest } from './migrate/validate/validate.js';
import type { PreparedQuadlet, QuadletReport, QuadletRequest } from './migrate/quadlet/files.js';

/** Moving a project between Docker and Podman: the use-cases. Every method throws RollbackError and nothing else on purpose. */
export class Migration {
  private readonly access: Access;

  constructor(private readonly options: ManagerOptions = {}) {
    this.access = new Access(options, RUN_KINDS).ofPresent();
  }

  /** Records the project as a pinned point that `.docker-backup` leads to; or only tells what would be recorded, and whether the backup that is there is whole. */
  async backup(request: BackupRequest & { verifyOnly?: boolean | undefined } = {}): Promise<BackupReport> {
    const [{ assertFinished }, { makeBackup, previewBackup }] = await Promise.all([
      import('./runs/unfinished.js'),
      import('./migrate/backup/backup.js'),
    ]);
    if (request.verifyOnly) return this.access.look((workspace) => previewBackup(workspace, request));
    return this.access.change(
      'migrate backup',
      ({ point }) => (point === null ? [] : [point]),
      async (workspace) => {
        await assertFinished(workspace);
        return makeBackup(workspace, request);
      },
      { strict: true },
    );
  }

  /** Names what is wrong with the project, its engine or Podman, and logs it to `migration-recovery.log`. */
  async diagnose(): Promise<Diagnosis> {
    const { diagnose, diagnoseAll } = await import('./migrate/diagnose/diagnose.js');
    return diagnoseAll(
      this.options.env ?? process.env,
      () => this.access.look(diagnose),
      async () => ({ directory: (await locatePlace(this.options)).directory }),
    );
  }

  /**
   * Mends one kind of what `diagnose` finds: names the causes, plans, acts, looks again, and logs it. What it could not mend is told, not thrown. Throws
   * `declined` or `stale` with nothing touched.
   */
  async recover(scenario: Scenario, request: RecoverRequest = {}): Promise<Recovery> {
    const [{ assertFinished }, { recoverPodman, recoverProject }] = await Promise.all([
      import('./runs/unfinished.js'),
      import('./migrate/recover/scenarios.js'),
    ]);
    if (scenario === 'permission-issues') {
      // Where it is needed nobody may answer for the project.
      const { directory } = await locatePlace(this.options);
      return await recoverPodman(
        { env: this.options.env ?? process.env, user: userName(), directory },
        request,
      );
    }
    if (request.dryRun) {
      return await this.access.look((workspace) => recoverProject(workspace, scenario, request));
    }
    const subjects = ({ result }: Recovery) =>
      result === 'healthy' || result === 'not-healthy' ? [scenario] : [];
    return await this.access.change('migrate recover', subjects, async (workspace) => {
      await assertFinished(workspace);
      return await recoverProject(workspace, scenario, request);
    });
  }

  /** What stands in the way of moving the project from Docker to Podman. Engines that do not answer are findings, and so are broken files. */
  async validate(request: ValidateRequest = {}): Promise<Readiness> {
    const { validate } = await import('./migrate/validate/validate.js');
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
    const [{ openFiles }, { prepareQuadlet }] = await Promise.all([
      import('./session/open.js'),
      import('./migrate/quadlet/files.js'),
    ]);
    const { project, reading } = await openFiles(this.options);
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
    const [{ openFiles }, { sourceOf, sourceOfFiles }] = await Promise.all([
      import('./session/open.js'),
      import('./migrate/source.js'),
    ]);
    try {
      return await this.access.at(options).look(sourceOf);
    } catch (error) {
      const absent =
        error instanceof RollbackError &&
        ['engine-unreachable', 'engine-not-supported', 'provider-failed'].includes(error.code);
      if (!absent) throw error;
      return await sourceOfFiles(await openFiles(options), options, error);
    }
  }

  /**
   * Moves the project to the other engine. Throws `blocked`, `stale`, `declined`, `returned`, `not-returned`, `interrupted`; `usage` or `provider-failed` when
   * units could not be written, and `failed` when they could not after all: then the project was moved.
   */
  async move(
    kind: MoveKind,
    { dryRun = false, targetHost, quadlet, confirm }: MoveOptions = {},
  ): Promise<MoveOutcome> {
    const [{ assertFinished }, { move }, { subjectsOf: subjectsOfMove }] = await Promise.all([
      import('./runs/unfinished.js'),
      import('./migrate/move/move.js'),
      import('./migrate/move/work.js'),
    ]);
    if (quadlet !== undefined && kind === 'to-docker')
      throw new RollbackError('usage', 'Docker takes no Quadlet units', { hint: 'leave quadlet out' });
    const units = quadlet === undefined ? undefined : await this.units({ output: quadlet });
    const ends = endsOfKind(this.options, kind, targetHost);
    const act = async (sides: Sides) => {
      if (!dryRun) await assertFinished(sides.source);
      return await move(kind, sides, { dryRun, confirm });
    };
    const outcome = dryRun
      ? await lookAtBoth(this.access, ends, act)
      : await changeBoth(this.access, ends, kind, subjectsOfMove, act);
    if (!units || dryRun) return outcome;
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
    const [{ assertFinished }, { finalize }, { unpinMoves }] = await Promise.all([
      import('./runs/unfinished.js'),
      import('./migrate/move/finalize.js'),
      import('./migrate/move/last.js'),
    ]);
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
    if (request.dryRun) return await lookAtBoth(this.access, ends, act);
    return await changeBoth(this.access, ends, 'finalize', subjects, act, { observes: false });
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
    const [{ assertFinished }, { move }, { newestBackup }, { openTarget }, { subjectsOf: subjectsOfMove }] =
      await Promise.all([
        import('./runs/unfinished.js'),
        import('./migrate/move/move.js'),
        import('./migrate/move/last.js'),
        import('./points/find.js'),
        import('./migrate/move/work.js'),
      ]);
    const ends = endsOfKind(this.options, 'to-docker', targetHost);
    const act = async (sides: Sides) => {
      if (!dryRun) await assertFinished(sides.source);
      const { store, project } = sides.source;
      const goal = await openTarget(store, await newestBackup(store, project.name));
      return await move('to-docker', sides, { dryRun, confirm, goal, data: keepData });
    };
    // Where it was moved to Podman, what does not answer there may still run.
    const moved = (await this.findMove())?.plan.target.kind === 'podman';
    if (!moved && !(await hasContainers(this.access, ends.source))) {
      const point = await this.access
        .at(ends.target)
        .read(({ store, project }) => newestBackup(store, project));
      const { RollbackManager } = await import('./manager.js');
      const manager = new RollbackManager(ends.target);
      return await manager.rollback(point, { dryRun, confirm, volumes: false });
    }
    if (dryRun) return await lookAtBoth(this.access, ends, act);
    return await changeBoth(this.access, ends, 'rollback-to-docker', subjectsOfMove, act);
  }

  private async findMove() {
    const { lastMove } = await import('./migrate/move/last.js');
    return await this.access.silent().read(({ store, project }) => lastMove(store, project));
  }

  private async lastMove() {
    const found = await this.findMove();
    if (found) return found;
    throw new RollbackError('no-such-run', 'the project was not moved', {
      hint: '`compose-rollback runs` shows what was done',
    });
  }
}
