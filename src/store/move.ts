import { constants, type Stats } from 'node:fs';
import { chmod, chown, link, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import {
  explained,
  fingerprint,
  fingerprintFile,
  hasErrno,
  lstatIfThere,
  openRegular,
  syncDirectory,
} from './files.js';
import { assertSafe } from './paths.js';
import { isInUse } from './places.js';

/**
 * Moving a backup directory. Until one rename the old one counts and is whole, from it on the new one is: `record` says beforehand where the new one
 * is and that the old one wins as long as it is there.
 */

export interface MoveRequest {
  /** Absolute; a backup directory. */
  from: string;
  /** Absolute; nothing, an empty directory, or with `resumes` what a killed move to there left. */
  to: string;
  /** An earlier move from and to the same directories was killed. */
  resumes: boolean;
  /** Notes the move. Called before anything is there. */
  record: () => Promise<void>;
}

/**
 * Moves a backup directory; nobody else may write to it meanwhile. Killed at any instant, the old or the new one is whole and is the one that counts,
 * and the move can be repeated.
 * @throws RollbackError `usage` when the directories do not allow it, with nothing changed; `failed` when the system does not; `damaged` when the
 * copy differs
 */
export async function moveBackupDir({ from, to, resumes, record }: MoveRequest): Promise<void> {
  await explained('move the backup directory', async () => {
    await assertMovable(from, to);
    const copy = join(dirname(to), `.${basename(to)}.moving`);
    await rm(copy, { recursive: true, force: true });
    if (resumes && (await isInUse(to))) await rm(to, { recursive: true, force: true });
    await assertFree(to);
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await record();
    if (await renamed(from, to)) {
      await syncDirectory(dirname(to));
      await syncDirectory(dirname(from));
      return;
    }
    await copyTree(from, copy, new Map());
    await rename(copy, to);
    await syncDirectory(dirname(to));
    await rename(from, movedAside(from));
    await syncDirectory(dirname(from));
    await discardMoved(from);
  });
}

/** Removes the old directory of a move to another file system that was killed at its end. Nothing to do for any other. */
export async function discardMoved(from: string): Promise<void> {
  const aside = movedAside(from);
  if (await assertSafe(aside, 'directory')) await rm(aside, { recursive: true, force: true });
}

const movedAside = (from: string) => join(dirname(from), `.${basename(from)}.moved`);

async function assertMovable(from: string, to: string): Promise<void> {
  const inside = (outer: string, inner: string) => `${inner}/`.startsWith(`${outer}/`);
  if (inside(from, to) || inside(to, from))
    throw refused(`${quoted(to)} and ${quoted(from)} are in each other`);
  const [own, parent] = [await stat(from), await stat(dirname(from))];
  if (own.dev !== parent.dev) throw refused(`${quoted(from)} is a mount point`);
}

async function assertFree(to: string): Promise<void> {
  const found = await lstatIfThere(to);
  if (!found) return;
  if (!(await assertSafe(to, 'directory')) || (await readdir(to)).length > 0)
    throw refused(`${quoted(to)} is not empty`);
}

function refused(why: string): RollbackError {
  return new RollbackError(
    'usage',
    `the backup directory cannot be moved there: ${why}; nothing was changed`,
    {
      hint: 'name a directory that does not exist yet',
    },
  );
}

/** False on another file system. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EXDEV')) return false;
    throw error;
  }
}

/** Copies a directory with modes, owners and times; files that are one file stay one. Everything is read again and on the disk when this returns. */
async function copyTree(from: string, to: string, copied: Map<string, string>): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const name of await readdir(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const found = await lstatIfThere(source);
    if (found?.isDirectory()) await copyTree(source, target, copied);
    else if (found?.isFile()) await copyFile(source, target, found, copied);
    else {
      throw new RollbackError(
        'unsafe',
        `${quoted(source)} is neither a file nor a directory; nothing was moved`,
        {
          hint: 'look at what put it there, and remove it',
        },
      );
    }
  }
  await keepFacts(to, await stat(from));
  await syncDirectory(to);
}

async function copyFile(from: string, to: string, found: Stats, copied: Map<string, string>): Promise<void> {
  const identity = `${found.dev}:${found.ino}`;
  const earlier = copied.get(identity);
  if (earlier !== undefined) return await link(earlier, to);
  let written: string;
  {
    await using source = await openRegular(from);
    await using target = await open(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    ({ sha256: written } = await fingerprint(source, async (chunk) => {
      await target.appendFile(chunk);
    }));
    await target.sync();
  }
  if ((await fingerprintFile(to)).sha256 !== written) {
    throw new RollbackError(
      'damaged',
      `${quoted(to)} is not what was written; the points are where they were`,
      {
        hint: 'check that disk, or choose another directory',
      },
    );
  }
  await keepFacts(to, found);
  copied.set(identity, to);
}

async function keepFacts(path: string, { mode, uid, gid, atime, mtime }: Stats): Promise<void> {
  const now = await stat(path);
  if (now.uid !== uid || now.gid !== gid) await chown(path, uid, gid);
  await chmod(path, mode & 0o7777);
  await utimes(path, atime, mtime);
}
