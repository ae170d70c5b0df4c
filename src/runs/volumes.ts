import { dirname } from 'node:path';
import type { Container } from '../model/engine.js';
import type { Findings, Plan, VolumeFinding } from '../model/plan.js';
import type { Point, ReplacedData } from '../model/point.js';
import type { Target } from '../plan/target.js';
import { isUp } from '../plan/services.js';
import {
  chooseCopier,
  isDeletedDirectory,
  locateData,
  namespaceOf,
  type Copier,
  type DataName,
} from '../operations/data.js';
import { readAccess } from '../project/access.js';
import { sortContainers } from '../project/containers.js';
import { isInside, realOrSelf } from '../project/paths.js';
import type { Workspace } from '../session/workspace.js';
import { spaceIn } from '../store/space.js';
import type { Place } from '../volumes/driver.js';
import { closedNamespace } from '../volumes/host-fitness.js';

/** A run that another process goes on with. */
export interface Resumed {
  run: string;
  /** Volumes whose data it had exchanged already, by its journal. */
  restored: ReadonlySet<string>;
  /** Connections of others that it had cut, by its journal and its safety point. */
  disconnected: Findings['disconnected'];
}

/** Looks at every volume that the target holds data of, or whose data its run has put aside. */
export async function findVolumes(
  workspace: Workspace,
  { point }: Target,
  resumed: Resumed | undefined,
  everyContainer: Promise<Container[]>,
): Promise<Record<string, VolumeFinding>> {
  const named = new Map<string, DataName>();
  for (const { kind, name } of [...point.volume_data, ...point.replaced]) named.set(name, { kind, name });
  if (named.size === 0) return {};
  const containers = await findUsers(workspace, await everyContainer);
  const found = [...named.values()].map(
    async (data) => [data.name, await findVolume(workspace, point, data, containers, resumed)] as const,
  );
  return Object.fromEntries(await Promise.all(found));
}

async function findVolume(
  workspace: Workspace,
  point: Point,
  data: DataName,
  containers: PossibleUser[],
  resumed: Resumed | undefined,
): Promise<VolumeFinding> {
  const place = await locateData(workspace, data);
  const missing = { aside: false, restored: false, missingBytes: 0 };
  // A volume or directory that is made anew before its data comes back.
  if (!place) return { ...(await fitOfMissing(workspace)), ...missing, users: [] };
  if (await isDeletedDirectory(workspace, place)) {
    return { ...(await fitOfDeleted(place)), ...missing, users: await usersOf(place, containers) };
  }
  const copier = await chooseCopier(workspace, place);
  const recorded = point.volume_data.find(({ name }) => name === data.name);
  const run = resumed?.run ?? point.metadata.run;
  const left = copier.driver === 'host' ? await copier.copier.leftovers(place) : [];
  const has = (what: string) => left.some((one) => one.run === run && one.what === what);
  return {
    driver: copier.driver,
    problem: await problemOf(copier),
    users: await usersOf(place, containers),
    aside: has('parked'),
    // By what lies beside it when the kill came between the exchange and the journal.
    restored: resumed !== undefined && (resumed.restored.has(data.name) || (has('parked') && !has('staged'))),
    missingBytes: recorded && copier.driver === 'host' ? await missingBeside(place, recorded.bytes) : 0,
  };
}

/** A deleted directory is made, and written, by this user. */
async function fitOfDeleted({ path }: Place): Promise<Pick<VolumeFinding, 'driver' | 'problem'>> {
  const access = await readAccess(new Map([[path, path]]));
  const reason = access.refused[path];
  return { driver: 'host', problem: reason === undefined ? null : `it is gone, and ${reason}` };
}

/** What will copy into a volume that is not there yet: directly, where that is how volumes are reached here. */
export async function fitOfMissing({
  identity,
}: Workspace): Promise<Pick<VolumeFinding, 'driver' | 'problem'>> {
  const root = !identity.rootless && process.geteuid?.() === 0;
  const { through } = namespaceOf(identity);
  const problem = await closedNamespace(through);
  if (problem !== undefined) return { driver: null, problem };
  if (identity.local && (root || through !== undefined)) return { driver: 'host', problem: null };
  if (identity.kind === 'docker') return { driver: 'api', problem: null };
  return { driver: null, problem: "Podman's data is copied where it lies, by its own user" };
}

async function problemOf(copier: Copier): Promise<string | null> {
  if (copier.driver === null) return copier.problem;
  return copier.driver === 'api' ? ((await copier.copier.emptiable()) ?? null) : null;
}

interface PossibleUser {
  container: Container;
  /** It is a replica of the project, and gives way. */
  isOwn: boolean;
  /** What it mounts of the host, as it names it and where links lead now. */
  paths: string[];
}

async function findUsers({ project, identity }: Workspace, all: Container[]): Promise<PossibleUser[]> {
  const { replicas } = await sortContainers(project, all);
  const own = new Map(replicas.map((container) => [container.id, container]));
  return await Promise.all(
    all.map(async (listed) => {
      const container = own.get(listed.id) ?? listed;
      const sources = container.mounts.flatMap(({ type, source }) => (type === 'bind' ? [source] : []));
      const real = identity.local ? await Promise.all(sources.map(realOrSelf)) : [];
      return { container, isOwn: own.has(listed.id), paths: [...new Set([...sources, ...real])] };
    }),
  );
}

/** Running containers that have the place mounted, or something inside it, or what holds it. */
async function usersOf(place: Place, containers: PossibleUser[]): Promise<VolumeFinding['users']> {
  const places = [place.path, await realOrSelf(place.path)];
  const overlaps = (source: string) =>
    places.some((path) => isInside(source, path) || isInside(path, source));
  return containers
    .filter(({ container }) => isUp(container))
    .filter(
      ({ container, paths }) =>
        paths.some(overlaps) ||
        container.mounts.some(
          ({ type, name }) => type === 'volume' && place.kind === 'volume' && name === place.name,
        ),
    )
    .map(({ container: { id, name, project, service }, isOwn }) => ({
      id,
      name,
      project,
      service: isOwn ? service : undefined,
    }));
}

async function missingBeside({ path }: Place, bytes: number): Promise<number> {
  return Math.max(0, bytes - (await spaceIn(dirname(path))));
}

/** What a plan replaces, for its safety point: where the present data will lie until it is archived. */
export async function replacedBy(
  workspace: Workspace,
  plan: Plan,
  { point }: Target,
): Promise<ReplacedData[]> {
  const replaced: ReplacedData[] = [];
  for (const operation of plan.operations) {
    if (operation.kind !== 'restore-volume' || operation.driver !== 'host') continue;
    const data = [...point.volume_data, ...point.replaced].find(({ name }) => name === operation.volume);
    if (!data) continue;
    const { kind, name, services } = data;
    replaced.push({ kind, name, services, path: (await locateData(workspace, data))?.path ?? '' });
  }
  return replaced;
}

/** Takes away what a run staged and never used. */
export async function discardStaged(workspace: Workspace, { replaced, metadata }: Point): Promise<void> {
  for (const data of replaced) {
    const place = await locateData(workspace, data);
    const copier = place && (await chooseCopier(workspace, place));
    if (place && copier?.driver === 'host' && metadata.run !== null) {
      for (const what of ['unpacking', 'staged'] as const)
        await copier.copier.discard(place, metadata.run, what);
    }
  }
}
