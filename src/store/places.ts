import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { POINT_ID } from '../model/names.js';
import { explained, hasErrno, lstatIfThere, parseJson, readRegular, replaceFile } from './files.js';
import { assertSafe } from './paths.js';

/**
 * Backup directories outside of their projects, and a record beside them that says whose they are: `<name>-<hash>.json` and `<name>-<hash>/` in the
 * state directory. A record may also name a directory elsewhere. `list` loads this: no libraries.
 */

/** Where the points of one project folder are. */
export interface PlaceRecord {
  /** Real path of the project folder. */
  directory: string;
  /** Name that the project had when the record was made. */
  project: string;
  /** Absolute. */
  backupDir: string;
  /** Where the points were before a move; as long as a backup directory is there, that one counts. */
  movedFrom: string | null;
}

export interface FoundRecord extends PlaceRecord {
  /** Absolute path of the record. */
  file: string;
}

type Environment = Record<string, string | undefined>;

const SYSTEM_STATE = '/var/lib/compose-rollback';

/**
 * The state directories of this user, absolute. The first is the one to use; the others are for a project whose builds read that one, as with a compose
 * file in the home directory.
 */
export function stateDirectories(env: Environment): [string, ...string[]] {
  const chosen = env['COMPOSE_ROLLBACK_STATE_DIR'];
  const base = env['XDG_STATE_HOME'];
  const own =
    process.geteuid?.() === 0
      ? [SYSTEM_STATE]
      : [
          ...(base !== undefined && isAbsolute(base) ? [join(base, 'compose-rollback')] : []),
          join(env['HOME'] ?? homedir(), '.local/state/compose-rollback'),
        ];
  const [first = SYSTEM_STATE, ...rest] = new Set([...(chosen ? [resolve(chosen)] : []), ...own]);
  return [first, ...rest];
}

/** Root's backup directory for a project folder, for users who cannot read it; undefined when there is none. */
export async function placeOfRoot(name: string, env: Environment): Promise<string | undefined> {
  if (process.geteuid?.() === 0 || env['COMPOSE_ROLLBACK_STATE_DIR']) return undefined;
  const path = join(SYSTEM_STATE, name);
  try {
    return (await lstatIfThere(path)) ? path : undefined;
  } catch (error) {
    if (hasErrno(error, 'EACCES')) return undefined;
    throw error;
  }
}

/** What the place of a project folder (its real path) is called: the hash tells folders of one name apart. */
export function placeName(project: string, directory: string): string {
  return `${project}-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}`;
}

/** All records of this user. Files that are none, or that another user wrote, are passed over. */
export async function readPlaceRecords(state: string): Promise<FoundRecord[]> {
  const names = (await readStateDirectory(state)).filter((name) => name.endsWith('.json')).toSorted();
  const found = await Promise.all(names.map((name) => readRecord(join(state, name))));
  return found.flatMap((record) => record ?? []);
}

/** `su` and `sudo -u` may leave the home of another user in the environment: nothing there is ours. */
async function readStateDirectory(state: string): Promise<string[]> {
  try {
    return (await assertSafe(state, 'directory')) ? await readdir(state) : [];
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM')) return [];
    throw error;
  }
}

async function readRecord(file: string): Promise<FoundRecord | undefined> {
  const stats = await lstatIfThere(file);
  if (!stats?.isFile() || stats.uid !== process.geteuid?.()) return undefined;
  const value = parseJson((await readRegular(file)).toString('utf8'));
  if (typeof value !== 'object' || value === null) return undefined;
  const {
    directory,
    project,
    backup_dir: backupDir,
    moved_from: from,
  }: Record<string, unknown> = { ...value };
  const paths = [directory, backupDir, from ?? '/'];
  if (!paths.every((path) => typeof path === 'string' && isAbsolute(path)) || typeof project !== 'string')
    return undefined;
  return {
    file,
    project,
    directory: String(directory),
    backupDir: String(backupDir),
    movedFrom: typeof from === 'string' ? from : null,
  };
}

/** Writes the record in one step; makes the state directory. Throws `failed`, `unsafe`. */
export async function writePlaceRecord(file: string, record: PlaceRecord): Promise<void> {
  const state = resolve(file, '..');
  await explained('record where the points are', async () => {
    // Other users may learn that there is a place for their project, and nothing else.
    await mkdir(state, { recursive: true, mode: 0o711 });
    await assertSafe(state, 'directory');
    const { directory, project, backupDir, movedFrom } = record;
    const stored = { directory, project, backup_dir: backupDir, moved_from: movedFrom };
    const beside = join(state, `.tmp-${randomBytes(6).toString('hex')}`);
    await replaceFile(file, `${JSON.stringify(stored, null, 2)}\n`, beside);
  });
}

/**
 * Whether a backup directory with something in it is at `path`. One that we may not look into counts: opening it says why.
 */
export async function isInUse(path: string): Promise<boolean> {
  try {
    if (await lstatIfThere(join(path, 'index.db'))) return true;
    return (await readdir(path)).some((name) => name === 'runs' || POINT_ID.test(name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    if (hasErrno(error, 'EACCES', 'EPERM')) return true;
    throw error;
  }
}

/** The real path of a directory; itself when it is not there. */
export async function realDirectory(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return path;
    throw error;
  }
}
