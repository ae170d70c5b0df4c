import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ZodType } from 'zod';
import { RollbackError } from '../model/errors.js';
import { POINT_ID, quoted } from '../model/names.js';
import { POINT_FORMAT, type Point, type PointModel, pointModelSchema, pointSchema } from '../model/point.js';
import type { BackupDir } from './backup-dir.js';
import { explained, fingerprintOf, hasErrno, parseJson, readRegular, replaceFile } from './files.js';
import {
  checksumLine,
  discardPoint,
  existingPointDir,
  POINT_FILE,
  recordedFiles,
  renderPoint,
  SIDECAR_FILE,
  storedPath,
} from './point-files.js';
import type { FindStored } from './point-writer.js';
import { ownMark } from './process.js';

/**
 * A point as it describes itself. Throws `no-such-point`; `damaged` naming the file when its bytes are not those that were written;
 * `not-supported` when a newer version made it; `unsafe` when links lead away.
 */
export async function readPoint(backupDir: BackupDir, id: string): Promise<Point> {
  const dir = await existingPointDir(backupDir, id);
  const record = join(dir, POINT_FILE);
  const bytes = await readPart(record);
  const sidecar = (await readPart(join(dir, SIDECAR_FILE))).toString('utf8');
  if (!sidecar.split(/(?<=\n)/).includes(checksumLine(bytes))) {
    throw damaged(record, 'its checksum is not the recorded one');
  }
  const point = fitting(pointSchema, parseBytes(bytes, record), record);
  if (point.id !== id) throw damaged(record, `it describes ${point.id}`);
  return point;
}

/** A stored JSON file. Throws `damaged` when its bytes are not the recorded ones, `unsafe`. */
async function readStoredJson(
  backupDir: BackupDir,
  point: Point,
  file: { stored: string; sha256: string },
): Promise<unknown> {
  const path = await storedPath(backupDir, point, file);
  const bytes = await readPart(path);
  if (fingerprintOf(bytes).sha256 !== file.sha256) throw damaged(path, 'its contents have changed');
  return parseBytes(bytes, path);
}

/** The resolved model and the variables: secret. Throws as `readPoint`. */
export async function readPointModel(backupDir: BackupDir, point: Point): Promise<PointModel> {
  const value = await readStoredJson(backupDir, point, point.model);
  return fitting(pointModelSchema, value, point.model.stored);
}

/** Writes the point's record again. Throws as `readPoint`. */
export async function setPinned(backupDir: BackupDir, id: string, pinned: boolean): Promise<Point> {
  const point = { ...(await readPoint(backupDir, id)), pinned };
  const dir = backupDir.pointDir(id);
  const { record, checksum } = renderPoint(point);
  const replace = async (name: string, data: string) =>
    replaceFile(join(dir, name), data, join(backupDir.path, `.tmp-${id}.${name}-${await ownMark()}`));
  await explained('change the point', async () => {
    // Two files cannot change at once: in between the sidecar accepts the old record and the new one.
    const old = await readPart(join(dir, POINT_FILE));
    await replace(SIDECAR_FILE, checksumLine(old) + checksum);
    await replace(POINT_FILE, record);
    await replace(SIDECAR_FILE, checksum);
  });
  return point;
}

/** Removes a point's directory. Throws `no-such-point`, `unsafe`, `failed`. */
export async function removePoint(backupDir: BackupDir, id: string): Promise<void> {
  await existingPointDir(backupDir, id);
  await discardPoint(backupDir, id);
}

/** Ids of everything that calls itself a point, whatever state it is in; sorted. */
export async function listPointDirs(backupDir: BackupDir): Promise<string[]> {
  return (await readdir(backupDir.path)).filter((name) => POINT_ID.test(name)).toSorted();
}

/** Where the bytes of these points' files are, for a new point to share. Points that cannot be read are passed over. */
export async function storedFiles(backupDir: BackupDir, ids: readonly string[]): Promise<FindStored> {
  const paths = new Map<string, string>();
  for (const id of ids) {
    const point = await readIfSound(backupDir, id);
    if (!point) continue;
    for (const file of recordedFiles(point)) paths.set(file.sha256, await storedPath(backupDir, point, file));
  }
  return (sha256) => paths.get(sha256);
}

async function readIfSound(backupDir: BackupDir, id: string): Promise<Point | undefined> {
  try {
    return await readPoint(backupDir, id);
  } catch (error) {
    if (error instanceof RollbackError && isUnreadable(error)) return undefined;
    throw error;
  }
}

/** Whether an error is about one point, so that others can still be used. */
export function isUnreadable(error: RollbackError): boolean {
  return ['damaged', 'unsafe', 'not-supported', 'no-such-point'].includes(error.code);
}

async function readPart(path: string): Promise<Buffer> {
  try {
    return await readRegular(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) throw damaged(path, 'it is missing');
    throw error;
  }
}

function parseBytes(bytes: Buffer, path: string): unknown {
  const value = parseJson(bytes.toString('utf8'));
  if (value === undefined) throw damaged(path, 'it is not JSON');
  return value;
}

function fitting<T>(schema: ZodType<T>, value: unknown, path: string): T {
  if (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    Number(value.format) > POINT_FORMAT
  ) {
    throw new RollbackError('not-supported', `${quoted(path)} was made by a newer compose-rollback`, {
      hint: 'upgrade compose-rollback to use this point',
    });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw damaged(path, `${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? 'not a point'}`);
}

function damaged(path: string, problem: string): RollbackError {
  return new RollbackError('damaged', `${quoted(path)} is damaged: ${problem}`, {
    hint: 'use another point; `compose-rollback verify --all` tells which are sound',
  });
}
