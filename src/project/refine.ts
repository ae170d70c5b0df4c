import { basename, dirname, join, resolve } from 'node:path';
import type { Engine } from '../engine/engine.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Project, ProjectSelection } from '../model/project.js';
import { sortContainers } from './containers.js';
import { labelledPlaceOf, relocated, type LabelledPlace } from './labels.js';
import {
  DEFAULT_FILES,
  DEFAULT_OVERRIDES,
  environmentOf,
  givenName,
  locateProject,
  logicalDirectory,
  nameOfDirectory,
  notFound,
  profilesOf,
} from './locate.js';
import { existingFiles, isSameDirectory, whereIs } from './places.js';
import { isRecord, parseYaml, readText } from './yaml.js';

/** What the running containers know of their project and the files no longer tell, or never told from here. */

/**
 * The project meant and all containers that carry its name, from files and engine together: finds it also when the compose file is gone
 * or broken. `located` spares a second search. Throws `project-not-found` when neither files nor containers tell.
 */
export async function findProject(
  selection: ProjectSelection,
  engine: Engine,
  located?: Project,
): Promise<{ project: Project; containers: Container[] }> {
  const byFiles = located ?? (await locateIfAny(selection));
  const name = byFiles?.name ?? givenName(selection);
  let containers = name === undefined ? [] : await engine.containers({ project: name });
  const byFolder = containers.length === 0 && byFiles && (await namedByFolder(selection, engine, byFiles));
  if (byFolder) return byFolder;
  if (containers.length === 0 && (await mayHaveOtherName(byFiles, selection))) {
    containers = await engine.containers();
  }
  const project = await refineProject(byFiles, selection, containers);
  return { project, containers: containers.filter((container) => container.project === project.name) };
}

/** podman-compose 1.0.3 does not read `name:`, and calls the project by its folder. */
async function namedByFolder(
  selection: ProjectSelection,
  engine: Engine,
  located: Project,
): Promise<{ project: Project; containers: Container[] } | undefined> {
  const name = nameOfDirectory(located.directory);
  if (name === located.name || givenName(selection) !== undefined) return undefined;
  const found = await engine.containers({ project: name });
  const theirs = found.filter(({ labels }) => 'io.podman.compose.project' in labels);
  const [one] = theirs;
  const directory = one && labelledPlaceOf(one)?.directory;
  if (directory === undefined || !(await isSameDirectory(directory, located.directory))) return undefined;
  return { project: { ...located, name, nameOrigin: 'folder' }, containers: theirs };
}

/** `locateProject`, with undefined for "no compose file". */
export async function locateIfAny(selection: ProjectSelection): Promise<Project | undefined> {
  try {
    return await locateProject(selection);
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'project-not-found') return undefined;
    throw error;
  }
}

/**
 * What files and flags told, corrected by the labels of `containers` (any projects' containers may be among them): files elsewhere of a
 * project named with -p, `-f` and `--env-file` that are not given again, a name that only the containers still know.
 * Profiles are not deduced here: that takes the model (`observe` does it).
 */
export async function refineProject(
  located: Project | undefined,
  selection: ProjectSelection,
  containers: Container[],
): Promise<Project> {
  const own = await ownContainers(located, selection, containers);
  const newest = own.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))[0];
  const name = newest?.project;
  const labelled = newest && labelledPlaceOf(newest);
  if (name === undefined || labelled === undefined) {
    if (located) return located;
    throw notFound(selection.projectDirectory ?? selection.cwd);
  }
  if (!located) return projectOfLabels(selection, name, labelled);
  const nameOrigin = name === located.name ? located.nameOrigin : originOfName(selection, name, labelled);
  const renamed: Project = { ...located, name, ...(nameOrigin && { nameOrigin }) };
  const place = await whereIs(labelled.directory, labelled.files, located.directory);
  if (place === 'elsewhere') {
    const follows = located.origin !== 'told' && givenName(selection) !== undefined;
    return follows && (await existingFiles(labelled.files)).length > 0
      ? projectOfLabels(selection, name, labelled)
      : renamed;
  }
  return withSettingsOf(selection, renamed, place === 'here' ? labelled : await movedTo(located, labelled));
}

/** What was named when the folder was elsewhere, as far as it is here now. */
async function movedTo({ directory }: Project, labelled: LabelledPlace): Promise<LabelledPlace> {
  const moved = relocated(labelled, directory);
  const isComplete = (await existingFiles(moved.files)).length === moved.files.length;
  return isComplete ? moved : { ...moved, files: [] };
}

/** With the files that the containers were started with, where nobody names any. Files that are gone since name none. */
async function withSettingsOf(
  selection: ProjectSelection,
  located: Project,
  labelled: LabelledPlace,
): Promise<Project> {
  const envFiles = located.envFiles.length > 0 ? located.envFiles : await existingFiles(labelled.envFiles);
  if (located.origin === 'told') return { ...located, envFiles };
  if (await hasDefaultFiles(labelled)) return { ...spelledAs(labelled.directory, located), envFiles };
  return {
    ...located,
    directory: labelled.directory,
    files: labelled.files,
    origin: 'labels',
    profiles: await profilesThere(selection, labelled.directory, envFiles),
    envFiles,
  };
}

