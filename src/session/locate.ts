import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { POINT_KINDS } from '../model/names.js';
import type { Project, ProjectSelection } from '../model/project.js';
import { withoutKeys } from '../model/secrets.js';
import { givenName, locateProject, nameOfDirectory } from '../project/locate.js';
import { isInside, realpathOfExisting } from '../project/paths.js';
import { whereIs } from '../project/places.js';
import { locateIfAny, mayHaveOtherName } from '../project/refine.js';
import { Store, type StoreOptions } from '../store/store.js';
import type { KeyAccess } from '../store/user-key.js';
import { findBackupPlace, remarksOn, type BackupPlace } from './backup-place.js';
import { chooseName, type KnownNames, type RecordedName } from './choose-name.js';
import type { ManagerOptions } from './options.js';
import type { RunFacts } from './workspace.js';

/** Finds a project and its store from files alone. Light: `list` loads this and no engine. */

export interface OpenedStore {
  store: Store;
  /** Name of the project. */
  project: string;
  /** What a person should know of the choice of that name. */
  notice: string | undefined;
}

export function selectionOf(options: ManagerOptions): ProjectSelection {
  const { files, projectName, projectDirectory, profiles, envFiles } = options;
  const given = Object.entries({ files, projectName, projectDirectory, profiles, envFiles });
  return {
    cwd: resolve(options.projectRoot ?? process.cwd()),
    env: withoutKeys(options.env ?? process.env),
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
  };
}

/** Who calls. A user need not have a name: in containers many have none. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_SYSTEM_ERROR')) throw error;
    return `uid ${process.getuid?.()}`;
  }
}

/**
 * The store of the selected project. Asks no engine, unless a project is named whose files and points are not here.
 * @throws RollbackError `project-not-found`
 */
export async function openStore(options: ManagerOptions, runFacts: RunFacts): Promise<OpenedStore> {
  const selection = selectionOf(options);
  const located = await locateIfAny(selection);
  const warn = (message: string) => options.onEvent?.({ type: 'warning', message });
  const store = await storeOf(options, selection, located, { warn });
  if (!located && selection.projectName !== undefined && !(await store.readIndex())) {
    const { openWorkspace } = await import('./open.js');
    const { project, store: elsewhere } = await openWorkspace(options, runFacts);
    return { store: elsewhere, project: project.name, notice: undefined };
  }
  const { name, notice } = await nameOfStore(store, selection, located);
  if (name !== undefined) return { store, project: name, notice };
  await locateProject(selection); // throws and names what is missing
  throw new RollbackError('project-not-found', 'there is no compose project here');
}

async function nameOfStore(
  store: Store,
  selection: ProjectSelection,
  located: Project | undefined,
): Promise<{ name: string | undefined; notice: string | undefined }> {
  if (located) {
    if (givenName(selection) !== undefined) return { name: located.name, notice: undefined };
    const names = await readPointNames(store, located);
    // `mayHaveOtherName` loads the YAML library: points of that name make it needless.
    if (names.hasPoints || !(await mayHaveOtherName(located, selection)))
      return chooseName({ located, subject: 'points', ...names, hasContainers: undefined, running: [] });
  }
  const name = (await nameByPoints(store, selection, located)) ?? located?.name ?? selection.projectName;
  return { name, notice: undefined };
}

/** The store alone, whatever state its index is in. */
export async function openBareStore(options: ManagerOptions): Promise<Store> {
  const selection = selectionOf(options);
  return storeOf(options, selection, await locateIfAny(selection));
}

export async function storeOf(
  options: ManagerOptions,
  selection: ProjectSelection,
  located: Project | undefined,
  settings: Omit<StoreOptions, 'access' | 'create'> = {},
): Promise<Store> {
  const directory = located?.directory ?? startOf(selection);
  const name = located?.name ?? givenName(selection);
  const place = await findBackupPlace(options, selection, { directory, files: located?.files ?? [], name });
  for (const remark of remarksOn(place)) settings.warn?.(remark);
  return Store.open(place.path, { ...settings, access: keyAccess(options, selection) });
}

