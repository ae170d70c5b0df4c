import { isStarted } from '../../engine/discovery.js';
import type { ComposeModel } from '../../model/compose.js';
import type { EngineIdentity } from '../../model/engine.js';
import type { MoveKind, MovePlan } from '../../model/move.js';
import type { Operation } from '../../model/plan.js';
import { scopeOf } from '../../model/scope.js';
import type { Observation } from '../../model/project.js';
import { isUp } from '../../plan/services.js';
import type { Target } from '../../plan/target.js';
import { sortContainers } from '../../project/containers.js';
import { dataSources, type DataSource } from '../../project/data.js';
import { fingerprint } from '../../project/observe.js';
import { isDenied, isMissing } from '../../project/paths.js';
import type { Sides } from '../../runs/access-both.js';
import { findMissingExternal } from '../../runs/findings.js';
import { prepare } from '../../runs/prepare.js';
import { findTakenPorts } from '../../runs/ports.js';
import { fitOfMissing } from '../../runs/volumes.js';
import { chooseCopier, locateData, type Copier } from '../../operations/data.js';
import { observePresent, withLabels, type Workspace } from '../../session/workspace.js';
import { spaceIn } from '../../store/space.js';
import { usageOf } from '../usage.js';
import type { VolumeAccess, MoveFacts, VolumeFacts } from './facts.js';
import { lastMove } from './last.js';
import { planMove } from './plan.js';

/** A plan and what it was made from. */
export interface PreparedMove extends Sides {
  plan: MovePlan;
  fingerprint: string;
  observation: Observation;
  present: Observation;
  /** Whose files and images the target starts with; what runs at the source when absent. */
  goal: Target | undefined;
}

/** How far the start of the target reaches: its data is there already. */
export const START_SCOPE = scopeOf({ volumes: false });

export interface Destination {
  /** Whose files and images the target starts with; what runs at the source when absent. */
  goal?: Target | undefined;
  /** Does the data go over? Else the target starts with what it has; true when absent. */
  data?: boolean | undefined;
  /** The move that this one takes back. */
  undoes?: string | undefined;
}

/** Looks at both sides and plans. Changes nothing. */
export async function prepareMove(
  kind: MoveKind,
  sides: Sides,
  { goal, data = true, undoes }: Destination = {},
): Promise<PreparedMove> {
  sides.source.emit({ type: 'phase', phase: 'observe', message: 'Looking at what runs, and where it goes' });
  const [observation, present] = await Promise.all([
    observePresent(sides.source),
    observePresent(sides.target),
  ]);
  const [source, target] = await Promise.all([
    withLabels(sides.source, observation.model),
    withLabels(sides.target, observation.model),
  ]);
  const plan = planMove({
    kind,
    source: observation,
    target: present,
    goal,
    data,
    undoes: undoes ?? null,
    names: builtNames(target, observation.model),
    hosts: { source: hostOf(source), target: hostOf(target) },
    held: await findHeldContainers(target, present),
    ...(goal ? await lookAtGoal(goal, target) : { obstacles: [], files: [] }),
    ...(await lookAt({ source, target }, observation, { goal, data })),
  });
  source.emit({ type: 'move-plan', plan });
  const fingerprints = `${fingerprint(observation)} ${fingerprint(present)}`;
  return { source, target, plan, fingerprint: fingerprints, observation, present, goal };
}

/** What the provider there calls the images of services that are only built. */
function builtNames({ project, provider }: Workspace, model: ComposeModel | undefined): MoveFacts['names'] {
  const built = Object.entries(model?.services ?? {}).filter(([, { image }]) => image === undefined);
  return Object.fromEntries(
    built.map(([service]) => [service, provider.defaultImage(project.name, service, model)]),
  );
}

async function lookAt(
  sides: Sides,
  observation: Observation,
  { goal, data }: { goal: Target | undefined; data: boolean },
) {
  const { source, target } = sides;
  const model = goal?.model ?? observation.model;
  // Data that goes over is that of what runs; data that does not is that of what will run.
  const stays = goal && !data;
  const { sources, skipped } = await dataSources(stays ? observationOfGoal(goal, observation) : observation, {
    services: undefined,
    backupDir: source.store.path,
    listed: source.config.data_directories,
  });
  const concerned = stays ? sources.filter(({ kind }) => kind === 'volume') : volumesIn(sources, observation);
  const usage = data ? await usageOf(source, concerned) : {};
  const [volumes, directories, findings, storage] = await Promise.all([
    Promise.all(concerned.map((one) => lookAtVolume(sides, one, usage[one.name] ?? 0))),
    strangeDirectories(
      target,
      sources.filter(({ kind }) => kind === 'bind'),
    ),
    lookAtNeeds(target, model),
    storageOf(target.identity),
  ]);
  const shared = sources.filter(({ kind }) => kind === 'bind').map(({ name }) => name);
  return { volumes, directories, findings, storage, shared, left: skipped };
}

