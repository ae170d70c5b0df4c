import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { ManagerOptions } from './options.js';
import type { Endpoint } from './engine/endpoint.js';
import type { Engine } from './engine/engine.js';
import type { Config } from './model/config.js';
import type { Container, EngineIdentity } from './model/engine.js';
import type { MovePlan } from './model/move.js';
import { RollbackError } from './model/errors.js';
import { quoted } from './model/names.js';
import type { Project, ProjectSelection } from './model/project.js';
import { withoutKeys } from './model/secrets.js';
import { VERSION } from './model/version.js';
import { givenName, locateProject, nameOfDirectory } from './project/locate.js';
import type { Reading } from './project/reading.js';
import { findProject, locateIfAny, mayHaveOtherName, someExist } from './project/refine.js';
import { readBackupDir, readConfig } from './project/config.js';
import type { Workspace } from './run/workspace.js';
import { Store } from './store/store.js';
import type { EncryptionSettings } from './store/store-key.js';
import type { KeyAccess } from './store/user-key.js';

/** Where implementations are chosen and put together. Everything heavy is loaded when it is first needed: `list` needs none of it. */

const DEFAULT_BACKUP_DIR = 'rollback/backups';

export interface OpenedStore {
  store: Store;
  /** Name of the project. */
  project: string;
}

function selectionOf(options: ManagerOptions): ProjectSelection {
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

/** The store of the project meant. No engine is asked, unless a project is named whose files and points are not here. */
export async function openStore(options: ManagerOptions): Promise<OpenedStore> {
  const selection = selectionOf(options);
  const located = await locateIfAny(selection);
  const store = await storeOf(options, selection, located);
  if (!located && selection.projectName !== undefined && !(await store.readIndex())) {
    const { project, store: elsewhere, begun } = await openWorkspace(options);
    begun?.early?.cancel();
    return { store: elsewhere, project: project.name };
  }
  const name = (await nameByPoints(store, selection, located)) ?? located?.name ?? selection.projectName;
  if (name !== undefined) return { store, project: name };
  await locateProject(selection); // tells what is missing
  throw new RollbackError('project-not-found', 'there is no compose project here');
}

/** The store alone, whatever state its index is in. */
export async function openBareStore(options: ManagerOptions): Promise<Store> {
  const selection = selectionOf(options);
  return storeOf(options, selection, await locateIfAny(selection));
}

async function storeOf(
  options: ManagerOptions,
  selection: ProjectSelection,
  located: Project | undefined,
): Promise<Store> {
  const directory = located?.directory ?? startOf(selection);
  const path = await backupDir(options, { directory, files: located?.files ?? [] });
  return Store.open(path, { access: keyAccess(options, selection) });
}

/** What opens encrypted points. Only this sees it: no child does. */
function keyAccess(
  { identityFile, env = process.env }: ManagerOptions,
  { cwd }: ProjectSelection,
): KeyAccess {
  return { env, identityFile: identityFile === undefined ? undefined : resolve(cwd, identityFile) };
}

function encryptionOf({ encryption }: Config, { directory }: Project): EncryptionSettings | undefined {
  if (!encryption) return undefined;
  const { recipients, recipients_file: file, passphrase } = encryption;
  const recipientsFile = file === undefined ? undefined : resolve(directory, file);
  return { recipients, passphrase, recipientsFile };
}

const startOf = ({ cwd, projectDirectory = '.' }: ProjectSelection) => resolve(cwd, projectDirectory);

async function backupDir(
  options: ManagerOptions,
  project: Pick<Project, 'directory' | 'files'>,
): Promise<string> {
  const chosen = options.backupDir ?? (await readBackupDir(project)) ?? DEFAULT_BACKUP_DIR;
  return resolve(project.directory, chosen);
}

/** Where a project's settings and points belong (absolute), without asking any engine. Throws `project-not-found`. */
export async function locatePlace(
  options: ManagerOptions,
): Promise<{ directory: string; backupDir: string }> {
  const project = await locateProject(selectionOf(options));
  return { directory: project.directory, backupDir: await backupDir(options, project) };
}

/** A project as its files tell it, and its store, while no engine answers. Throws `project-not-found`. */
export async function openFiles(
  options: ManagerOptions,
): Promise<{ project: Project; reading: Reading; store: Store }> {
  const selection = selectionOf(options);
  const project = await locateProject(selection);
  const [reading, store] = await Promise.all([
    readFiles(project, selection.env, options.signal),
    storeOf(options, selection, project),
  ]);
  return { project, reading, store };
}

async function readFiles(
  project: Project,
  env: ProjectSelection['env'],
  signal: AbortSignal | undefined,
): Promise<Reading> {
  const { findProvider, readModel } = await import('./work.js');
  // Reading files takes no engine.
  const endpoint = {
    host: 'unix:///run/docker.sock',
    certPath: undefined,
    sshAgent: undefined,
    origin: 'nobody',
  };
  try {
    return await readModel(await findProvider({ endpoint, env }), project, env, signal);
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'provider-failed') throw error;
    return { model: undefined, modelError: error.message, hashes: {} };
  }
}

