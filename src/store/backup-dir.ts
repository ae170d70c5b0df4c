import { constants } from 'node:fs';
import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { POINT_ID, quoted, RUN_ID } from '../model/names.js';
import { explained, hasErrno, lstatIfThere } from './files.js';
import { assertSafe } from './paths.js';

const OURS =
  /^(?:index\.db|audit\.jsonl|runs|holds|store-key\.(?:json|age)|rb-[0-9a-f]{12}|\.(?:tmp|old|seal|trash)-.+)$/;
/** What a directory may hold when we make it a backup directory: what people and file systems put into empty ones. */
const HARMLESS = new Set(['.gitignore', '.gitkeep', '.keep', 'README.md', 'lost+found', '.DS_Store']);

/** Where everything in a backup directory is. */
export class BackupDir {
  readonly indexFile: string;
  readonly auditFile: string;
  readonly runsDir: string;
  readonly holdsDir: string;
  /** The two halves of the key that points are encrypted with. */
  readonly publicKeyFile: string;
  readonly privateKeyFile: string;

  private constructor(readonly path: string) {
    this.indexFile = join(path, 'index.db');
    this.auditFile = join(path, 'audit.jsonl');
    this.runsDir = join(path, 'runs');
    this.holdsDir = join(path, 'holds');
    this.publicKeyFile = join(path, 'store-key.json');
    this.privateKeyFile = join(path, 'store-key.age');
  }

  /** The place alone, whatever is there: `findBackupDir` and `openBackupDir` look. */
  static at(path: string): BackupDir {
    if (!path.includes('\0')) return new BackupDir(resolve(path));
    throw new RollbackError('unsafe', `${quoted(path)} is not a path`, {
      hint: 'give --backup-dir a directory',
    });
  }

  /** Directory of a point. Throws `unsafe` for text that is not an id. */
  pointDir(id: string): string {
    return join(this.path, checked(id, POINT_ID));
  }

  /** Journal of a run. Throws `unsafe` for text that is not an id. */
  journalFile(run: string): string {
    return join(this.runsDir, `${checked(run, RUN_ID)}.jsonl`);
  }
}

function checked(id: string, shape: RegExp): string {
  if (shape.test(id)) return id;
  throw new RollbackError('unsafe', `${quoted(id)} is not an id`, {
    hint: '`compose-rollback list` shows the ids of points, `compose-rollback runs` those of runs',
  });
}

/**
 * For reading: undefined when there is none; makes nothing. Throws `unsafe` when it is not safe to use, `failed` when it is another user's.
 */
export async function findBackupDir(path: string): Promise<BackupDir | undefined> {
  const dir = BackupDir.at(path);
  return await withOwnerNamed(dir.path, 'read', async () => {
    if (!(await assertSafe(dir.path, 'directory'))) return undefined;
    await access(dir.path, constants.R_OK | constants.X_OK);
    return dir;
  });
}

/**
 * For writing: made when missing (0700, with a `.gitignore` of its own, so that neither stash nor clean takes it). Throws `unsafe` when it
 * is not safe to use, `usage` when the directory is somebody else's, `failed` when it cannot be made.
 */
export async function openBackupDir(path: string): Promise<BackupDir> {
  const dir = BackupDir.at(path);
  return await explained('make the backup directory', () =>
    withOwnerNamed(dir.path, 'written', async () => {
      await mkdir(dirname(dir.path), { recursive: true });
      await unlessThere(mkdir(dir.path, { mode: 0o700 }));
      await assertSafe(dir.path, 'directory');
      await assertOursOrEmpty(dir.path);
      await access(dir.path, constants.W_OK | constants.X_OK);
      await unlessThere(writeFile(join(dir.path, '.gitignore'), '*\n', { flag: 'wx', mode: 0o600 }));
      return dir;
    }),
  );
}

/** What the system denies is told with the owner: that other user, or another directory, is what helps. */
async function withOwnerNamed<T>(path: string, done: 'read' | 'written', act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (hasErrno(error, 'EROFS')) {
      throw new RollbackError(
        'failed',
        `the backup directory ${quoted(path)} is on a read-only file system`,
        {
          hint: 'choose a directory that can be written with --backup-dir, or with backup_dir in rollback.yaml',
          cause: error,
        },
      );
    }
    if (!hasErrno(error, 'EACCES', 'EPERM')) throw error;
    const [place, owner] = await ownerOf(path);
    const whose = `it belongs to ${owner === 0 ? 'root' : `user ${owner}`}`;
    const why = place === path ? whose : `${quoted(place)} is in the way, and ${whose}`;
    throw new RollbackError('failed', `the backup directory ${quoted(path)} cannot be ${done}: ${why}`, {
      hint: 'call compose-rollback as that user, or choose another directory with --backup-dir',
      cause: error,
    });
  }
}

/** The user id of what is at the path, or of the nearest folder above it that can be looked at. */
async function ownerOf(path: string): Promise<[place: string, owner: number]> {
  try {
    const found = await lstatIfThere(path);
    if (found) return [path, found.uid];
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EPERM')) throw error;
  }
  return await ownerOf(dirname(path));
}

/** Our `.gitignore` in a project's root would hide the whole project from git. */
async function assertOursOrEmpty(path: string): Promise<void> {
  const names = await readdir(path);
  const foreign = names.find((name) => !OURS.test(name) && !HARMLESS.has(name));
  if (foreign === undefined || names.some((name) => OURS.test(name))) return;
  throw new RollbackError(
    'usage',
    `${quoted(path)} holds other things (${quoted(foreign)}) and cannot become a backup directory`,
    {
      hint: 'give --backup-dir a directory of its own',
    },
  );
}

async function unlessThere(making: Promise<unknown>): Promise<void> {
  try {
    await making;
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  }
}