/** What runs at the goal, by its files. */
function observationOfGoal({ point, model }: Target, observation: Observation): Observation {
  const running = Object.keys(point.containers).filter((name) => (point.containers[name]?.running ?? 0) > 0);
  return {
    ...observation,
    model,
    services: Object.fromEntries(
      running.map((name) => [name, { name, containers: [], filesHash: undefined, matchesFiles: false }]),
    ),
  };
}

/** All that a rollback to the goal would be blocked by, but for ports that the source still holds, and the files it would change. */
async function lookAtGoal(goal: Target, target: Workspace): Promise<Pick<MoveFacts, 'obstacles' | 'files'>> {
  const { plan } = await prepare({ ...target, emit: () => undefined }, goal, {
    kind: 'rollback',
    ...START_SCOPE,
  });
  return {
    obstacles: plan.blockers.filter(({ code }) => code !== 'port-taken' && code !== 'external-missing'),
    files: plan.operations.flatMap((operation) => (isOfFile(operation) ? [operation.path] : [])),
  };
}

const isOfFile = (operation: Operation) =>
  operation.kind === 'restore-file' || operation.kind === 'restore-link' || operation.kind === 'remove-file';

const hostOf = ({ endpoint }: Workspace) => (isStarted(endpoint) ? null : endpoint.host);

/** What an earlier move left at the engine where it now goes to, without its restart policies. */
async function findHeldContainers(
  { store, project }: Workspace,
  present: Observation,
): Promise<MovePlan['held']> {
  const last = await lastMove(store, project.name);
  if (last?.plan.source.id !== present.engine.id) return [];
  const containers = Object.values(present.services).flatMap((service) => service.containers);
  return last.plan.policies.filter(({ id, restart }) =>
    containers.some((container) => container.id === id && container.restart !== restart),
  );
}

async function lookAtNeeds(
  target: Workspace,
  model: ComposeModel | undefined,
): Promise<MoveFacts['findings']> {
  const [takenPorts, missingExternal] = await Promise.all([
    findTakenPorts(target, model),
    findMissingExternal(target, model),
  ]);
  return { takenPorts, missingExternal };
}

async function lookAtVolume(
  { source, target }: Sides,
  data: DataSource,
  bytes: number,
): Promise<VolumeFacts> {
  const { name, services } = data;
  const [from, to] = await Promise.all([locateData(source, data), locateData(target, data)]);
  const users = await Promise.all([otherUsersOf(source, name), otherUsersOf(target, name)]);
  const reader = from && (await chooseCopier(source, from));
  return {
    name,
    services,
    existing: to !== undefined,
    from: reader ? accessOf(reader) : { driver: null, problem: 'there is no such volume' },
    to: to ? accessOf(await chooseCopier(target, to)) : await fitOfMissing(target),
    users: users.flat(),
    bytes,
  };
}

/** Of this machine, and where we may look. */
async function storageOf({
  local,
  storageDirectory: directory,
}: EngineIdentity): Promise<MoveFacts['storage']> {
  if (!local) return null;
  try {
    return { directory, free: await spaceIn(directory) };
  } catch (error) {
    if (isDenied(error) || isMissing(error)) return null;
    throw error;
  }
}

function accessOf(copier: Copier): VolumeAccess {
  return { driver: copier.driver, problem: copier.driver === null ? copier.problem : null };
}

/** A service that was never started has no data yet. */
function volumesIn(sources: DataSource[], { services }: Observation): DataSource[] {
  const mounts = Object.values(services).flatMap(({ containers }) => containers.flatMap((one) => one.mounts));
  const mounted = new Set(mounts.map(({ name }) => name));
  return sources.filter(({ kind, name }) => kind === 'volume' && mounted.has(name));
}

/** Containers that run with a volume and do not stop with the services: what `compose run` started goes on. */
async function otherUsersOf({ engine, project }: Workspace, volume: string): Promise<string[]> {
  const containers = await engine.containers();
  const own = new Set((await sortContainers(project, containers)).replicas.map(({ id }) => id));
  return containers
    .filter((container) => isUp(container) && !own.has(container.id))
    .filter(({ mounts }) => mounts.some(({ type, name }) => type === 'volume' && name === volume))
    .map(({ name }) => name);
}

/** Directories stay where they are. Without root, their owners may be nobody that the containers know. */
async function strangeDirectories(
  target: Workspace,
  sources: DataSource[],
): Promise<MoveFacts['directories']> {
  if (!target.identity.rootless) return [];
  const found = await Promise.all(
    sources.map(async (data) => {
      const place = await locateData(target, data);
      const copier = place && (await chooseCopier(target, place));
      const { name, services } = data;
      return copier?.driver === null ? [{ name, services, problem: copier.problem }] : [];
    }),
  );
  return found.flat();
}
