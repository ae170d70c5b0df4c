import { rmdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { hasErrno } from '../store/files.js';
import { acquireLock, type Lock } from '../store/lock.js';
import { moveBackupDir } from '../store/move.js';
import {
  isInUse,
  readPlaceRecords,
  realDirectory,
  stateDirectories,
  writePlaceRecord,
  type FoundRecord,
  type PlaceRecord,
} from '../store/places.js';
import { findBackupPlace, USUAL_BACKUP_DIR, type BackupPlace } from './backup-place.js';
import { assertOutlivesContainer } from './container.js';
import type { ManagerOptions } from './options.js';
import { placeOutside } from './settle-place.js';
import type { Workspace } from './workspace.js';

/** Moves the backup directory of a project, and records where it is now. */

export interface BackupDirMove {
  /** Absolute. */
  from: string;
  to: string;
}

/**
 * Moves it to a directory (relative to where the project is looked for), or into the state directory when none is named. The caller holds the project's
 * lock, and no run is unfinished.
 * @throws RollbackError `usage` when there is nothing to move, a setting names the directory, or it cannot be moved there; `locked`; and as `moveBackupDir`
 */
export async function moveBackupPlace(
  workspace: Workspace,
  options: ManagerOptions,
  directory: string | undefined,
): Promise<BackupDirMove> {
  const { project, env, store, engine } = workspace;
  const place = await findBackupPlace(options, { env }, project);
  await assertMovable(workspace, place);
  const from = place.path;
  const to =
    directory === undefined
      ? await placeOutside(workspace)
      : resolve(options.projectRoot ?? process.cwd(), directory);
  if (to === from) {
    throw new RollbackError('usage', `the points are in ${quoted(to)} already`, {
      hint: 'name another directory',
    });
  }
  await assertOutlivesContainer(engine, to);
  const owner = await realDirectory(project.directory);
  const earlier = await ownRecord(env, owner);
  const record: PlaceRecord = { directory: owner, project: project.name, backupDir: to, movedFrom: from };
  const resumes = earlier?.backupDir === to && earlier.movedFrom === from;
  await withOtherLocks(workspace, async () => {
    store.close();
    await moveBackupDir({
      from,
      to,
      resumes,
      record: async () => writePlaceRecord(earlier?.file ?? `${await placeOutside(workspace)}.json`, record),
    });
  });
  store.relocate(to);
  if (from === resolve(project.directory, USUAL_BACKUP_DIR)) await removeIfEmpty(dirname(from));
  return { from, to };
}

async function assertMovable({ env, project }: Workspace, { path, origin }: BackupPlace): Promise<void> {
  // With --backup-dir, which says what to move, a setting would still point there afterwards.
  const lasting = origin === 'flag' ? (await findBackupPlace({}, { env }, project)).origin : origin;
  if (lasting === 'setting' || lasting === 'environment') {
    const what = lasting === 'setting' ? 'the setting backup_dir' : 'COMPOSE_ROLLBACK_BACKUP_DIR';
    throw new RollbackError('usage', `${what} says where the points are; nothing was moved`, {
      hint: `take it away, then name the directory: compose-rollback --backup-dir ${quoted(path)} backup-dir move`,
    });
  }
  if (await isInUse(path)) return;
  throw new RollbackError('usage', `there are no points in ${quoted(path)}; nothing was moved`, {
    hint: 'compose-rollback create makes the first one',
  });
}

/** What is recorded of a project folder (its real path). */
async function ownRecord(env: Workspace['env'], directory: string): Promise<FoundRecord | undefined> {
  const records = await Promise.all(stateDirectories(env).map(readPlaceRecords));
  return records.flat().find((record) => record.directory === directory);
}

/** Other projects, or this one on other engines, may have points in the same directory. */
async function withOtherLocks(
  { store, identity, project }: Workspace,
  act: () => Promise<void>,
): Promise<void> {
  const points = (await store.readIndex())?.points() ?? [];
  const holders = points.map((point) => ({ engineId: point.metadata.engine.id, project: point.project }));
  const keyOf = (holder: (typeof holders)[number]) => JSON.stringify(holder);
  const others = new Map(holders.map((holder) => [keyOf(holder), holder]));
  others.delete(keyOf({ engineId: identity.id, project: project.name }));
  const locks: Lock[] = [];
  try {
    // In one order for everybody, see `holdLocks`.
    for (const [, other] of [...others].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      locks.push(await acquireLock({ ...other, command: 'backup-dir move' }));
    await act();
  } finally {
    for (const lock of locks) await lock.release();
  }
}

/** An empty `rollback` would still be in the images. */
async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'EACCES', 'EBUSY')) throw error;
  }
}
