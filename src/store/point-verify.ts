import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { RollbackError } from '../model/errors.js';
import type { Point } from '../model/point.js';
import type { BackupDir } from './backup-dir.js';
import { fingerprintFile, hasErrno } from './files.js';
import { existingPointDir, POINT_FILE, recordedFiles, SIDECAR_FILE, storedPath } from './point-files.js';

export interface StoredProblem {
  /** Relative to the point's directory. */
  path: string;
  problem: string;
}

const AT_ONCE = 8;

/**
 * Reads every stored file of a point again: what is missing, changed, not a regular file, or there without being recorded. Empty when all is
 * well. Throws `no-such-point`, or `unsafe` for the point's directory itself.
 */
export async function verifyPoint(backupDir: BackupDir, point: Point): Promise<StoredProblem[]> {
  const dir = await existingPointDir(backupDir, point.id);
  const recorded = recordedFiles(point);
  const problems = await inParallel(recorded, (file) => problemOf(backupDir, point, file));
  const expected = new Set([POINT_FILE, SIDECAR_FILE, ...recorded.map(({ stored }) => stored)]);
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const unexpected = found
    .filter((item) => !item.isDirectory())
    .map((item) => relative(dir, join(item.parentPath, item.name)))
    .filter((path) => !expected.has(path))
    .map((path) => ({ path, problem: 'it is not recorded in the point' }));
  return [...problems.filter((problem) => problem !== undefined), ...unexpected].toSorted((a, b) =>
    a.path < b.path ? -1 : 1,
  );
}

async function problemOf(
  backupDir: BackupDir,
  point: Point,
  file: { stored: string; size: number; sha256: string },
): Promise<StoredProblem | undefined> {
  const problem = (text: string) => ({ path: file.stored, problem: text });
  try {
    const found = await fingerprintFile(await storedPath(backupDir, point, file));
    if (found.size !== file.size) return problem(`${found.size} bytes instead of ${file.size}`);
    if (found.sha256 !== file.sha256) return problem('its contents have changed');
    return undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return problem('it is missing');
    if (hasErrno(error, 'EACCES', 'EIO')) return problem(`it cannot be read (${error.code})`);
    if (error instanceof RollbackError && error.code === 'unsafe') return problem(error.message);
    throw error;
  }
}

/** `work` on every item, a few at a time; results in the items' order. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
