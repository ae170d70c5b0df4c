import { randomBytes } from 'node:crypto';
import { messageOf, RollbackError } from '../model/errors.js';
import type { Proof, RunPlan } from '../model/run.js';
import { execute, OperationFailed, type Outcome } from '../operations/executor.js';
import { returnToSafetyPoint, type ReturningRun } from './return.js';

/** How runs of all kinds go: plan, check, ask, record, act, and go back when something fails. Each kind provides the steps. */

/** A plan and what it was made from. */
export interface Prepared<P extends RunPlan = RunPlan> {
  plan: P;
  /** Identifies the observation: the plan is stale once it differs. */
  fingerprint: string;
}

/** The steps of one kind of run before its first operation. */
export interface Preparation<P extends RunPlan, T extends Prepared<P>> {
  /** Observes and plans. Changes nothing. */
  prepare(): Promise<T>;
  /** Observes again, after a person took the time to read the plan. */
  refresh(prepared: T): Promise<T>;
  blocked(plan: P): RollbackError;
  /** Takes the safety point and begins the journal. */
  begin(prepared: T, run: string): Promise<BegunRun<P>>;
}

export interface StartRequest<P extends RunPlan> {
  /** Plan only. */
  dryRun: boolean;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: P) => Promise<boolean>) | undefined;
  /** Fingerprint of an earlier plan: refused as stale when the present is no longer the one it was made from. */
  expected?: string | undefined;
}

/** A run that has a safety point and a journal. */
export interface BegunRun<P extends RunPlan = RunPlan> extends ReturningRun {
  plan: P;
  /** What is being done, for a person: `Rolling back`. */
  title: string;
  /** Where the project is afterwards, for the history: `at rb-…`. */
  destination: string;
  /** False: a failed run is left as it is. */
  returnOnFailure: boolean;
  beforeFirstOperation?(): Promise<void>;
  /**
   * Compares the present with the target, after the last operation.
   * @throws RollbackError `failed` when the run has to go back
   */
  prove?(): Promise<Proof>;
  /** Performs one operation of the plan. Doing it twice is doing it once. */
  perform(operation: P['operations'][number]): Promise<Outcome>;
  /** After a run that was done. */
  finish?(): Promise<void>;
}

export type Started<P extends RunPlan> =
  | { plan: P; result: 'planned' | 'nothing-to-do' }
  | { plan: P; result: 'done'; run: BegunRun<P>; warnings: string[]; proof: Proof | null };

/**
 * Starts a run and carries it out. The caller holds the project's lock unless it is a dry run.
 * @throws RollbackError `blocked`, `stale` or `declined` with nothing touched; `returned`, `interrupted` or `not-returned` afterwards
 */
export async function startRun<P extends RunPlan, T extends Prepared<P>>(
  preparation: Preparation<P, T>,
  { dryRun, confirm, expected }: StartRequest<P>,
): Promise<Started<P>> {
  let prepared = await preparation.prepare();
  const { plan } = prepared;
  if (expected !== undefined && expected !== prepared.fingerprint) throw createStaleError();
  if (plan.blockers.length > 0) throw preparation.blocked(plan);
  if (dryRun) return { plan, result: 'planned' };
  if (plan.operations.length === 0) return { plan, result: 'nothing-to-do' };
  if (confirm) {
    if (!(await confirm(plan))) throw new RollbackError('declined', 'declined; nothing was touched');
    const refreshed = await preparation.refresh(prepared);
    if (refreshed.fingerprint !== prepared.fingerprint) throw createStaleError();
    if (refreshed.plan.blockers.length > 0) throw preparation.blocked(refreshed.plan);
    prepared = refreshed;
  }
  const run = await preparation.begin(prepared, `run-${randomBytes(6).toString('hex')}`);
  return { plan: run.plan, result: 'done', run, ...(await carryOut(run)) };
}

function createStaleError(): RollbackError {
  return new RollbackError('stale', 'the project changed since the plan was made; nothing was touched', {
    hint: 'read the new plan and try again',
  });
}

/**
 * Performs the plan of a run that was begun, and proves the result. When something fails it goes back.
 * @throws RollbackError `returned`, `interrupted`, `not-returned`
 */
export async function carryOut<P extends RunPlan>(
  run: BegunRun<P>,
): Promise<{ warnings: string[]; proof: Proof | null }> {
  const { workspace, plan, log, safety, target } = run;
  const { emit, signal, store } = workspace;
  emit({ type: 'phase', phase: 'apply', message: `${run.title} (${log.run})` });
  let warnings: string[];
  let proof: Proof | undefined;
  try {
    await run.beforeFirstOperation?.();
    const perform = (operation: P['operations'][number]) => run.perform(operation);
    warnings = await execute({
      operations: plan.operations,
      phase: 'forward',
      perform,
      journal: log.journal,
      emit,
      signal,
    });
    proof = await run.prove?.();
  } catch (error) {
    if (run.returnOnFailure) throw await returnToSafetyPoint(run, { error, explanation: explain(error) });
    const details = await log.endIfPossible('not-returned', messageOf(error));
    throw new RollbackError('not-returned', `${explain(error)}; left as it is, as asked`, {
      hint: `compose-rollback undo ${log.run} brings the earlier state back`,
      subjects: [target, log.run],
      details,
      cause: error,
    });
  }
  await log.end('done', run.destination, warnings);
  await store.sealOrWarn(safety.id);
  await run.finish?.();
  return { warnings, proof: proof ?? null };
}

/** `api is not healthy: …`, for the first line a person reads. */
function explain(error: unknown): string {
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
