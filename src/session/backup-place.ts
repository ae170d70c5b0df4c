import { dirname, join, resolve } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Project, ProjectSelection } from '../model/project.js';
import { readBackupDir } from '../project/config.js';
import { IndexDb } from '../store/index-db.js';
import { lstatIfThere } from '../store/files.js';
import {
  isInUse,
  placeName,
  placeOfRoot,
  readPlaceRecords,
  realDirectory,
  stateDirectories,
  type FoundRecord,
} from '../store/places.js';
import type { ManagerOptions } from './options.js';

/** Finds the backup directory of a project from files alone. `list` loads this. */

export const USUAL_BACKUP_DIR = 'rollback/backups';

/**
 * Who said where the points are: a flag, the environment, a setting; a backup directory that is there at the usual place; a record in the state
 * directory, for this folder or for one that is gone; or nobody yet.
 */
export type PlaceOrigin =
  'flag' | 'environment' | 'setting' | 'found' | 'recorded' | 'folder-gone' | 'undecided';

export interface BackupPlace {
  /** Absolute. */
  path: string;
  origin: PlaceOrigin;
  /** What says so, of `recorded` and `folder-gone`. */
  record: FoundRecord | undefined;
  /** Other backup directories of a project of this name, whose folders are gone: which one is meant, a person has to say. */
  others: FoundRecord[];
  /** Root has one for this folder. */
  ofRoot: string | undefined;
}

type Folder = Pick<Project, 'directory' | 'files'> & { name: string | undefined };

/** Where a project's points are. Throws `failed` when a record names a directory that is not there. */
export async function findBackupPlace(
  { backupDir }: Pick<ManagerOptions, 'backupDir'>,
  { env }: Pick<ProjectSelection, 'env'>,
  folder: Folder,
): Promise<BackupPlace> {
  const at = (path: string, origin: PlaceOrigin, record?: FoundRecord): BackupPlace => ({
    path: resolve(folder.directory, path),
    origin,
    record,
    others: [],
    ofRoot: undefined,
  });
  if (backupDir !== undefined) return at(backupDir, 'flag');
  const fromEnvironment = env['COMPOSE_ROLLBACK_BACKUP_DIR'];
  if (fromEnvironment !== undefined && fromEnvironment !== '') return at(fromEnvironment, 'environment');
  const setting = await readBackupDir(folder);
  if (setting !== undefined) return at(setting, 'setting');

  const usual = at(USUAL_BACKUP_DIR, 'undecided');
  if (await isInUse(usual.path)) return { ...usual, origin: 'found' };
  const states = stateDirectories(env);
  const [records = [], ...more] = await Promise.all(states.map(readPlaceRecords));
  const real = await realDirectory(folder.directory);
  const own = [records, ...more].flat().find(({ directory }) => directory === real);
  const recorded = own && (await pathOfRecord(own, states));
  if (recorded !== undefined) return at(recorded, 'recorded', own);

  const others = folder.name === undefined ? [] : await withoutFolder(records, folder.name);
  const [only] = others;
  if (only && others.length === 1) return at(only.backupDir, 'folder-gone', only);
  const ofRoot = folder.name === undefined ? undefined : await placeOfRoot(placeName(folder.name, real), env);
  return { ...usual, others, ofRoot };
}

/** Undefined for a place in the state directory that somebody deleted: it is chosen anew. */
async function pathOfRecord(
  { backupDir, movedFrom }: FoundRecord,
  states: readonly string[],
): Promise<string | undefined> {
  if (movedFrom !== null && (await isInUse(movedFrom))) return movedFrom;
  if (await isInUse(backupDir)) return backupDir;
  if (states.includes(dirname(backupDir))) return undefined;
  throw new RollbackError(
    'failed',
    `the backup directory ${quoted(backupDir)} of this project is not there`,
    {
      hint: 'mount the disk that it is on, or choose another directory with --backup-dir',
    },
  );
}

/** Records of folders that are gone, with points of a project of this name. */
async function withoutFolder(records: readonly FoundRecord[], project: string): Promise<FoundRecord[]> {
  const found: FoundRecord[] = [];
  for (const record of records) {
    if (await lstatIfThere(record.directory)) continue;
    if (await hasPointsOf(record.backupDir, project)) found.push(record);
  }
  return found;
}

async function hasPointsOf(backupDir: string, project: string): Promise<boolean> {
  const file = join(backupDir, 'index.db');
  if (!(await lstatIfThere(file))) return false;
  try {
    const index = await IndexDb.openToRead(file);
    const points = index.pointLines({ project, limit: 1 });
    index.close();
    return points.length > 0;
  } catch (error) {
    // One that cannot be read is not offered.
    if (error instanceof RollbackError) return false;
    throw error;
  }
}

/** What a person should know of the place, one line each. */
export function remarksOn({ origin, path, record, others, ofRoot }: BackupPlace): string[] {
  if (origin === 'folder-gone') {
    return [
      `the points in ${quoted(path)} are used: they were made in ${quoted(record?.directory ?? '')}, which is gone`,
    ];
  }
  return [
    ...(others.length > 0
      ? [
          `points of a project of this name are in ${others.map(({ backupDir }) => quoted(backupDir)).join(', ')}, and their folders are gone: choose with --backup-dir`,
        ]
      : []),
    ...(ofRoot === undefined
      ? []
      : [`root has points of this project in ${quoted(ofRoot)}: call it as root to see them`]),
  ];
}
