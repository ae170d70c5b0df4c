import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { ManagerOptions } from './options.js';
import type { Endpoint } from './engine/endpoint.js';
import type { Engine } from './engine/engine.js';
import type { Container } from './model/engine.js';
import { RollbackError } from './model/errors.js';
import type { Project, ProjectSelection } from './model/project.js';
import { VERSION } from './model/version.js';
import { locateProject } from './project/locate.js';
import { findProject, locateIfAny } from './project/refine.js';
import { readBackupDir, readConfig } from './project/config.js';
import type { Workspace } from './run/workspace.js';
import { Store } from './store/store.js';

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
    env: options.env ?? process.env,
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
  };
}

/** The store of the project meant, without asking any engine. */
export async function openStore(options: ManagerOptions): Promise<OpenedStore> {
  const selection = selectionOf(options);
  const project = await locateIfAny(selection);
  const directory = project?.directory ?? selection.projectDirectory ?? selection.cwd;
  const store = await Store.open(await backupDir(options, { directory, files: project?.files ?? [] }));
  const name = project?.name ?? selection.projectName ?? (await onlyProject(store));
  if (name !== undefined) return { store, project: name };
  await locateProject(selection); // tells what is missing
  throw new RollbackError('project-not-found', 'there is no compose project here');
}

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

/** The project whose points a store holds, when it is one project: what is left to go by when the compose file is gone. */
async function onlyProject(store: Store): Promise<string | undefined> {
  const points = (await store.readIndex())?.points() ?? [];
  const names = new Set(points.map((point) => point.project));
  return names.size === 1 ? [...names][0] : undefined;
}

/** The project on its engine, found by files, flags, labels or the index, with everything that use-cases work with. */
export async function openWorkspace(options: ManagerOptions): Promise<Workspace> {
  const selection = selectionOf(options);
  const { env } = selection;
  const signal = options.signal ?? new AbortController().signal;
  const { discoverEngine } = await import('./engine/discovery.js');
  const { engine: kind = 'auto', host, context } = options;
  const endpoint = await discoverEngine({
    engine: kind,
    env,
    ...(host === undefined ? {} : { host }),
    ...(context === undefined ? {} : { context }),
  });
  const connecting = import('./engine/docker.js').then(({ connectDocker }) => connectDocker(endpoint));
  // The provider's processes and the loading of libraries go on side by side.
  const reading = beginToRead(selection, endpoint, signal);
  const [engine, { provider, located, early }] = await Promise.all([connecting, reading]);
  const [identity, { project, containers }] = await Promise.all([
    engine.identity(),
    findIt(options, selection, engine, located),
  ]);
  const [config, store, { HandlerRegistry }] = await Promise.all([
    readConfig(project),
    backupDir(options, project).then((path) => Store.open(path)),
    import('./handlers/registry.js'),
  ]);
  const handlers = new HandlerRegistry();
  for (const handler of options.handlers ?? []) handlers.register(handler);
  return {
    project,
    config: { ...config, max_rollback_points: options.maxRollbackPoints ?? config.max_rollback_points },
    engine,
    identity,
    provider,
    store,
    handlers,
    env,
    user: userInfo().username,
    toolVersion: VERSION,
    emit: options.onEvent ?? (() => undefined),
    signal,
    begun: { early, containers },
  };
}

async function beginToRead(selection: ProjectSelection, endpoint: Endpoint, signal: AbortSignal) {
  const [{ findProvider }, { beginReading }, located] = await Promise.all([
    import('./engine/providers.js'),
    import('./project/reading.js'),
    locateIfAny(selection),
  ]);
  const provider = await findProvider({ endpoint, env: selection.env });
  const early = located && beginReading(provider, located, selection.env, signal);
  return { provider, located, early };
}

/** Compose file gone and stack down: then the points still tell which project this folder holds. */
async function findIt(
  options: ManagerOptions,
  selection: ProjectSelection,
  engine: Engine,
  located: Project | undefined,
): Promise<{ project: Project; containers: Container[] }> {
  try {
    return await findProject(selection, engine, located);
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'project-not-found') throw error;
    const project = await projectOfIndex(options, selection);
    if (!project) throw error;
    return { project, containers: await engine.containers({ project: project.name }) };
  }
}

async function projectOfIndex(
  options: ManagerOptions,
  selection: ProjectSelection,
): Promise<Project | undefined> {
  const directory = resolve(selection.cwd, selection.projectDirectory ?? '.');
  const store = await Store.open(await backupDir(options, { directory, files: [] }));
  try {
    const name = selection.projectName ?? (await onlyProject(store));
    return name === undefined
      ? undefined
      : { name, directory, files: [], origin: 'point', profiles: [], envFiles: [] };
  } finally {
    store.close();
  }
}
