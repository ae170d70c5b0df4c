import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Point } from '../model/point.js';
import type { BackupDir } from './backup-dir.js';
import { explained, fingerprintOf, syncDirectory } from './files.js';
import { assertSafe, insideOf } from './paths.js';

/** The files of a point that are not recorded in it, because they are the record. */
export const POINT_FILE = 'point.json';
export const SIDECAR_FILE = 'point.json.sha256';

/** The text of a record, and of the sidecar that covers it: `sha256sum -c` understands it. */
export function renderPoint(point: Point): { record: string; checksum: string } {
  const record = `${JSON.stringify(point, null, 2)}\n`;
  return { record, checksum: checksumLine(record) };
}

export function checksumLine(record: string | Uint8Array): string {
  const { sha256 } = fingerprintOf(Buffer.from(record));
  return `${sha256.replace('sha256:', '')}  ${POINT_FILE}\n`;
}

/** Directory of a point that exists. Throws `no-such-point`, or `unsafe`. */
export async function existingPointDir(backupDir: BackupDir, id: string): Promise<string> {
  const dir = backupDir.pointDir(id);
  if (await assertSafe(dir, 'directory')) return dir;
  throw new RollbackError('no-such-point', `there is no point ${quoted(id)}`, {
    hint: '`compose-rollback list` shows the points there are; `compose-rollback reindex` makes the list again',
  });
}

/**
 * Absolute path of a stored file of a point (`stored` of an entry, or of the model). Throws `unsafe` when it would leave the point's
 * directory by its text or through a link. Nothing needs to be there.
 */
export async function storedPath(
  backupDir: BackupDir,
  point: Pick<Point, 'id'>,
  entry: { stored: string },
): Promise<string> {
  const dir = backupDir.pointDir(point.id);
  await assertSafe(dir, 'directory');
  return await insideOf(dir, entry.stored);
}

/** Every file a point says it has, besides its record. */
export function recordedFiles(point: Point): { stored: string; size: number; sha256: string }[] {
  const files = [...point.entries, ...point.outside].filter((entry) => entry.type === 'file');
  return [...files, point.model];
}

/** Renames a point's directory out of sight, so that a half-removed point is never listed, and removes it. */
export async function discardPoint(backupDir: BackupDir, id: string): Promise<void> {
  const trash = join(backupDir.path, `.trash-${id}`);
  await explained('remove the point', async () => {
    await rm(trash, { recursive: true, force: true });
    await rename(backupDir.pointDir(id), trash);
    await syncDirectory(backupDir.path);
    await rm(trash, { recursive: true, force: true });
  });
}
