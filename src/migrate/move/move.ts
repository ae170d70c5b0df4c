import { RollbackError } from '../../model/errors.js';
import type { MoveKind, MovePlan, MoveReturn } from '../../model/move.js';
import type { Point } from '../../model/point.js';
import type { Proof, RunOutcome } from '../../model/run.js';
import { locateData } from '../../operations/data.js';
import { recordPoint } from '../../points/record.js';
import { RunLog } from '../../runs/log.js';
import { startRun, type BegunRun } from '../../runs/perform.js';
import type { WayBack } from '../../runs/return.js';
import type { Sides } from '../../runs/access-both.js';
import type { QuadletReport } from '../quadlet/files.js';
import { engineName } from './facts.js';
import { prepareMove, type Destination, type PreparedMove } from './look.js';
import { movers, startSource, type BegunMove } from './movers.js';
import { planReturn } from './replan.js';

export interface MoveRequest extends Destination {
  /** Plan only. */
  dryRun: boolean;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((plan: MovePlan) => Promise<boolean>) | undefined;
}

export interface MoveOutcome extends RunOutcome<MovePlan> {
  kind: MoveKind;
  /** The point that holds what ran at the source. */
  point: string | null;
  /** The units for systemd that were written afterwards. */
  quadlet: QuadletReport | null;
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
 * source's containers and data stay as they are. The caller holds the project's lock on both engines, unless it is a dry run.
 * @throws RollbackError `blocked`, `stale` or `declined` with nothing touched; `returned`, `interrupted` or `not-returned` afterwards
 */
export async function move(kind: MoveKind, sides: Sides, request: MoveRequest): Promise<MoveOutcome> {
  const { dryRun, confirm } = request;
  const started = await startRun<MovePlan, PreparedMove>(
    {
      prepare: () => prepareMove(kind, sides, request),
      refresh: () => prepareMove(kind, sides, request),
      blocked: (plan) => new MoveBlocked(plan),
      begin,
    },
    { dryRun, confirm },
  );
  const { plan, result } = started;
  const outcome = { kind, plan, result, quadlet: null };
  if (started.result !== 'done') return { ...outcome, run: null, point: null, warnings: [], proof: null };
  const { run, warnings, proof } = started;
  return { ...outcome, run: run.log.run, point: run.target, warnings, proof };
}

async function begin(prepared: PreparedMove, run: string): Promise<BegunRun<MovePlan>> {
  const { source, target, plan, observation, present } = prepared;
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
  const log = await RunLog.begin(
    source,
    { run, kind: plan.kind, target: point.id, safety: safety.id, undoes: plan.undoes },
    { plan },
  );
  const { model, variables, facts } = observation;
  // As it was read just now: to open the point again may take a key.
  const goal = () => Promise.resolve(prepared.goal ?? { point, stored: true, model, variables, facts });
  const progress = { started: false };
  return createMoveRun({ source, target, plan, model, point: point.id, goal, safety, log, progress });
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

/** The run of a move whose journal is begun. */
export function createMoveRun(begun: BegunMove): BegunRun<MovePlan> {
  const { source, plan, point, safety, log } = begun;
  const [here, there] = [engineName(plan.source), engineName(plan.target)];
  return {
    workspace: source,
    plan,
    log,
    safety,
    target: point,
    title: `Moving to ${there}`,
    destination: `on ${there}`,
    returnOnFailure: true,
    abortable: true,
    returnHint: `fix what is named above, then compose-rollback abort; ${here} still has everything`,
    perform: movers(begun),
    prove: () => proveMove(begun),
    planReturn: () => Promise.resolve(planMoveReturn(begun)),
    rescue: () => rescueServices(begun),
  };
}

/**
 * The target against its goal. The data of volumes was compared when it was copied.
 * @throws RollbackError `failed` when the move has to be taken back
 */
async function proveMove({ plan, progress }: BegunMove): Promise<Proof> {
  if (!progress.prove) throw new RollbackError('failed', 'the target was not started, so nothing is proved');
  return { ...(await progress.prove()), volumes: plan.volumes.length };
}

/** Where the target began to start, its data stays there; else it is as it was before. Not cancelled with the run. */
function planMoveReturn(begun: BegunMove): WayBack<MoveReturn> {
  const { plan, progress } = begun;
  const { signal } = new AbortController();
  const [source, target] = [
    { ...begun.source, signal },
    { ...begun.target, signal },
  ];
  const way = planReturn(plan, progress.started);
  for (const { message } of way.risks) source.emit({ type: 'warning', message });
  const perform = movers({ ...begun, source, target });
  return { plan: way, perform, findRemaining: () => Promise.resolve([]) };
}

/** Services that run nowhere are worse than a step that no journal has. */
export async function rescueServices({
  source,
  plan,
  progress,
}: Pick<BegunMove, 'source' | 'plan' | 'progress'>): Promise<string | undefined> {
  if (progress.started) return undefined;
  await startSource({ source, plan });
  return `${engineName(plan.source)} runs the project again`;
}
