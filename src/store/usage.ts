import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupDir } from './backup-dir.js';
import { hasErrno, lstatIfThere } from './files.js';
import { listPointDirs } from './point-reader.js';

/** Bytes of a point's files: those that go when it is deleted, and those that other points have too. */
export interface PointUsage {
  own: number;
  shared: number;
}

export interface StoreUsage {
  /** By id. */
  points: Record<string, PointUsage>;
  /** Bytes of all these points, each file counted once. */
  total: number;
}

/** What points take, hard links counted once. Points of all projects in the directory are looked at: they may share files too. */
export async function storeUsage(backupDir: BackupDir, ids: readonly string[]): Promise<StoreUsage> {
  const files = new Map<string, Map<string, number>>();
  const holders = new Map<string, number>();
  for (const id of await listPointDirs(backupDir)) {
    const found = await filesIn(backupDir.pointDir(id));
    files.set(id, found);
    for (const file of found.keys()) holders.set(file, (holders.get(file) ?? 0) + 1);
  }
  const points: StoreUsage['points'] = {};
  const all = new Map<string, number>();
  for (const id of ids) {
    const usage: PointUsage = { own: 0, shared: 0 };
    for (const [file, size] of files.get(id) ?? []) {
      usage[holders.get(file) === 1 ? 'own' : 'shared'] += size;
      all.set(file, size);
    }
    points[id] = usage;
  }
  return { points, total: [...all.values()].reduce((sum, size) => sum + size, 0) };
}

/** Sizes by device and inode; empty when the directory is gone meanwhile. */
async function filesIn(directory: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const item of await entriesOf(directory)) {
    const found = item.isFile() ? await lstatIfThere(join(item.parentPath, item.name)) : undefined;
    if (found?.isFile()) sizes.set(`${found.dev}:${found.ino}`, found.size);
  }
  return sizes;
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
