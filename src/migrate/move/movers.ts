import type { ComposeModel } from '../../model/compose.js';
import { messageOf, RollbackError } from '../../model/errors.js';
import type { EventSink } from '../../model/events.js';
import type { MoveOperation, MoveOperationOf, MovePlan } from '../../model/move.js';
import type { Point } from '../../model/point.js';
import type { Proof } from '../../model/run.js';
import { chooseCopier, keepReplaced, locateData } from '../../operations/data.js';
import { DONE, execute, performing, type Outcome } from '../../operations/executor.js';
import { performers } from '../../operations/performers.js';
import type { Target } from '../../plan/target.js';
import { projectOf } from '../../points/facts.js';
import type { Sides } from '../../runs/access-both.js';
import type { RunLog } from '../../runs/log.js';
import { prepare } from '../../runs/prepare.js';
import { carryOutReturn } from '../../runs/return.js';
import { planWayBack } from '../../runs/way-back.js';
import { proveRun } from '../../rollback/prove.js';
import { Carrier, carryImage } from './carry.js';
import { START_SCOPE } from './look.js';

/** A move that was begun. */
export interface BegunMove extends Sides {
  plan: MovePlan;
  /** Of the project, as it runs at the source. */
  model: ComposeModel | undefined;
  /** Id of the point that holds what ran at the source. */
  point: string;
  /** What the target starts with. */
  goal: () => Promise<Target>;
  /** What was at the target. */
  safety: Point;
  log: RunLog;
  /** As the journal has it, which may be out of reach when it is needed: the target began to start, so its data may have been written since. */
  progress: {
    started: boolean;
    /** Compares the target with the goal. Undefined until this process has started the target. */
    prove?: () => Promise<Proof>;
  };
}

/** How each operation of a move, and of its way back, is done. Each can be repeated. */
export function movers(move: BegunMove): (operation: MoveOperation) => Promise<Outcome> {
  const { source, target, plan, model, point, safety, log } = move;
  const carrier = new Carrier({ source, target }, log.run, model);
  const volumeOf = (name: string) => {
    const found = plan.volumes.find((volume) => volume.name === name);
    if (!found) throw new RollbackError('damaged', `the plan has no volume ${name}`);
    return found;
  };
  const all: Movers = {
    'carry-image': async ({ image, ref }) => {
      await carryImage({ source, target }, point, image, ref);
      return DONE;
    },
    'carry-volume': async ({ volume }) => {
      await carrier.carry(volumeOf(volume));
      return DONE;
    },
    'hold-source': async ({ containers }) => {
      for (const id of containers) await source.engine.setRestart(id, 'no');
      return DONE;
    },
    'stop-source': async ({ containers }) => {
      await Promise.all(containers.map((id) => source.engine.stop(id)));
      return DONE;
    },
    'sync-volume': async ({ volume }) => {
      await carrier.sync(volumeOf(volume), safety);
      return DONE;
    },
    'release-target': async () => {
      for (const { id, restart } of plan.held) await target.engine.setRestart(id, restart);
      return DONE;
    },
    'start-target': () => {
      move.progress.started = true;
      return startTarget(move);
    },
    'keep-replaced': async ({ volume }) => {
      const { name, services } = volumeOf(volume);
      return await asWarning(`the replaced data of ${name} is not archived and stays beside it`, () =>
        keepReplaced(target, safety.id, { kind: 'volume', name, services }, log.run, { mayBeBack: true }),
      );
    },
    'discard-parked': async ({ volume }) =>
      await asWarning(`a directory of the move is left beside ${volume}`, () => discardParked(move, volume)),
    'unswap-volume': async ({ volume }) => {
      await unswapVolume(move, volume);
      return DONE;
    },
    'start-source': () => startSource(move),
    'return-target': async ({ data }) => {
      await returnTarget(move, data);
      return DONE;
    },
    'hold-target': async ({ containers }) => {
      for (const id of containers) await target.engine.setRestart(id, 'no');
      return DONE;
    },
    'remove-volume': async ({ volume }) =>
      await asWarning(`volume ${volume} stays on the target`, () => target.engine.removeVolume(volume)),
  };
  return (operation) => performOne(all, operation);
}

