import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { inParallel } from '../model/parallel.js';
import type { Point, SealedPoint } from '../model/point.js';
import type { BackupDir } from './backup-dir.js';
import { Digest, type Fingerprint, fingerprintFile, hasErrno } from './files.js';
import {
  existingPointDir,
  filesOf,
  isSealed,
  POINT_FILE,
  recordedFiles,
  sealedName,
  SIDECAR_FILE,
  storedPath,
} from './point-files.js';
import { type Identity, isSealedPoint, openStored, readRecord } from './point-reader.js';

export interface StoredProblem {
  /** Relative to the point's directory. */
  path: string;
  problem: string;
}

const AT_ONCE = 8;

/**
 * Reads every stored file of a point again: what is missing, changed, not a regular file, or there without being recorded. Of an encrypted point
 * that is given whole, what is inside is decrypted and compared too; of its record, the ciphertext alone. Empty when all is well. Throws
 * `no-such-point`, or `unsafe` for the point's directory itself; `cannot-decrypt`.
 */
export async function verifyPoint(
  backupDir: BackupDir,
  point: Point | SealedPoint,
  identity?: Identity,
): Promise<StoredProblem[]> {
  const outer = await recordOf(backupDir, point);
  const inside = isSealed(outer) && !isSealed(point) ? recordedFiles(point) : [];
  const plain = new Map(inside.map((file) => [sealedName(file.stored), file]));
  const files = filesOf(outer);
  const known = new Set(files.map(({ stored }) => stored));
  const found = await inParallel(AT_ONCE, files, async (file) => {
    const problem = await problemOf(file.stored, file, async () =>
      fingerprintFile(await storedPath(backupDir, point, file)),
    );
    const within = plain.get(file.stored);
    if (problem || !within) return problem;
    return await problemOf(file.stored, within, async () => {
      const digest = new Digest();
      for await (const chunk of await openStored(backupDir, point, within, identity)) digest.update(chunk);
      return digest.fingerprint();
    });
  });
  const missing = [...plain.keys()].filter((stored) => !known.has(stored));
  const unrecorded = await unrecordedFiles(backupDir, outer);
  const problems = [
    ...found.filter((problem) => problem !== undefined),
    ...missing.map((path) => ({ path, problem: 'it is missing' })),
    ...unrecorded.map((path) => ({ path, problem: 'it is not recorded in the point' })),
  ];
  return problems.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** What is in a point's directory and not in its record; relative to that directory. Throws `no-such-point`, `unsafe`. */
export async function unrecordedFiles(backupDir: BackupDir, point: Point | SealedPoint): Promise<string[]> {
  const dir = await existingPointDir(backupDir, point.id);
  const recorded = filesOf(await recordOf(backupDir, point)).map(({ stored }) => stored);
  const expected = new Set([POINT_FILE, SIDECAR_FILE, ...recorded]);
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  return found
    .filter((item) => !item.isDirectory())
    .map((item) => relative(dir, join(item.parentPath, item.name)))
    .filter((path) => !expected.has(path));
}

/** What tells of the files on the disk: of an encrypted point not the point itself. */
async function recordOf(backupDir: BackupDir, point: Point | SealedPoint): Promise<Point | SealedPoint> {
  if (isSealed(point) || !(await isSealedPoint(backupDir, point))) return point;
  return await readRecord(backupDir, point.id);
}

/** What is wrong with the bytes that `read` finds. */
async function problemOf(
  path: string,
  file: Fingerprint,
  read: () => Promise<Fingerprint>,
): Promise<StoredProblem | undefined> {
  const problem = (text: string) => ({ path, problem: text });
  try {
    const found = await read();
    if (found.size !== file.size) return problem(`${found.size} bytes instead of ${file.size}`);
    if (found.sha256 !== file.sha256) return problem('its contents have changed');
    return undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return problem('it is missing');
    if (hasErrno(error, 'EACCES', 'EIO')) return problem(`it cannot be read (${error.code})`);
    if (error instanceof RollbackError && ['unsafe', 'damaged'].includes(error.code)) {
      return problem(error.message);
    }
    throw error;
  }
}