/** Whose points a store holds: what is left to go by when the compose file is gone, or too broken to tell its name. */
async function nameByPoints(
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

/** What podman-compose called a project whose `name:` it does not read. */
async function nameByFolder(
  store: Store,
  selection: ProjectSelection,
  located: Project,
): Promise<string | undefined> {
  if (givenName(selection) !== undefined) return undefined;
  const name = nameOfDirectory(located.directory);
  const [newest] = (await store.readIndex())?.points({ project: name }) ?? [];
  if (!newest) return undefined;
  const { readIfOpen } = await import('./points/find.js');
  return (await readIfOpen(store, newest.id))?.metadata.provider.name === 'podman-compose' ? name : undefined;
}

/**
 * The project on its engine, found by files, flags, labels or the index, with everything that use-cases work with. Where nothing of that tells
 * of a project, it is the `otherwise` one.
 */
export async function openWorkspace(options: ManagerOptions, otherwise?: string): Promise<Workspace> {
  const selection = selectionOf(options);
  const { env } = selection;
  const signal = options.signal ?? new AbortController().signal;
  const { HandlerRegistry, connectEngine, discoverEngine, isFound, providerOf } = await import('./work.js');
  const { engine: kind = 'auto', host, context } = options;
  const endpoint = await discoverEngine({
    engine: kind,
    env,
    ...(host === undefined ? {} : { host }),
    ...(context === undefined ? {} : { context }),
  });
  const connecting = connectEngine(endpoint, kind);
  // The provider's processes and the loading of libraries go on side by side.
  const reading = beginToRead(selection, endpoint, signal);
  const [engine, { provider: found, located, early }] = await Promise.all([connecting, reading]);
  const [identity, { project, containers }] = await Promise.all([
    engine.identity(),
    findIt(options, selection, engine, { located, otherwise }),
  ]);
  const [config, path, provider] = await Promise.all([
    readConfig(project),
    backupDir(options, project),
    providerOf(project.name, containers, engine, found, { endpoint, env }),
  ]);
  if (provider !== found) early?.cancel();
  const emit = options.onEvent ?? (() => undefined);
  const store = await Store.open(path, {
    encryption: encryptionOf(config, project),
    access: keyAccess(options, selection),
    warn: (message) => emit({ type: 'warning', message }),
  });
  const away = kind === 'auto' ? await movedFrom(store, project.name, identity) : undefined;
  if (away && isFound(endpoint)) {
    early?.cancel();
    store.close();
    return openWorkspace({ ...options, engine: away.kind, host: away.host ?? undefined }, otherwise);
  }
  if (away)
    emit({
      type: 'warning',
      message: `the project was moved to ${away.kind}, and ${endpoint.origin} names another engine`,
    });
  const handlers = new HandlerRegistry();
  for (const handler of options.handlers ?? []) handlers.register(handler);
  return {
    project,
    config: { ...config, max_rollback_points: options.maxRollbackPoints ?? config.max_rollback_points },
    engine,
    endpoint,
    identity,
    provider,
    store,
    handlers,
    env,
    user: userName(),
    toolVersion: VERSION,
    emit,
    signal,
    begun: { early: provider === found ? early : undefined, containers },
  };
}

/** The engine that a project was moved to from this one. */
async function movedFrom(
  store: Store,
  project: string,
  { id }: EngineIdentity,
): Promise<MovePlan['target'] | undefined> {
  const { lastMove } = await import('./work.js');
  const last = await lastMove(store, project).catch((error: unknown) => {
    // A history that cannot be read keeps nobody from anything.
    if (error instanceof RollbackError && ['damaged', 'not-supported', 'no-such-run'].includes(error.code))
      return undefined;
    throw error;
  });
  return last?.plan.source.id === id ? last.plan.target : undefined;
}

async function beginToRead(selection: ProjectSelection, endpoint: Endpoint, signal: AbortSignal) {
  const { beginReading, findProvider } = await import('./work.js');
  const located = await locateIfAny(selection);
  const provider = await findProvider({ endpoint, env: selection.env });
  // Observing asks for it too; who waits for it is told when it fails.
  provider.version().catch(() => undefined);
  const early = located && beginReading(provider, located, selection.env, signal);
  return { provider, located, early };
}

/** Compose file gone or broken, and stack down: then the points still tell which project this folder holds. */
async function findIt(
  options: ManagerOptions,
  selection: ProjectSelection,
  engine: Engine,
  { located, otherwise }: { located: Project | undefined; otherwise: string | undefined },
): Promise<Found> {
  try {
    const found = await findProject(selection, engine, located);
    if (found.containers.length > 0) return found;
    return (await findByPoints(options, selection, engine, located)) ?? (await assertThere(found));
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'project-not-found') throw error;
    const found = await findByPoints(options, selection, engine, located);
    if (found) return found;
    if (otherwise === undefined) throw error;
    return { project: bareProject(selection, otherwise), containers: [] };
  }
}

/** A file that was named, is not there, and that neither containers nor points know of: it was never meant. */
async function assertThere(found: Found): Promise<Found> {
  const { files } = found.project;
  if (files.length === 0 || (await someExist(files))) return found;
  throw new RollbackError('usage', `there is no compose file ${files.map(quoted).join(', ')}`, {
    hint: 'see to -f and COMPOSE_FILE',
  });
}

interface Found {
  project: Project;
  containers: Container[];
}

/** A project of which the points are all that is here. */
function bareProject(selection: ProjectSelection, name: string): Project {
  return { name, directory: startOf(selection), files: [], origin: 'point', profiles: [], envFiles: [] };
}

async function findByPoints(
  options: ManagerOptions,
  selection: ProjectSelection,
  engine: Engine,
  located: Project | undefined,
): Promise<Found | undefined> {
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
