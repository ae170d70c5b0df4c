import type { ComposeModel } from '../model/compose.js';
import { messageOf, RollbackError } from '../model/errors.js';
import type { MoveOperation, MoveOperationOf, MovePlan } from '../model/move.js';
import type { Point } from '../model/point.js';
import { projectOf } from '../points/facts.js';
import { openTarget } from '../points/find.js';
import type { RunLog } from '../rollback/run-log.js';
import { prepare } from '../rollback/prepare.js';
import { chooseCopier, keepReplaced, locateData } from '../run/data.js';
import { DONE, execute, performing, type Outcome } from '../run/executor.js';
import { performers } from '../run/performers.js';
import { Carrier, carryImage } from './carry.js';
import type { Sides } from './look.js';

/** A move that was begun. */
export interface Undertaking extends Sides {
  plan: MovePlan;
  /** Of the project, as it runs at the source. */
  model: ComposeModel | undefined;
  /** What ran at the source. */
  point: Point;
  /** What was at the target. */
  safety: Point;
  log: RunLog;
  /** Volumes that have taken their place already. */
  synced: ReadonlySet<string>;
}

/** How each operation of a move is done. All of them can be repeated. */
export function movers(undertaking: Undertaking): (operation: MoveOperation) => Promise<Outcome> {
  const { source, target, plan, model, point, safety, log, synced } = undertaking;
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
      if (!synced.has(volume)) await carrier.carry(volumeOf(volume));
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
      if (!synced.has(volume)) await carrier.sync(volumeOf(volume), safety);
      return DONE;
    },
    'release-target': async () => {
      for (const { id, restart } of plan.held) await target.engine.setRestart(id, restart);
      return DONE;
    },
    'start-target': () => startTarget(undertaking),
    'keep-replaced': async ({ volume }) => {
      const { name, services } = volumeOf(volume);
      try {
        const data = { kind: 'volume', name, services } as const;
        await keepReplaced(target, safety.id, data, log.run, { mayBeBack: true });
        return DONE;
      } catch (error) {
        const warning = `the replaced data of ${name} is not archived (${messageOf(error)}); it stays beside it`;
        return { note: null, warning };
      }
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

/** Makes and starts the services from the point, as a rollback to it would, and verifies them. */
async function startTarget({ target, plan: moving, point, safety, log }: Undertaking): Promise<Outcome> {
  // Its plan is a part of this one.
  const { emit } = target;
  const quiet = {
    ...target,
    emit: (event: Parameters<typeof emit>[0]) =>
      event.type === 'plan' || event.type === 'phase' ? undefined : emit(event),
  };
  const options = {
    kind: 'rollback',
    services: undefined,
    configOnly: false,
    volumes: false,
    outside: false,
    git: false,
  } as const;
  const {
    workspace,
    plan,
    observation,
    target: goal,
  } = await prepare(quiet, await openTarget(target.store, moving.goal ?? point.id), options);
  if (plan.blockers.length > 0) {
    const details = plan.blockers.map(({ message }) => message);
    throw new RollbackError('blocked', details[0] ?? 'it is blocked', { details });
  }
  const destination = {
    ...goal,
    project: projectOf(goal.point, workspace.project.directory),
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

/** New volumes were exchanged against nothing. */
export async function tidyTarget({ target, plan, log }: Undertaking): Promise<void> {
  for (const { name } of plan.volumes.filter(({ existing, to }) => !existing && to === 'host')) {
    const place = await locateData(target, { kind: 'volume', name });
    const copier = place && (await chooseCopier(target, place));
    if (place && copier?.driver === 'host') await copier.copier.discard(place, log.run, 'parked');
  }
}

/** What the move made at the target goes, and what ran at the source runs again. Throws `failed` when it does not. */
export async function restoreSource({ source, target, plan }: Undertaking): Promise<void> {
  for (const { name } of plan.volumes.filter(({ existing }) => !existing))
    await target.engine.removeVolume(name);
  for (const { id } of plan.held) await target.engine.setRestart(id, 'no');
  for (const { id, restart } of plan.running) {
    if (source.identity.changesRestart && restart !== 'no') await source.engine.setRestart(id, restart);
    await source.engine.start(id);
  }
  const states = await Promise.all(plan.running.map(({ id }) => source.engine.container(id)));
  const down = plan.running.filter((_, index) => states[index]?.state !== 'running');
  if (down.length === 0) return;
  const names = [...new Set(down.map(({ service }) => service))].join(', ');
  throw new RollbackError('failed', `${names} do not run at the source again`);
}
