import { messageOf, RollbackError } from '../model/errors.js';
import type { AnyOperation } from '../model/events.js';
import type { RunPlan } from '../model/run.js';
import { execute, type Outcome } from '../operations/executor.js';
import type { Point } from '../model/point.js';
import type { Workspace } from '../session/workspace.js';
import type { RunLog } from './log.js';

/** A plan from the present to the state before a run, and how it is carried out. */
export interface WayBack<
  P extends Pick<RunPlan, 'operations' | 'blockers'> = Pick<RunPlan, 'operations' | 'blockers'>,
> {
  plan: P;
  perform(operation: P['operations'][number]): Promise<Outcome>;
  /** Looks at the present once more: what still differs from the earlier state. Empty when it is back. */
  findRemaining(): Promise<string[]>;
}

/** The part of a begun run that the way back needs. */
export interface ReturningRun {
  /** Where its journal, its events and its signal belong. */
  workspace: Workspace;
  log: RunLog;
  safety: Point;
  /** Id of the point or image that it leads to. */
  target: string;
  /** A way back that failed leaves the run unfinished, so that `abort` can try again. */
  abortable: boolean;
  /** What to do when the way back fails. */
  returnHint: string;
  /** Plans the way back, from whatever the present is by then. */
  planReturn(): Promise<WayBack>;
  /**
   * What is left to do for the services when the way back fails, even if it is the journal that cannot be written. Returns what was done, for a person;
   * undefined for nothing.
   */
  rescue?(): Promise<string | undefined>;
}

interface Failure {
  /** What was thrown; undefined for a run that is aborted. */
  error: unknown;
  explanation: string;
}

/**
 * The way back after a failure: a plan from whatever the present is by now to the safety point. It needs no list of what was
 * done, so it works from any half-way state. The kind checks that nothing is left to do.
 * @returns the error that says how it ended: `returned`, `interrupted` (returned too) or `not-returned`
 */
export async function returnToSafetyPoint(run: ReturningRun, failure: Failure): Promise<RollbackError> {
  const { workspace, log, safety, target } = run;
  const { error, explanation } = failure;
  const { emit, store } = workspace;
  emit({ type: 'phase', phase: 'return', message: `${explanation}. Bringing the earlier state back` });
  try {
    const way = await run.planReturn();
    await log.beginReturn(explanation, way.plan);
    await carryOutReturn(run, way, 'return');
  } catch (second) {
    const rescued = await rescue(run);
    return endAsNotReturned(run, failure, [
      messageOf(second),
      ...(second instanceof RollbackError ? second.details : []),
      ...(rescued === undefined ? [] : [rescued]),
    ]);
  }
  await log.end('returned', explanation, []);
  await store.sealOrWarn(safety.id);
  const interrupted = error instanceof RollbackError && error.code === 'interrupted';
  return new RollbackError(
    interrupted ? 'interrupted' : 'returned',
    `${interrupted ? 'interrupted' : explanation}; the earlier state is back`,
    {
      cause: error,
      subjects: [target, log.run],
      ...(error instanceof RollbackError ? { details: error.details } : {}),
    },
  );
}

/**
 * Performs the operations of a way back and checks that nothing is left to do. It is not cancelled with the run: an interrupted run is returned too.
 * @throws RollbackError `failed`, naming what still differs
 */
export async function carryOutReturn(
  { workspace: { emit }, log: { journal } }: Pick<ReturningRun, 'workspace' | 'log'>,
  way: WayBack,
  phase: 'return' | 'target',
): Promise<void> {
  const { operations, blockers } = way.plan;
  if (blockers.length > 0) throw createFailure(blockers.map(({ message }) => message));
  const { signal } = new AbortController();
  const perform = (operation: AnyOperation) => way.perform(operation);
  await execute({ operations, phase, perform, journal, emit, signal });
  const remaining = await way.findRemaining();
  if (remaining.length > 0) throw createFailure(remaining);
}

function createFailure([first = '', ...details]: string[]): RollbackError {
  return new RollbackError('failed', first, { details });
}

/** Says what came of it, because the failure before it is what is thrown. */
async function rescue(run: ReturningRun): Promise<string | undefined> {
  try {
    return await run.rescue?.();
  } catch (error) {
    return messageOf(error);
  }
}

async function endAsNotReturned(
  { log, target, abortable, returnHint }: ReturningRun,
  { error, explanation }: Failure,
  details: string[],
): Promise<RollbackError> {
  const unwritten = abortable
    ? await log.close()
    : await log.endIfPossible('not-returned', `${explanation}; the way back failed: ${details.join('; ')}`);
  return new RollbackError('not-returned', `${explanation}; the earlier state is not back`, {
    details: [...details, ...unwritten],
    subjects: [target, log.run],
    hint: returnHint,
    cause: error,
  });
}
