import { RollbackError } from '../model/errors.js';
import type { Plan } from '../model/plan.js';
import type { Point } from '../model/point.js';
import type { RunOutcome, RunSummary } from '../model/run.js';
import { type RunScope } from '../model/scope.js';
import { performing } from '../operations/executor.js';
import { removeHalfMade } from '../operations/half-made.js';
import { performers, type SwappedData } from '../operations/performers.js';
import type { Target } from '../plan/target.js';
import { projectOf } from '../points/facts.js';
import { leaveToServices, recordPoint } from '../points/record.js';
import { applyRetention } from '../points/remove.js';
import { fingerprint } from '../project/observe.js';
import { RunLog } from '../runs/log.js';
import { startRun, type BegunRun } from '../runs/perform.js';
import { prepare, type PreparedPlan } from '../runs/prepare.js';
import type { ReturningRun } from '../runs/return.js';
import { replacedBy } from '../runs/volumes.js';
import { planWayBack } from '../runs/way-back.js';
import { observePresent, type Workspace } from '../session/workspace.js';
import { recordRequest } from './journal.js';
import type { RollbackKind } from './names.js';
import { proveRun } from './prove.js';

export interface RollbackRequest {
  kind: RollbackKind;
  scope: RunScope;
  /** The run that an undo takes back. */
  undone?: RunSummary | undefined;
  /** Plan only. */
  dryRun: boolean;
  /** Go back automatically when something fails. */
  returnOnFailure: boolean;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: Plan) => Promise<boolean>) | undefined;
  /** A plan made earlier: refused as stale when the present is no longer the one it was made from. */
  expected?: Plan | undefined;
}

export interface RollbackOutcome extends RunOutcome<Plan> {
  kind: RollbackKind;
  /** The safety point: what `undo` goes back to. */
  safety: string | null;
}

/**
 * Brings a project to a target: plans, checks, asks, takes a safety point, acts, verifies. The caller holds the project's lock unless
 * it is a dry run.
 * @throws RollbackError `blocked`, `stale` or `declined` with nothing touched; `returned`, `interrupted` or `not-returned` afterwards
 */
export async function rollback(
  workspace: Workspace,
  target: Target,
  request: RollbackRequest,
): Promise<RollbackOutcome> {
  const { kind, scope, dryRun, confirm, expected } = request;
  const started = await startRun<Plan, PreparedPlan>(
    {
      prepare: () => prepare(workspace, target, { kind, ...scope }),
      refresh: async (prepared) => {
        const present = await observePresent(workspace, target);
        return { ...prepared, fingerprint: fingerprint(present) };
      },
      blocked: (plan) => new PlanBlocked(plan),
      begin: (prepared, run) => begin(prepared, run, request),
    },
    { dryRun, confirm, expected: expected?.observation },
  );
  const { plan, result } = started;
  if (started.result !== 'done') {
    return { kind, plan, result, run: null, safety: null, warnings: [], proof: null };
  }
  const { run, warnings, proof } = started;
  return { kind, plan, result, run: run.log.run, safety: run.safety.id, warnings, proof };
}

/** A plan that cannot be carried out: carries it, so that faces can show all of it. */
export class PlanBlocked extends RollbackError {
  constructor(readonly plan: Plan) {
    super('blocked', `this rollback is blocked; nothing was touched`, {
      subjects: [plan.target.id],
      details: plan.blockers.map(({ message, hint }) => (hint ? `${message} (${hint})` : message)),
    });
  }
}

/** A target that cannot be read blocks like anything else; other errors are thrown as they are. */
export function blockedByDamage(error: unknown): never {
  if (!(error instanceof RollbackError) || error.code !== 'damaged') throw error;
  throw new RollbackError('blocked', `${error.message}; nothing was touched`, {
    hint: error.hint ?? 'take another point; compose-rollback verify --all shows which are whole',
    cause: error,
  });
}

async function begin(
  prepared: PreparedPlan,
  run: string,
  { kind, scope, undone, returnOnFailure }: RollbackRequest,
): Promise<BegunRun<Plan>> {
  const { workspace, plan, observation, target } = prepared;
  workspace.emit({ type: 'phase', phase: 'safety', message: 'Recording the present as a safety point' });
  const safety = await recordPoint(workspace, leaveToServices(observation, plan), {
    kind: 'safety',
    description: `Before ${kind} to ${target.point.id}`,
    name: null,
    pinned: false,
    run,
    replaced: await replacedBy(workspace, plan, target),
  });
  workspace.emit({ type: 'safety-point', id: safety.id, run });
  const [image = null] = target.stored ? [] : Object.values(target.point.images);
  const log = await RunLog.begin(
    workspace,
    { run, kind, target: target.point.id, safety: safety.id, undoes: undone?.id ?? null },
    { plan, request: recordRequest(scope, image) },
  );
  return createRollbackRun(prepared, { log, safety, scope, returnOnFailure, undone });
}

interface Begun extends Pick<RollbackRequest, 'scope' | 'returnOnFailure' | 'undone'> {
  log: RunLog;
  safety: Point;
}

/** The run of a rollback whose safety point is taken. */
export function createRollbackRun(
  { workspace, plan, target, observation }: PreparedPlan,
  { log, safety, scope, returnOnFailure, undone }: Begun,
): BegunRun<Plan> {
  const { run } = log;
  const swapped = new Map<string, SwappedData>();
  const perform = performing(
    performers(workspace, {
      ...target,
      project: projectOf(target.point, workspace.project.directory),
      present: observation.model,
      run,
      safety: safety.id,
      swapped,
      returning: false,
    }),
  );
  return {
    ...createReturningRun(workspace, { log, safety, scope, target: target.point.id }),
    plan,
    title: 'Rolling back',
    destination: `at ${target.point.id}`,
    returnOnFailure,
    beforeFirstOperation: () => removeHalfMade(workspace),
    ...proveRun({ workspace, plan, target, observation, swapped }, scope, perform),
    finish: async () => {
      if (undone) await workspace.store.sealOrWarn(undone.safety);
      await applyRetention(workspace);
    },
  };
}

/** The part of a rollback's run that the way back needs. */
export function createReturningRun(
  workspace: Workspace,
  { log, safety, scope, target }: Pick<Begun, 'log' | 'safety' | 'scope'> & { target: string },
): ReturningRun {
  return {
    workspace,
    log,
    safety,
    target,
    abortable: false,
    returnHint: `everything of it is kept in ${safety.id}: fix what is named above, then compose-rollback undo ${log.run}`,
    planReturn: () => planWayBack(workspace, { run: log.run, safety: safety.id, scope }),
  };
}
