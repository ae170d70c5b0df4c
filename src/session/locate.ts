import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { RollbackError } from '../model/errors.js';
import type { Project, ProjectSelection } from '../model/project.js';
import { withoutKeys } from '../model/secrets.js';
import { givenName, locateProject, nameOfDirectory } from '../project/locate.js';
import { locateIfAny, mayHaveOtherName } from '../project/refine.js';
import { Store } from '../store/store.js';
import type { EncryptionSettings } from '../store/store-key.js';
import type { KeyAccess } from '../store/user-key.js';
import { findBackupPlace, remarksOn, type BackupPlace } from './backup-place.js';
import type { ManagerOptions } from './options.js';
import type { RunFacts } from './workspace.js';

/** Finds a project and its store from files alone. Light: `list` loads this and no engine. */

export interface OpenedStore {
  store: Store;
  /** Name of the project. */
  project: string;
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
    return { store: elsewhere, project: project.name };
  }
  const name = (await nameByPoints(store, selection, located)) ?? located?.name ?? selection.projectName;
  if (name !== undefined) return { store, project: name };
  await locateProject(selection); // throws and names what is missing
  throw new RollbackError('project-not-found', 'there is no compose project here');
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
  settings: { encryption?: EncryptionSettings | undefined; warn?: (message: string) => void } = {},
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
  const index = await store.readIndex();
  if (!index) return undefined;
  if (located) {
    if (index.pointLines({ project: located.name, limit: 1 }).length > 0) return located.name;
    if (!(await mayHaveOtherName(located, selection))) return await nameByFolder(store, selection, located);
  }
  const names = new Set(index.points().map((point) => point.project));
  const given = givenName(selection);
  if (given !== undefined) return names.has(given) ? given : undefined;
  return names.size === 1 ? [...names][0] : undefined;
}

/** podman-compose 1.0.3 ignores `name:` and names a project after its folder. */
async function nameByFolder(
  store: Store,
  selection: ProjectSelection,
  located: Project,
): Promise<string | undefined> {
  if (givenName(selection) !== undefined) return undefined;
  const name = nameOfDirectory(located.directory);
  const [newest] = (await store.readIndex())?.points({ project: name }) ?? [];
  if (!newest) return undefined;
  const record = await store.readRecord(newest.id).catch((error: unknown) => {
    // A point that cannot be read tells no name.
    if (error instanceof RollbackError) return undefined;
    throw error;
  });
  return record?.metadata.provider.name === 'podman-compose' ? name : undefined;
}
