import type { Engine } from '../engine/engine.js';
import type { Container } from '../model/engine.js';
import { standingOf, type Origin, type Stranger } from '../model/ownership.js';
import type { Project } from '../model/project.js';
import { labelledPlaceOf, relocatedPath } from './labels.js';
import { look } from './paths.js';
import { holdsSomething, isNamedThere, whereIs } from './places.js';

/** The containers of a project, told from others that carry its name. */
export interface ProjectContainers {
  /** Of its services. */
  replicas: Container[];
  /** Made by `compose run` or for a hook. */
  oneOffs: Container[];
  /** Left behind by a compose that was killed, see `isHalfMade`. */
  halfMade: Container[];
  /** They carry the project's name and are not its own. */
  strangers: Stranger[];
}

export type ProjectIdentity = Pick<Project, 'name' | 'alias' | 'nameOrigin' | 'directory'>;

/** Asks the engine for the containers of a project. */
export async function readContainers(engine: Engine, project: ProjectIdentity): Promise<ProjectContainers> {
  return sortContainers(project, await containersNamed(engine, project));
}

/** All that belong to the project, of whatever kind. */
export function allOwn({ replicas, oneOffs, halfMade }: ProjectContainers): Container[] {
  return [...replicas, ...oneOffs, ...halfMade];
}

/** All containers that carry the project's name, strangers included. */
export async function containersNamed(
  engine: Engine,
  { name, alias }: Pick<Project, 'name' | 'alias'>,
): Promise<Container[]> {
  const names = alias === undefined ? [name] : [name, alias];
  return (await Promise.all(names.map((project) => engine.containers({ project })))).flat();
}

/** @param containers any; those of other projects are left out */
export async function sortContainers(
  project: ProjectIdentity,
  containers: readonly Container[],
): Promise<ProjectContainers> {
  const { name, alias, nameOrigin = 'folder' } = project;
  const claim = { name, alias, isNamed: nameOrigin !== 'folder' };
  const named = containers.filter((one) => one.project === name || one.project === (alias ?? name));
  const origins = new Map<string, Promise<Origin>>();
  const sorted: ProjectContainers = { replicas: [], oneOffs: [], halfMade: [], strangers: [] };
  for (const container of named) {
    const origin = await originOf(container, project, origins);
    const standing = standingOf(container, claim, origin, named);
    const own = async () => (origin.place === 'gone' ? withMountsHere(container, project) : container);
    if (standing === 'replica') sorted.replicas.push(await own());
    else if (standing === 'one-off') sorted.oneOffs.push(await own());
    else if (standing === 'half-made') sorted.halfMade.push(await own());
    else if (standing !== 'unrelated')
      sorted.strangers.push({ container, standing, directory: labelledPlaceOf(container)?.directory });
  }
  return { ...sorted, replicas: presentReplicas(sorted.replicas, alias) };
}

/** A service that runs under the other name is what is there of it; what is left under the first one is replaced by it. */
function presentReplicas(replicas: Container[], alias: string | undefined): Container[] {
  const renamed = new Set(replicas.filter(({ project }) => project === alias).map(({ service }) => service));
  return replicas.filter(({ project, service }) => project === alias || !renamed.has(service));
}

/** A container without that label was made by a provider that does not write it: nothing speaks against it. */
async function originOf(
  container: Container,
  { directory }: ProjectIdentity,
  known: Map<string, Promise<Origin>>,
): Promise<Origin> {
  const place = labelledPlaceOf(container);
  if (!place) return { place: 'gone', isNamed: false };
  const key = JSON.stringify([container.project, place]);
  const found =
    known.get(key) ??
    (async () => {
      const where = await whereIs(place.directory, place.files, directory);
      const isNamed = where === 'elsewhere' && (await isNamedThere(container.project ?? '', place));
      return { place: where, isNamed };
    })();
  known.set(key, found);
  return found;
}

/**
 * A container keeps what it mounts when its folder is moved, and its description goes on naming the old paths. Its mounts are told by the paths where
 * they are now; that it cannot be started again is told by `movedFrom`.
 */
async function withMountsHere(container: Container, { directory }: ProjectIdentity): Promise<Container> {
  const from = labelledPlaceOf(container)?.directory;
  if (from === undefined) return container;
  const mounts = await Promise.all(
    container.mounts.map(async (mount) => {
      const source = mount.type === 'bind' ? relocatedPath(mount.source, from, directory) : undefined;
      if (source === undefined || !(await look(source)) || (await holdsSomething(mount.source))) return mount;
      return { ...mount, source };
    }),
  );
  const moved = new Map<string, string>(
    mounts.flatMap((mount, index) =>
      mount === container.mounts[index] ? [] : [[`mount.${mount.target}`, mount.source] as const],
    ),
  );
  if (moved.size === 0) return container;
  const settings = Object.entries(container.settings).map(([key, value]) => {
    const source = moved.get(key);
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    return [key, source !== undefined && isMap ? { ...value, source } : value] as const;
  });
  return { ...container, mounts, settings: Object.fromEntries(settings), movedFrom: from };
}