/** What opens encrypted points. Only this sees it: no child does. */
function keyAccess(
  { identityFile, env = process.env }: ManagerOptions,
  { cwd }: ProjectSelection,
): KeyAccess {
  return { env, identityFile: identityFile === undefined ? undefined : resolve(cwd, identityFile) };
}

export const startOf = ({ cwd, projectDirectory = '.' }: ProjectSelection) => resolve(cwd, projectDirectory);

/** The backup directory of the selected project, from files alone. Throws `project-not-found`. */
export async function findPlace(options: ManagerOptions): Promise<BackupPlace> {
  const selection = selectionOf(options);
  return await findBackupPlace(options, selection, await locateProject(selection));
}

/** Where a project's settings and points belong (absolute), without asking any engine. Throws `project-not-found`. */
export async function locatePlace(
  options: ManagerOptions,
): Promise<{ directory: string; backupDir: string }> {
  const selection = selectionOf(options);
  const project = await locateProject(selection);
  const { path } = await findBackupPlace(options, selection, project);
  return { directory: project.directory, backupDir: path };
}

/** The project whose points the store holds: the last resort when the compose file is gone, or too broken to tell its name. */
export async function nameByPoints(
  store: Store,
  selection: ProjectSelection,
  located: Project | undefined,
): Promise<string | undefined> {
  const names = (await store.readIndex())?.projects() ?? [];
  const known = located?.name ?? givenName(selection);
  if (known !== undefined && (names.includes(known) || givenName(selection) !== undefined))
    return names.includes(known) ? known : undefined;
  if (names.length <= 1) return names[0];
  if (located) return undefined;
  throw new RollbackError('project-not-found', `${store.path} holds points of ${names.join(', ')}`, {
    hint: 'say which project is meant with -p NAME',
  });
}

/** Whether the store holds points of the located project, and the other projects that recorded points in this folder. */
export async function readPointNames(
  store: Store,
  project: Project,
): Promise<Pick<KnownNames, 'hasPoints' | 'recorded'>> {
  const names = (await store.readIndex())?.projects() ?? [];
  if (names.includes(project.name)) return { hasPoints: true, recorded: [] };
  const recorded: RecordedName[] = [];
  for (const other of names) {
    const found = await readRecordedName(store, project, other);
    if (found?.isHere) recorded.push(found);
  }
  return { hasPoints: false, recorded };
}

/** What the newest point of a project tells of its name and its folder, which may be the one of `project`. */
export async function readRecordedName(
  store: Store,
  { directory }: Project,
  name: string,
): Promise<(RecordedName & { isHere: boolean }) | undefined> {
  const [newest] = (await store.readIndex())?.points({ project: name, kinds: OWN_KINDS, limit: 1 }) ?? [];
  const record = newest && (await readRecordIfSound(store, newest.id));
  if (!record) return undefined;
  const isOwnStore = isInside(await realpathOfExisting(directory), await realpathOfExisting(store.path));
  const isByFolder =
    record.metadata.provider.name === 'podman-compose' && name === nameOfDirectory(directory);
  // An encrypted point tells no more without its key.
  if (typeof record.project === 'string') return { name, isGiven: false, isByFolder, isHere: isOwnStore };
  const { directory: then, files, name_origin: origin } = record.project;
  const paths = files.map((file) => resolve(then, file));
  const place = await whereIs(then, paths, directory);
  return {
    name,
    isGiven: origin === null ? name !== nameOfDirectory(then) : origin === 'given',
    isByFolder,
    // A shared backup directory keeps the points of projects that are long gone, too.
    isHere: place === 'here' || (place === 'gone' && isOwnStore),
  };
}

/** Safety points tell of the runs of a project, and may carry the name that it had in between. */
const OWN_KINDS = POINT_KINDS.filter((kind) => kind !== 'safety');

/** A point that cannot be read tells no name. */
async function readRecordIfSound(store: Store, id: string) {
  try {
    return await store.readRecord(id);
  } catch (error) {
    if (error instanceof RollbackError) return undefined;
    throw error;
  }
}
