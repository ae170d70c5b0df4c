import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import {
  parsePoint,
  sealedPointSchema,
  type Point,
  type PointSummary,
  type SealedPoint,
  type StoredFile,
} from '../model/point.js';
import type { BackupDir } from './backup-dir.js';
import { explained, fingerprintOf, syncDirectory } from './files.js';
import { assertSafe, insideOf, safeParts } from './paths.js';
import { summaryOf } from './summary.js';

/** The files of a point that are not recorded in it, because they are the record. */
export const POINT_FILE = 'point.json';
export const SIDECAR_FILE = 'point.json.sha256';
/** The record of an encrypted point; its `point.json` only tells what a listing needs. */
export const SEALED_FILE = 'sealed.age';

/**
 * The text of a record, and of the sidecar that covers it: `sha256sum -c` understands it. In the schema's order: the same point is the same text, wherever
 * it was.
 */
export function renderPoint(point: Point | SealedPoint): { record: string; checksum: string } {
  const ordered = isSealed(point) ? sealedPointSchema.parse(point) : parsePoint(point);
  const record = `${JSON.stringify(ordered, null, 2)}\n`;
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

/**
 * Where the ciphertext of a stored file is. Directories that could be taken for such a file are renamed: `a` beside `a.age/b` becomes `a.age`
 * beside `a.age.d/b.age`.
 */
export function sealedName(stored: string): string {
  const folders = safeParts(stored);
  const file = folders.pop() ?? '';
  const renamed = folders.map((folder) => (/\.age(?:\.d)*$/.test(folder) ? `${folder}.d` : folder));
  return [...renamed, `${file}.age`].join('/');
}

/** What an encrypted point tells without its key; `files` are those of the ciphertext. */
export function sealedRecord(point: Point, files: StoredFile[]): SealedPoint {
  const { config_hashes: _, ...summary } = summaryOf(point);
  return { format: point.format, ...summary, sealed: true, files };
}

/** What the index holds of a point. */
export function summaryOfRecord(record: Point | SealedPoint): PointSummary {
  if (!isSealed(record)) return summaryOf(record);
  const { format: _, files: __, ...summary } = record;
  return { ...summary, config_hashes: {} };
}

export function isSealed(record: Point | SealedPoint): record is SealedPoint {
  return 'sealed' in record;
}

/** Every file a point says it has, besides its record. */
export function recordedFiles(point: Point): StoredFile[] {
  const files = [...point.entries, ...point.outside].filter((entry) => entry.type === 'file');
  const facts = point.facts === null ? [] : [point.facts];
  return [...files, ...point.volume_data, ...point.dumps, ...point.image_archives, point.model, ...facts];
}

/** The same of what is on the disk: of an encrypted point the ciphertext. */
export const filesOf = (record: Point | SealedPoint): StoredFile[] =>
  isSealed(record) ? record.files : recordedFiles(record);

/** Lets go of what a point holds outside of the store. */
export type Release = (id: string) => Promise<void>;

/**
 * Renames a point's directory, or what took its place, out of sight, so that a half-removed point is never listed, and removes it; `release`
 * in between, so that who is killed leaves a trace of what is still to be done.
 */
export async function discardPoint(
  backupDir: BackupDir,
  id: string,
  release: Release = async () => undefined,
  directory = backupDir.pointDir(id),
): Promise<void> {
  const trash = join(backupDir.path, `.trash-${id}`);
  await explained('remove the point', async () => {
    await rm(trash, { recursive: true, force: true });
    await rename(directory, trash);
    await syncDirectory(backupDir.path);
    await release(id);
    await rm(trash, { recursive: true, force: true });
  });
}
