import { stat } from 'node:fs/promises';
import type { Engine } from '../engine/engine.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Project, ProjectSelection } from '../model/project.js';
import { containersNamed, sortContainers } from '../project/containers.js';
import { labelledPlaceOf } from '../project/labels.js';
import { givenName } from '../project/locate.js';
import { isDenied, isMissing } from '../project/paths.js';
import { existingFiles, whereIs } from '../project/places.js';
import {
  findProject,
  isMadeReplica,
  locateIfAny,
  mayHaveOtherName,
  refineProject,
  startedFrom,
} from '../project/refine.js';
import { chooseName, type KnownNames, type Subject } from './choose-name.js';
import { nameByPoints, readPointNames, readRecordedName, startOf, storeOf } from './locate.js';
import type { ManagerOptions } from './options.js';

/** Which project is meant, by files, flags, the labels of containers, and the points of the folder. */

export interface ResolvedProject {
  project: Project;
  /** All that carry its name, strangers included. */
  containers: Container[];
  /** What a person should know of the choice. */
  notices: string[];
}

interface Known {
  located: Project | undefined;
  /** Name of the project when neither files, containers nor points tell one. */
  fallbackName: string | undefined;
  subject: Subject;
}

/**
 * With the compose file gone or broken and the stack down, points still tell which project this folder holds.
 * @throws RollbackError `project-not-found`, `usage`
 */
export async function resolveProject(
  options: ManagerOptions,
  selection: ProjectSelection,
  engine: Engine,
  known: Known,
): Promise<ResolvedProject> {
  const resolved = await resolveByAll(options, selection, engine, known);
  if (!known.located) await assertDirectoryIsHere(options, selection, resolved.project);
  return resolved;
}

async function resolveByAll(
  options: ManagerOptions,
  selection: ProjectSelection,
  engine: Engine,
  { located, fallbackName, subject }: Known,
): Promise<ResolvedProject> {
  const place = { options, selection, engine, located };
  try {
    const found = await findProject(selection, engine, located);
    const isCertain =
      located !== undefined &&
      givenName(selection) === undefined &&
      !(await mayHaveOtherName(located, selection));
    if (isCertain) return await resolveByFolder(place, found, subject);
    if (found.containers.length > 0) return await withAlias(place, found, subject);
    const byPoints = await resolveByPoints(place);
    if (byPoints) return await withAlias(place, byPoints, subject);
    await assertComposeFileExists(found.project);
    return { ...found, notices: [] };
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'project-not-found') throw error;
    const byPoints = await resolveByPoints(place);
    if (byPoints) return { ...byPoints, notices: [] };
    if (fallbackName === undefined) throw error;
    return { project: bareProject(selection, fallbackName), containers: [], notices: [] };
  }
}

interface Place {
  options: ManagerOptions;
  selection: ProjectSelection;
  engine: Engine;
  located: Project | undefined;
}

type Found = Omit<ResolvedProject, 'notices'>;

/** The files tell a name, and nobody gave one: the points of the folder and the containers that run from it may know another. */
async function resolveByFolder(place: Place, found: Found, subject: Subject): Promise<ResolvedProject> {
  const { options, selection, engine } = place;
  const { project } = found;
  const store = await storeOf(options, selection, project);
  let names: Pick<KnownNames, 'hasPoints' | 'recorded'> | undefined;
  try {
    names = await readPointNames(store, project);
  } catch (error) {
    // A command that needs the index reports what is wrong with it, and has a line in the audit trail by then.
    if (!(error instanceof RollbackError)) throw error;
  } finally {
    store.close();
  }
  if (!names || names.hasPoints) return { ...found, notices: [] };
  const hasContainers = (await sortContainers(project, found.containers)).replicas.length > 0;
  const running = hasContainers ? [] : await namesRunningHere(engine, project, names.recorded);
  const { name, notice } = chooseName({ located: project, subject, ...names, hasContainers, running });
  const notices = notice === undefined ? [] : [notice];
  if (name === project.name) {
    if (found.containers.length === 0) await assertComposeFileExists(project);
    return { ...found, notices };
  }
  const recorded = names.recorded.find((one) => one.name === name);
  const nameOrigin = recorded?.isGiven === false ? 'folder' : 'given';
  const containers = await containersNamed(engine, { name });
  const chosen = await refineProject({ ...project, name, nameOrigin }, selection, containers);
  const resolved = await withAlias(place, { project: chosen, containers }, subject);
  return { ...resolved, notices: [...notices, ...resolved.notices] };
}

