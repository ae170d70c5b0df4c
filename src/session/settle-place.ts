import { join } from 'node:path';
import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { mayBuild, servicesTakingIn } from '../project/build-contexts.js';
import { isInside } from '../project/paths.js';
import { readModel } from '../project/reading.js';
import { discardMoved } from '../store/move.js';
import {
  isInUse,
  placeName,
  readPlaceRecords,
  realDirectory,
  stateDirectories,
  writePlaceRecord,
} from '../store/places.js';
import type { Store } from '../store/store.js';
import { findBackupPlace } from './backup-place.js';
import { assertOutlivesContainer } from './container.js';
import type { ManagerOptions } from './options.js';
import type { Workspace } from './workspace.js';

/**
 * Decides where the points of a project are from now on, before the first of them is written, and records that where the directory alone does not
 * tell. The caller holds the project's lock.
 * @throws RollbackError `usage` when every directory would be read by a build, or would vanish with this container; `failed` when the choice cannot be
 * recorded
 */
export async function settleBackupPlace(workspace: Workspace, options: ManagerOptions): Promise<void> {
  const { project, env, engine, store, emit } = workspace;
  const place = await findBackupPlace(options, { env }, project);
  const directory = await realDirectory(project.directory);
  if (place.origin === 'folder-gone' && place.record) {
    await writePlaceRecord(place.record.file, { ...place.record, directory });
  }
  const movedFrom = place.record?.movedFrom ?? place.path;
  // A move to another file system was killed when all but the old directory was done.
  if (movedFrom !== place.path) await discardMoved(movedFrom);
  if (await isInUse(place.path)) return store.relocate(place.path);

  const takers = place.origin === 'undecided' ? await takersIn(workspace) : undefined;
  const services = takers ? await takers(place.path) : [];
  const path = services.length === 0 ? place.path : await placeOutside(workspace, takers);
  await assertOutlivesContainer(engine, path);
  if (path !== place.path) {
    const record = { directory, project: project.name, backupDir: path, movedFrom: null };
    await writePlaceRecord(`${path}.json`, record);
    const message = `points are kept in ${quoted(path)}: ${quoted(place.path)} goes into the image of ${services.join(', ')}`;
    emit({ type: 'warning', message });
  }
  store.relocate(path);
}

/** Names the services whose builds would read a backup directory there. */
type Takers = (backupDir: string) => Promise<string[]>;

/** Undefined when nothing is built. */
async function takersIn({ project, provider, env, signal }: Workspace): Promise<Takers | undefined> {
  const { directory, files } = project;
  if (!(await mayBuild(files))) return undefined;
  const { model } = await readModel(provider, project, env, signal);
  if (model) return (backupDir) => servicesTakingIn(model, { directory, backupDir });
  // Broken compose files do not tell what is built of which directory: the whole project may be.
  return async (backupDir) => (isInside(directory, backupDir) ? ['a service'] : []);
}

/**
 * A directory of the project's own in the first state directory that no build reads.
 * @throws RollbackError `usage` when there is none
 */
export async function placeOutside(workspace: Workspace, takers?: Takers): Promise<string> {
  const { env } = workspace;
  const isTaken = takers ?? (await takersIn(workspace)) ?? (async () => []);
  for (const state of stateDirectories(env)) {
    const path = await freePlace(workspace, state);
    if ((await isTaken(path)).length === 0) return path;
  }
  const [state] = stateDirectories(env);
  throw new RollbackError(
    'usage',
    `builds of this project read ${quoted(state)}: points in it would go into images`,
    {
      hint: 'name a directory elsewhere with --backup-dir, or name rollback/ in .dockerignore',
    },
  );
}

/** A name in a state directory that no other folder uses: a project that moved took its place along. */
async function freePlace({ project }: Workspace, state: string): Promise<string> {
  const directory = await realDirectory(project.directory);
  const base = join(state, placeName(project.name, directory));
  const others = (await readPlaceRecords(state)).filter((record) => record.directory !== directory);
  const taken = new Set(others.flatMap(({ file, backupDir }) => [file, `${backupDir}.json`]));
  for (let number = 1; ; number += 1) {
    const path = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(`${path}.json`)) return path;
  }
}

/** Stores that a warning was given about: a command observes several times. */
const warned = new WeakSet<Store>();

/** Warns when points that are there go into images. Whoever builds pushes them to a registry, secrets included. */
export async function warnAboutBuildContexts(
  { project, store, emit }: Workspace,
  model: ComposeModel | undefined,
): Promise<void> {
  if (!model || warned.has(store)) return;
  const services = await servicesTakingIn(model, { directory: project.directory, backupDir: store.path });
  if (services.length === 0 || !(await isInUse(store.path))) return;
  warned.add(store);
  emit({
    type: 'warning',
    message: `the points in ${quoted(store.path)} go into the image of ${services.join(', ')}, secrets included: compose-rollback backup-dir move puts them elsewhere, or name that directory in .dockerignore`,
  });
}