type Movers = { [K in MoveOperation['kind']]: (operation: MoveOperationOf<K>) => Promise<Outcome> };

function performOne<K extends MoveOperation['kind']>(
  all: Movers,
  operation: MoveOperationOf<K> & { kind: K },
): Promise<Outcome> {
  return all[operation.kind](operation);
}

/** Reports a failed cleanup as a warning, because nothing is lost by it. */
async function asWarning(warning: string, act: () => Promise<unknown>): Promise<Outcome> {
  try {
    await act();
    return DONE;
  } catch (error) {
    return { note: null, warning: `${warning}: ${messageOf(error)}` };
  }
}

/** Events of a plan that one operation carries out: the plan itself belongs to that operation. */
function innerEvents(emit: EventSink): EventSink {
  return (event) => (event.type === 'plan' || event.type === 'phase' ? undefined : emit(event));
}

/** Makes and starts the services as a rollback to the goal would, and verifies them. */
async function startTarget({ target, goal, safety, log, progress }: BegunMove): Promise<Outcome> {
  const emit = innerEvents(target.emit);
  const prepared = await prepare({ ...target, emit }, await goal(), { kind: 'rollback', ...START_SCOPE });
  const { workspace, plan, observation, target: wanted } = prepared;
  if (plan.blockers.length > 0) {
    const details = plan.blockers.map(({ message }) => message);
    throw new RollbackError('blocked', details[0] ?? 'it is blocked', { details });
  }
  await log.beginPart(plan);
  const destination = {
    ...wanted,
    project: projectOf(wanted.point, workspace.project.directory),
    present: observation.model,
    run: log.run,
    safety: safety.id,
    returning: false,
  };
  const { perform, prove } = proveRun(
    { ...prepared, swapped: new Map() },
    START_SCOPE,
    performing(performers(workspace, destination)),
  );
  progress.prove = prove;
  const warnings = await execute({
    operations: plan.operations,
    phase: 'target',
    perform,
    journal: log.journal,
    emit,
    signal: workspace.signal,
  });
  return { note: null, warning: warnings.length > 0 ? warnings.join('; ') : null };
}

/** @throws RollbackError `failed` when the target is not as its safety point says */
async function returnTarget({ target, safety, log }: BegunMove, data: boolean): Promise<void> {
  const workspace = { ...target, emit: innerEvents(target.emit) };
  const scope = { ...START_SCOPE, volumes: data };
  const way = await planWayBack(workspace, { run: log.run, safety: safety.id, scope });
  await log.beginPart(way.plan);
  await carryOutReturn({ workspace, log }, way, 'target');
}

/** Where the data of a volume is copied by us, on this machine. */
async function hostPlace({ target }: BegunMove, name: string) {
  const place = await locateData(target, { kind: 'volume', name });
  const copier = place && (await chooseCopier(target, place));
  return place && copier?.driver === 'host' ? { place, host: copier.copier } : undefined;
}

async function discardParked(move: BegunMove, volume: string): Promise<void> {
  const found = await hostPlace(move, volume);
  await found?.host.discard(found.place, move.log.run, 'parked');
}

/** Nothing has used the copy that stands in the place of the volume. */
async function unswapVolume(move: BegunMove, volume: string): Promise<void> {
  const { run } = move.log;
  const found = await hostPlace(move, volume);
  const left = (await found?.host.leftovers(found.place)) ?? [];
  const isParked = left.some((one) => one.run === run && one.what === 'parked');
  if (found && isParked) await found.host.unswap(found.place, run);
}

/** @throws RollbackError `failed` when a container of the source does not run again */
export async function startSource({ source, plan }: Pick<BegunMove, 'source' | 'plan'>): Promise<Outcome> {
  for (const { id, restart } of plan.policies) await source.engine.setRestart(id, restart);
  for (const { id } of plan.running) await source.engine.start(id);
  const states = await Promise.all(plan.running.map(({ id }) => source.engine.container(id)));
  const up = (state: string | undefined) => state === 'running' || state === 'restarting';
  const down = plan.running.filter((_, index) => !up(states[index]?.state));
  if (down.length === 0) return DONE;
  const names = [...new Set(down.map(({ service }) => service))].join(', ');
  throw new RollbackError('failed', `${names} do not run at the source again`);
}