/** Other projects that run from this folder; of those that have points here also those that ran from where the folder was before. */
async function namesRunningHere(
  engine: Engine,
  { name, directory }: Project,
  recorded: KnownNames['recorded'],
): Promise<string[]> {
  const others = (await engine.containers()).filter(
    (one) => one.project !== undefined && one.project !== name && isMadeReplica(one),
  );
  const here = await startedFrom(directory, others);
  const names = new Set(here.flatMap(({ project }) => project ?? []));
  for (const container of others) {
    const labelled = labelledPlaceOf(container);
    if (!labelled || !recorded.some((one) => one.name === container.project)) continue;
    if ((await whereIs(labelled.directory, labelled.files, directory)) === 'gone')
      names.add(container.project ?? '');
  }
  return [...names];
}

/**
 * An update may give the compose files another name: from then on the containers of the folder run as another project, beside the points of the
 * earlier one. To go back to those, they belong to the project too. A project that was named by a flag is another one that runs from here.
 */
async function withAlias(
  { options, selection, engine, located }: Place,
  found: Found,
  subject: Subject,
): Promise<ResolvedProject> {
  const { project, containers } = found;
  const { projectName: _, ...unnamed } = selection;
  const env = { ...selection.env, COMPOSE_PROJECT_NAME: undefined };
  const byFiles = located && subject === 'points' ? await locateIfAny({ ...unnamed, env }) : undefined;
  if (!byFiles || byFiles.name === project.name) return { ...found, notices: [] };
  const store = await storeOf(options, selection, project);
  try {
    const recorded = await readRecordedName(store, project, project.name);
    if (!recorded || recorded.isGiven) return { ...found, notices: [] };
  } finally {
    store.close();
  }
  const renamed = await engine.containers({ project: byFiles.name });
  const here = await startedFrom(project.directory, renamed.filter(isMadeReplica));
  if (here.length === 0) return { ...found, notices: [] };
  const notice = `${here.map((one) => one.name).join(', ')} run from this folder as project ${byFiles.name}, the name that its files give now: they count as containers of ${project.name}`;
  return {
    project: { ...project, alias: byFiles.name },
    containers: [...containers, ...renamed],
    notices: [notice],
  };
}

/** A named file that does not exist, and that neither containers nor points know of, is a mistake of the caller. */
async function assertComposeFileExists({ files }: Project): Promise<void> {
  if (files.length === 0 || (await existingFiles(files)).length > 0) return;
  throw new RollbackError('usage', `there is no compose file ${files.map(quoted).join(', ')}`, {
    hint: 'check -f and COMPOSE_FILE',
  });
}

/**
 * The labels of containers may name a directory of another machine, or of a container such as Portainer's: no file of the project can be read there, and none
 * is ever written. One that points were recorded in was deleted.
 */
async function assertDirectoryIsHere(options: ManagerOptions, selection: ProjectSelection, project: Project) {
  const { name, directory } = project;
  if (await isDirectory(directory)) return;
  if (options.backupDir !== undefined) {
    const store = await storeOf(options, selection, project);
    try {
      if (await readRecordedName(store, project, name)) return;
    } finally {
      store.close();
    }
  }
  throw new RollbackError(
    'project-not-found',
    `project ${name} was started from ${quoted(directory)}, which is no directory of this machine`,
    { hint: `go to the folder that holds its compose file, or name that: -p ${name} -f FILE` },
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    if (isDenied(error)) return true; // whoever reads it is told
    throw error;
  }
}

/** A project of which only points are left. */
function bareProject(selection: ProjectSelection, name: string): Project {
  return { name, directory: startOf(selection), files: [], origin: 'point', profiles: [], envFiles: [] };
}

async function resolveByPoints({ options, selection, engine, located }: Place): Promise<Found | undefined> {
  const store = await storeOf(options, selection, located);
  try {
    const name = await nameByPoints(store, selection, located);
    if (name === undefined) return undefined;
    return {
      project: { ...(located ?? bareProject(selection, name)), name },
      containers: await engine.containers({ project: name }),
    };
  } finally {
    store.close();
  }
}
