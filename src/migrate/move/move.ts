import { randomBytes } from 'node:crypto';
import { messageOf, RollbackError } from '../../model/errors.js';
import type { MoveKind, MoveOperation, MovePlan } from '../../model/move.js';
import type { Point } from '../../model/point.js';
import { recordPoint } from '../../points/record.js';
import { fingerprint } from '../../project/observe.js';
import { goBack } from '../../rollback/return.js';
import { explain } from '../../rollback/rollback.js';
import { RunLog } from '../../rollback/run-log.js';
import { execute } from '../../run/executor.js';
import { locateData } from '../../run/data.js';
import { engineName } from './facts.js';
import { prepareMove, START, type Destination, type PreparedMove, type Sides } from './look.js';
import {
  clearTarget,
  holdTarget,
  leaveTarget,
  movers,
  startSource,
  tidyTarget,
  type Undertaking,
} from './movers.js';

export interface MoveRequest extends Destination {
  /** Plan only. */
  dryRun: boolean;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: MovePlan) => Promise<boolean>) | undefined;
}

export interface MoveOutcome {
  plan: MovePlan;
  result: 'planned' | 'done';
  /** Null when nothing was run. */
  run: string | null;
  /** The point that holds what ran at the source. */
  point: string | null;
  warnings: string[];
}

/** A move that cannot be carried out: carries the plan, so that faces can show all of it. */
export class MoveBlocked extends RollbackError {
  constructor(readonly plan: MovePlan) {
    super('blocked', 'this move is blocked; nothing was touched', {
      details: plan.blockers.map(({ message, hint }) => (hint ? `${message} (${hint})` : message)),
    });
  }
}

/**
 * Moves a project to another engine: plans, checks, asks, copies while everything runs, stops the source, copies the rest, compares, starts, verifies. The
 * source's containers and data stay as they are. The caller holds the project's lock on both engines, unless it is a dry run. Throws `blocked`,
 * `stale` or `declined` with nothing touched; `returned`, `interrupted` or `not-returned` afterwards.
 */
export async function move(kind: MoveKind, sides: Sides, request: MoveRequest): Promise<MoveOutcome> {
  const prepared = await prepareMove(kind, sides, request);
  const { plan } = prepared;
  assertUnblocked(plan);
  if (request.dryRun) return { plan, result: 'planned', run: null, point: null, warnings: [] };
  if (!request.confirm) return await begin(prepared);
  if (!(await request.confirm(plan))) throw new RollbackError('declined', 'declined; nothing was touched');
  const again = await prepareMove(kind, sides, request);
  const seen = ({ observation, present }: PreparedMove) => fingerprint(observation) + fingerprint(present);
  if (seen(again) !== seen(prepared)) {
    throw new RollbackError('stale', 'the project changed since the plan was made; nothing was touched', {
      hint: 'look at the new plan and try again',
    });
  }
  assertUnblocked(again.plan);
  return await begin(again);
}

function assertUnblocked(plan: MovePlan): void {
  if (plan.blockers.length > 0) throw new MoveBlocked(plan);
}

async function begin(prepared: PreparedMove): Promise<MoveOutcome> {
  const { source, target, plan, observation, present } = prepared;
  const run = `run-${randomBytes(6).toString('hex')}`;
  source.emit({ type: 'phase', phase: 'safety', message: 'Recording both sides' });
  const there = engineName(plan.target);
  const details = { name: null, pinned: false };
  const point = await recordPoint(source, observation, {
    ...details,
    pinned: true, // until the move is finalized
    kind: 'migration',
    description: `Before the move to ${there}`,
    run: null,
  });
  const safety = await recordPoint(target, present, {
    ...details,
    kind: 'safety',
    description: `${there} before ${plan.kind}`,
    run,
    replaced: await replacedBy(prepared),
  });
  source.emit({ type: 'safety-point', id: safety.id, run });
  const log = await RunLog.begin(source, {
    run,
    kind: plan.kind,
    target: point.id,
    safety: safety.id,
    undoes: plan.undoes,
    request: { services: null, config_only: false, volumes: true, outside: false, git: false, image: null },
    plan,
  });
  const { model, variables } = observation;
  // As it was read just now: to open the point again may take a key.
  const goal = () => Promise.resolve(prepared.goal ?? { point, stored: true, model, variables });
  const progress = { started: false };
  return await carryOut({ source, target, plan, model, point: point.id, goal, safety, log, progress });
}

/** Where the data of the target's volumes is when they are exchanged. */
function replacedBy({ target, plan }: PreparedMove): Promise<Point['replaced']> {
  const exchanged = plan.volumes.filter(({ to }) => to === 'host');
  return Promise.all(
    exchanged.map(async ({ name, services }) => {
      const data = { kind: 'volume', name } as const;
      return { ...data, services, path: (await locateData(target, data))?.path ?? '' };
    }),
  );
}

/** Performs the plan of a move; goes back when something fails. */
export async function carryOut(undertaking: Undertaking): Promise<MoveOutcome> {
  const { source, plan, point, safety, log } = undertaking;
  source.emit({
    type: 'phase',
    phase: 'apply',
    message: `Moving to ${engineName(plan.target)} (${log.run})`,
  });
  let warnings: string[];
  try {
    warnings = await execute<MoveOperation>({
      operations: plan.operations,
      phase: 'forward',
      perform: movers(undertaking),
      journal: log.journal,
      emit: source.emit,
      signal: source.signal,
    });
  } catch (error) {
    throw await takeBack(undertaking, error, explain(error));
  }
  await tidyTarget(undertaking).catch((error: unknown) => {
    const message = `something of the move is left beside the volumes: ${messageOf(error)}`;
    warnings.push(message);
    source.emit({ type: 'warning', message });
  });
  await log.end('done', `on ${engineName(plan.target)}`, warnings);
  await source.store.sealOrWarn(safety.id);
  return { plan, result: 'done', run: log.run, point, warnings };
}

/**
 * What ran at the source runs there again, and the target has no containers of it. Where the target began to start, its data stays; else it is as it was before.
 * Returns the error that tells how it ended, as `goBack`; a run that is not back can be aborted again.
 */
export function takeBack(
  undertaking: Undertaking,
  error: unknown,
  explanation: string,
): Promise<RollbackError> {
  const { target, plan, point, safety, log, progress } = undertaking;
  const start = () => startSource(undertaking);
  const way = progress.started
    ? { finish: () => start().then(() => leaveTarget(undertaking)) }
    : { first: start, finish: () => holdTarget(undertaking).then(() => clearTarget(undertaking)) };
  return goBack(target, {
    ...way,
    error,
    explanation,
    log,
    safety,
    target: point,
    options: { ...START, volumes: !progress.started },
    keepOpen: true,
    hint: `mend what is named above, then compose-rollback abort; ${engineName(plan.source)} still has everything`,
  });
}
