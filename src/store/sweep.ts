import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupDir } from './backup-dir.js';
import { explained, hasErrno, lstatIfThere, syncDirectory } from './files.js';
import { discardPoint, type Release } from './point-files.js';
import { isAlive } from './process.js';

const MARKED = /^\.tmp-.+?-(\d+-\d+-[0-9a-f]{8})(?:-journal)?$/;
const SET_ASIDE = /^\.old-(rb-[0-9a-f]{12})-(\d+-\d+-[0-9a-f]{8})$/;
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1000;

/**
 * Removes what killed processes left behind: `.tmp-…` of those that are gone, and half-removed points; a point that was being replaced is
 * brought back, unless the new one is in its place. What belongs to a process that cannot be judged from here (before a reboot, in another
 * container) goes after a day. Points that were never there, or are no more, are released first. Returns the names removed.
 */
export async function sweep(backupDir: BackupDir, release?: Release): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(backupDir.path)) {
    const path = join(backupDir.path, name);
    const [, id, mark] = SET_ASIDE.exec(name) ?? [];
    if (id !== undefined && mark !== undefined) {
      // Without waiting a day: its process takes no time to put the new point there.
      if ((await isAlive(mark)) !== true && !(await bringBack(backupDir, id, path))) removed.push(name);
      continue;
    }
    if (!name.startsWith('.trash-') && !(await isLeftBehind(backupDir, name))) continue;
    const gone = /^\.(?:tmp|trash)-(rb-[0-9a-f]{12})/.exec(name)?.[1];
    if (gone !== undefined && !(await lstatIfThere(backupDir.pointDir(gone)))) await release?.(gone);
    await rm(path, { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

/** False when the new point is there: then the old one is removed. */
async function bringBack(backupDir: BackupDir, id: string, aside: string): Promise<boolean> {
  const place = backupDir.pointDir(id);
  if (await lstatIfThere(place)) {
    await discardPoint(backupDir, id, undefined, aside);
    return false;
  }
  await explained('bring a point back', async () => {
    await rename(aside, place);
    await syncDirectory(backupDir.path);
  });
  return true;
}

/** Whether a process that is gone left `.tmp-…` behind; one that cannot be judged from here is given a day. */
export async function isLeftBehind(backupDir: BackupDir, name: string): Promise<boolean> {
  const mark = MARKED.exec(name)?.[1];
  if (mark === undefined) return false;
  const alive = await isAlive(mark);
  if (alive !== undefined) return !alive;
  try {
    return Date.now() - (await stat(join(backupDir.path, name))).mtimeMs > FOREIGN_AGE_MS;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
