import type { ComposeModel } from '../../model/compose.js';
import { messageOf, RollbackError } from '../../model/errors.js';
import type { EventSink } from '../../model/events.js';
import type { MoveOperation, MoveOperationOf, MovePlan } from '../../model/move.js';
import type { Point } from '../../model/point.js';
import { projectOf } from '../../points/facts.js';
import type { Target } from '../../plan/target.js';
import type { RunLog } from '../../rollback/run-log.js';
import { prepare } from '../../rollback/prepare.js';
import { chooseCopier, keepReplaced, locateData } from '../../run/data.js';
import { DONE, execute, performing, type Outcome } from '../../run/executor.js';
import { performers } from '../../run/performers.js';
import { Carrier, carryImage } from './carry.js';
import { engineName } from './facts.js';
import { START, type Sides } from './look.js';

type Volume = MovePlan['volumes'][number];

/** A move that was begun. */
export interface Undertaking extends Sides {
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
  /** Did the target begin to start? Then what is there may have been written since. */
  progress: { started: boolean };
}

/** How each operation of a move is done. All of them can be repeated. */
export function movers(undertaking: Undertaking): (operation: MoveOperation) => Promise<Outcome> {
  const { source, target, plan, model, point, safety, log } = undertaking;
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
    'start-target': () => startTarget(undertaking),
    'keep-replaced': async ({ volume }) => {
      const warning = await keepParked(undertaking, volumeOf(volume));
      return { note: null, warning };
    },
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

/** Makes and starts the services as a rollback to the goal would, and verifies them. */
async function startTarget({ target, goal, progress, safety, log }: Undertaking): Promise<Outcome> {
  progress.started = true;
  const { emit } = target;
  // Its plan is a part of this one.
  const inner: EventSink = (event) =>
    event.type === 'plan' || event.type === 'phase' ? undefined : emit(event);
  const {
    workspace,
    plan,
    observation,
    target: wanted,
  } = await prepare({ ...target, emit: inner }, await goal(), START);
  if (plan.blockers.length > 0) {
    const details = plan.blockers.map(({ message }) => message);
    throw new RollbackError('blocked', details[0] ?? 'it is blocked', { details });
  }
  const destination = {
    ...wanted,
    project: projectOf(wanted.point, workspace.project.directory),
    present: observation.model,
    run: log.run,
    safety: safety.id,
    returning: false,
  };
  const warnings = await execute({
    operations: plan.operations,
    phase: 'target',
    perform: performing(performers(workspace, destination)),
    journal: log.journal,
    emit,
    signal: workspace.signal,
  });
  return { note: null, warning: warnings.length > 0 ? warnings.join('; ') : null };
}

/** The data that was at the target goes into the safety point. Returns why it did not, for a person. */
async function keepParked(
  { target, safety, log }: Undertaking,
  { name, services }: Volume,
): Promise<string | null> {
  try {
    const data = { kind: 'volume', name, services } as const;
    await keepReplaced(target, safety.id, data, log.run, { mayBeBack: true });
    return null;
  } catch (error) {
    return `the replaced data of ${name} is not archived (${messageOf(error)}); it stays beside it`;
  }
}

/** New volumes were exchanged against nothing. */
export async function tidyTarget({ target, plan, log }: Undertaking): Promise<void> {
  for (const { name } of plan.volumes.filter(({ existing, to }) => !existing && to === 'host')) {
    const place = await locateData(target, { kind: 'volume', name });
    const copier = place && (await chooseCopier(target, place));
    if (place && copier?.driver === 'host') await copier.copier.discard(place, log.run, 'parked');
  }
}

/** The target's own data takes its place again: what stands there is a copy that nobody has used. */
export async function unswapTarget({ target, plan, log }: Undertaking): Promise<void> {
  for (const { name } of plan.volumes.filter(({ to }) => to === 'host')) {
    const place = await locateData(target, { kind: 'volume', name });
    const copier = place && (await chooseCopier(target, place));
    if (!place || copier?.driver !== 'host') continue;
    const left = await copier.copier.leftovers(place);
    const parked = left.some(({ run, what }) => run === log.run && what === 'parked');
    if (parked) await copier.copier.unswap(place, log.run);
  }
}

/** What the move made at the target before anything started there goes. What cannot go is told, and harms nothing. */
export async function clearTarget({ target, plan }: Undertaking): Promise<void> {
  for (const { name } of plan.volumes.filter(({ existing }) => !existing)) {
    await target.engine.removeVolume(name).catch((error: unknown) => {
      target.emit({ type: 'warning', message: `volume ${name} stays on the target: ${messageOf(error)}` });
    });
  }
}

/** What an earlier move held there is held again. */
export async function holdTarget({ target, plan }: Undertaking): Promise<void> {
  for (const { id } of plan.held) await target.engine.setRestart(id, 'no');
}

/** What was written at the target since it began to start stays there, in its volumes. */
export async function leaveTarget(undertaking: Undertaking): Promise<void> {
  const { target, plan } = undertaking;
  await holdTarget(undertaking);
  for (const volume of plan.volumes.filter(({ existing, to }) => existing && to === 'host')) {
    const warning = await keepParked(undertaking, volume);
    if (warning !== null) target.emit({ type: 'warning', message: warning });
  }
  await tidyTarget(undertaking);
  const names = plan.volumes.map(({ name }) => name);
  if (names.length === 0) return;
  const message = `what was written on ${engineName(plan.target)} since stays there, in ${names.join(', ')}`;
  target.emit({ type: 'warning', message });
}

/** What ran at the source runs there again. Throws `failed` when it does not. */
export async function startSource({ source, plan }: Pick<Undertaking, 'source' | 'plan'>): Promise<void> {
  for (const { id, restart } of plan.policies) await source.engine.setRestart(id, restart);
  for (const { id } of plan.running) await source.engine.start(id);
  const states = await Promise.all(plan.running.map(({ id }) => source.engine.container(id)));
  const up = (state: string | undefined) => state === 'running' || state === 'restarting';
  const down = plan.running.filter((_, index) => !up(states[index]?.state));
  if (down.length === 0) return;
  const names = [...new Set(down.map(({ service }) => service))].join(', ');
  throw new RollbackError('failed', `${names} do not run at the source again`);
}
