import { randomBytes } from 'node:crypto';
import { messageOf, RollbackError } from '../model/errors.js';
import type { Plan } from '../model/plan.js';
import type { Point } from '../model/point.js';
import type { RollbackKind, RunRequest, RunSummary } from '../model/run.js';
import type { Target } from '../plan/target.js';
import { projectOf } from '../points/facts.js';
import { recordPoint } from '../points/record.js';
import { applyRetention } from '../points/remove.js';
import { execute, OperationFailed, performing } from '../run/executor.js';
import { removeHalfMade } from '../run/half-made.js';
import { performers } from '../run/performers.js';
import { observePresent, type Workspace } from '../run/workspace.js';
import { fingerprint } from '../project/observe.js';
import { goBack } from './return.js';
import { prepare, type Options, type Prepared } from './prepare.js';
import { RunLog } from './run-log.js';
import { replacedBy } from './volumes.js';

export interface RollbackRequest {
  kind: RollbackKind;
  options: Options;
  /** Of an undo: the run it takes back. */
  undone?: RunSummary | undefined;
  /** Plan only. */
  dryRun: boolean;
  /** Undo automatically when something fails. */
  returnOnFailure: boolean;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: Plan) => Promise<boolean>) | undefined;
  /** A plan made earlier: refused as stale when the present is no longer the one it was made from. */
  expected?: Plan | undefined;
}

export interface RollbackOutcome {
  plan: Plan;
  result: 'planned' | 'nothing-to-do' | 'done';
  /** Null when nothing was run. */
  run: string | null;
  /** The safety point: what `undo` goes back to. */
  safety: string | null;
  warnings: string[];
}

/**
 * Brings a project to a target: plans, checks, asks, takes a safety point, acts, verifies. The caller holds the project's lock
 * unless it is a dry run. Throws `blocked`, `stale` or `declined` with nothing touched; `returned`, `interrupted` or `not-returned` afterwards.
 */
export async function rollback(
  workspace: Workspace,
  target: Target,
  request: RollbackRequest,
): Promise<RollbackOutcome> {
  const prepared = await prepare(workspace, target, request.options);
  const { plan } = prepared;
  if (request.expected && request.expected.observation !== plan.observation) throw stale();
  const outcome = { plan, run: null, safety: null, warnings: [] };
  if (plan.blockers.length > 0) throw new PlanBlocked(plan);
  if (request.dryRun) return { ...outcome, result: 'planned' };
  if (plan.operations.length === 0) return { ...outcome, result: 'nothing-to-do' };
  if (request.confirm) {
    if (!(await request.confirm(plan))) {
      throw new RollbackError('declined', 'declined; nothing was touched');
    }
    const now = await observePresent(workspace, target.point);
    if (fingerprint(now) !== plan.observation) throw stale();
  }
  return run(prepared, request);
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

/** A target that cannot be read stands in the way like anything else; other errors are thrown as they are. */
export function blockedByDamage(error: unknown): never {
  if (!(error instanceof RollbackError) || error.code !== 'damaged') throw error;
  throw new RollbackError('blocked', `${error.message}; nothing was touched`, {
    hint: error.hint ?? 'take another point; compose-rollback verify --all shows which are whole',
    cause: error,
  });
}

function stale(): RollbackError {
  return new RollbackError('stale', 'the project changed since the plan was made; nothing was touched', {
    hint: 'look at the new plan and try again',
  });
}

async function run(prepared: Prepared, request: RollbackRequest): Promise<RollbackOutcome> {
  const { workspace, plan, observation, target } = prepared;
  const id = `run-${randomBytes(6).toString('hex')}`;
  workspace.emit({ type: 'phase', phase: 'safety', message: 'Recording the present as a safety point' });
  const safety = await recordPoint(workspace, observation, {
    kind: 'safety',
    description: `Before ${request.kind} to ${target.point.id}`,
    name: null,
    pinned: false,
    run: id,
    replaced: await replacedBy(workspace, plan, target),
  });
  workspace.emit({ type: 'safety-point', id: safety.id, run: id });
  const log = await RunLog.begin(workspace, {
    run: id,
    kind: request.kind,
    target: target.point.id,
    safety: safety.id,
    undoes: request.undone?.id ?? null,
    request: writtenRequest(request.options, target),
    plan,
  });
  return carryOut(prepared, { log, safety, ...request });
}

function writtenRequest(
  { services, configOnly, volumes, outside, git }: Options,
  target: Target,
): RunRequest {
  const [image = null] = target.stored ? [] : Object.values(target.point.images);
  return { services: services ?? null, config_only: configOnly, volumes, outside, git, image };
}

interface Undertaking extends Pick<RollbackRequest, 'options' | 'returnOnFailure' | 'undone'> {
  log: RunLog;
  safety: Point;
}

/** Performs the plan of a run whose safety point is taken; goes back when something fails. */
export async function carryOut(prepared: Prepared, undertaking: Undertaking): Promise<RollbackOutcome> {
  const { workspace, plan, target } = prepared;
  const { log, safety, options, returnOnFailure, undone } = undertaking;
  workspace.emit({ type: 'phase', phase: 'apply', message: `Rolling back (${log.run})` });
  let warnings: string[];
  try {
    warnings = await act(prepared, undertaking);
  } catch (error) {
    if (!returnOnFailure) {
      await log.end('not-returned', messageOf(error), []);
      throw new RollbackError('not-returned', `${explain(error)}; left as it is, as asked`, {
        hint: `compose-rollback undo ${log.run} brings the earlier state back`,
        subjects: [target.point.id, log.run],
        cause: error,
      });
    }
    throw await goBack(workspace, {
      error,
      explanation: explain(error),
      log,
      safety,
      target: target.point.id,
      options,
    });
  }
  await log.end('done', `at ${target.point.id}`, warnings);
  await workspace.store.sealOrWarn(safety.id);
  if (undone) await workspace.store.sealOrWarn(undone.safety);
  await applyRetention(workspace);
  return { plan, result: 'done', run: log.run, safety: safety.id, warnings };
}

async function act(
  { workspace, plan, target, observation }: Prepared,
  { log, safety }: Undertaking,
): Promise<string[]> {
  const destination = {
    ...target,
    project: projectOf(target.point, workspace.project.directory),
    present: observation.model,
    run: log.run,
    safety: safety.id,
    returning: false,
  };
  const { emit, signal } = workspace;
  await removeHalfMade(workspace);
  return execute({
    operations: plan.operations,
    phase: 'forward',
    perform: performing(performers(workspace, destination)),
    journal: log.journal,
    emit,
    signal,
  });
}

/** "could not start api: …", for the first line a person reads. */
export function explain(error: unknown): string {
  if (!(error instanceof OperationFailed)) return messageOf(error);
  const { operation } = error;
  const services =
    'services' in operation
      ? operation.services.join(', ')
      : 'service' in operation
        ? operation.service
        : operation.kind;
  return operation.kind === 'verify'
    ? `${services} is not healthy: ${error.message.replace(`${services}: `, '')}`
    : `${operation.kind} (${services}) failed: ${error.message}`;
}