/** A project that only its containers tell of. */
async function projectOfLabels(
  selection: ProjectSelection,
  name: string,
  labelled: LabelledPlace,
): Promise<Project> {
  const envFiles = await existingFiles(labelled.envFiles);
  return {
    name,
    nameOrigin: originOfName(selection, name, labelled),
    directory: labelled.directory,
    files: labelled.files,
    origin: (await hasDefaultFiles(labelled)) ? 'default' : 'labels',
    profiles: await profilesThere(selection, labelled.directory, envFiles),
    envFiles,
  };
}

function originOfName(selection: ProjectSelection, name: string, { directory }: LabelledPlace) {
  if (givenName(selection) !== undefined) return 'given' as const;
  return name === nameOfDirectory(directory) ? ('folder' as const) : ('given' as const);
}

/** Files that compose loads by itself: that they were loaded does not say that they were named. */
async function hasDefaultFiles({ directory, files }: LabelledPlace): Promise<boolean> {
  const names = [...DEFAULT_FILES, ...DEFAULT_OVERRIDES];
  const found = files.map(
    async (file) => names.includes(basename(file)) && (await isSameDirectory(dirname(file), directory)),
  );
  return (await Promise.all(found)).every(Boolean);
}

/** The same folder by the path that the containers were started from: compose hashes the paths of what it mounts. */
function spelledAs(directory: string, located: Project): Project {
  const files = located.files.map((file) =>
    dirname(file) === located.directory ? join(directory, basename(file)) : file,
  );
  return { ...located, directory, files };
}

/** Containers of the project; when its name is in doubt, those that were started from its directory. */
async function ownContainers(
  located: Project | undefined,
  selection: ProjectSelection,
  containers: Container[],
): Promise<Container[]> {
  const candidates = containers.filter((one) => one.project !== undefined && isMadeReplica(one));
  const name = located?.name ?? givenName(selection);
  const named = candidates.filter((container) => container.project === name);
  if (named.length > 0 || !(await mayHaveOtherName(located, selection))) {
    return located && givenName(selection) === undefined
      ? (await sortContainers(located, named)).replicas
      : oneFolderOf(named, located);
  }
  const directory = located?.directory ?? (await startDirectory(selection));
  const here = await startedFrom(directory, candidates);
  const names = [...new Set(here.map((container) => container.project))];
  if (names.length > 1) {
    throw new RollbackError(
      'project-not-found',
      `several projects run from ${directory}: ${names.join(', ')}`,
      {
        hint: 'say which one with -p NAME',
      },
    );
  }
  return here;
}

/** By its labels alone, for when nobody knows yet which project is meant. */
export const isMadeReplica = ({ configHash, oneOff }: Container): boolean =>
  configHash !== undefined && !oneOff;

/** Those that were started from a directory, whatever their project is called. */
export async function startedFrom(directory: string, containers: Container[]): Promise<Container[]> {
  const there = await Promise.all(
    containers.map(async (container) => {
      const place = labelledPlaceOf(container);
      return place !== undefined && (await isSameDirectory(directory, place.directory));
    }),
  );
  return containers.filter((_, index) => there[index]);
}

/** Throws `project-not-found` when the name alone means the projects of several folders, and nothing says which. */
async function oneFolderOf(named: Container[], located: Project | undefined): Promise<Container[]> {
  const folders: string[] = [];
  for (const container of located ? [] : named) {
    const place = labelledPlaceOf(container);
    if (!place || container.project !== nameOfDirectory(place.directory)) continue;
    const known = await Promise.all(folders.map((folder) => isSameDirectory(folder, place.directory)));
    const there = await existingFiles(place.files);
    if (!known.includes(true) && there.length > 0) folders.push(place.directory);
  }
  if (folders.length <= 1) return named;
  throw new RollbackError(
    'project-not-found',
    `several projects are called ${quoted(named[0]?.project ?? '')}: they run from ${folders.join(', ')}`,
    { hint: 'go to the folder of the one that is meant, or name it with --project-directory DIR' },
  );
}

/** True when the name is no more than the folder's, because the files that may say otherwise are gone or broken. */
export async function mayHaveOtherName(
  located: Project | undefined,
  selection: ProjectSelection,
): Promise<boolean> {
  if (givenName(selection) !== undefined) return false;
  if (located === undefined) return true;
  if (located.name !== nameOfDirectory(located.directory)) return false;
  const broken = await Promise.all(
    located.files.map(async (file) => {
      const text = await readText(file);
      if (text === undefined) return true;
      const { documents, error } = await parseYaml(text);
      return error !== undefined || !documents.some(isRecord);
    }),
  );
  return broken.includes(true);
}

async function profilesThere(
  selection: ProjectSelection,
  directory: string,
  envFiles: string[],
): Promise<string[]> {
  const files = envFiles.length > 0 ? envFiles : [join(directory, '.env')];
  return profilesOf(selection, await environmentOf(selection, files));
}

async function startDirectory(selection: ProjectSelection): Promise<string> {
  const cwd = await logicalDirectory(selection);
  return selection.projectDirectory === undefined ? cwd : resolve(cwd, selection.projectDirectory);
}
