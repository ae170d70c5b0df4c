import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Engine } from '../engine/engine.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import type { Project, ProjectSelection } from '../model/project.js';
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
import { isMissing } from './paths.js';
import { isRecord, parseYaml, readText } from './yaml.js';

/** What the running containers know of their project and the files no longer tell, or never told from here. */

const WORKING_DIR = 'com.docker.compose.project.working_dir';
const CONFIG_FILES = 'com.docker.compose.project.config_files';
const ENV_FILES = 'com.docker.compose.project.environment_file';

/**
 * The project meant and its containers (one-off ones included), from files and engine together: finds it also when the compose file is gone
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
  if (!one || !(await sameDirectory(one.labels[WORKING_DIR] ?? '', located.directory))) return undefined;
  return { project: { ...located, name }, containers: theirs };
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
 * project named with -p, `-f` files that are not given again, a name that only the containers still know.
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
  const labelled = newest && (await readLabels(newest));
  if (name === undefined || labelled === undefined) {
    if (located) return located;
    throw notFound(selection.projectDirectory ?? selection.cwd);
  }
  if (located?.origin === 'told') return { ...located, name };
  if (located && !(await sameDirectory(located.directory, labelled.directory))) {
    const elsewhere = givenName(selection) !== undefined && (await someExist(labelled.files));
    if (!elsewhere) return { ...located, name };
  } else if (located && labelled.origin === 'default') {
    return { ...spelledAs(labelled.directory, located), name };
  }
  const envFiles = located?.envFiles.length ? located.envFiles : labelled.envFiles;
  return {
    name,
    directory: labelled.directory,
    files: labelled.files,
    origin: labelled.origin,
    profiles: await profilesThere(selection, labelled.directory, envFiles),
    envFiles,
  };
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
  const candidates = containers.filter((container) => container.project !== undefined && !container.oneOff);
  const name = located?.name ?? givenName(selection);
  const named = candidates.filter((container) => container.project === name);
  if (named.length > 0 || !(await mayHaveOtherName(located, selection))) return named;
  const directory = located?.directory ?? (await startOf(selection));
  const there = await Promise.all(
    candidates.map(async ({ labels }) => sameDirectory(directory, labels[WORKING_DIR] ?? '')),
  );
  const here = candidates.filter((_, index) => there[index]);
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

type Labelled = Pick<Project, 'directory' | 'files' | 'envFiles'> & { origin: 'default' | 'labels' };

async function readLabels({ labels }: Container): Promise<Labelled | undefined> {
  const directory = labels[WORKING_DIR];
  if (directory === undefined || directory === '') return undefined;
  const files = pathsOf(labels[CONFIG_FILES], directory);
  const byDefault = await Promise.all(files.map((file) => isDefaultFile(file, directory)));
  return {
    directory,
    files,
    envFiles: pathsOf(labels[ENV_FILES], directory).filter((file) => file !== join(directory, '.env')),
    origin: byDefault.every(Boolean) ? 'default' : 'labels',
  };
}

/** Compose v1 writes them relative to the working directory, v2 absolute. */
function pathsOf(label: string | undefined, directory: string): string[] {
  const names = (label ?? '').split(',').filter((name) => name !== '');
  return names.map((name) => resolve(directory, name));
}

/** A file that compose loads by itself: that it was loaded does not say that it was named. */
async function isDefaultFile(file: string, directory: string): Promise<boolean> {
  return (
    [...DEFAULT_FILES, ...DEFAULT_OVERRIDES].includes(basename(file)) &&
    (await sameDirectory(dirname(file), directory))
  );
}

async function profilesThere(
  selection: ProjectSelection,
  directory: string,
  envFiles: string[],
): Promise<string[]> {
  const files = envFiles.length > 0 ? envFiles : [join(directory, '.env')];
  return profilesOf(selection, await environmentOf(selection, files));
}

async function startOf(selection: ProjectSelection): Promise<string> {
  const cwd = await logicalDirectory(selection);
  return selection.projectDirectory === undefined ? cwd : resolve(cwd, selection.projectDirectory);
}

/** Whether any of these files can be read. */
export async function someExist(files: string[]): Promise<boolean> {
  const texts = await Promise.all(files.map((file) => readText(file)));
  return texts.some((text) => text !== undefined);
}

async function sameDirectory(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  if (one === '' || other === '') return false;
  const [first, second] = await Promise.all([realOrSelf(one), realOrSelf(other)]);
  return first === second;
}

async function realOrSelf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isMissing(error)) return path;
    throw error;
  }
}
