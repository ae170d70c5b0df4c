import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ZodType } from 'zod';
import { RollbackError } from '../model/errors.js';
import { type ProjectFacts, projectFactsSchema } from '../model/facts.js';
import { POINT_ID, quoted } from '../model/names.js';
import {
  POINT_FORMAT,
  type Point,
  type PointModel,
  pointModelSchema,
  pointSchema,
  type SealedPoint,
  sealedPointSchema,
  type StoredFile,
} from '../model/point.js';
import { type Bytes, decrypt, NotDecipherable } from './age.js';
import type { BackupDir } from './backup-dir.js';
import {
  explained,
  fingerprintOf,
  hasErrno,
  lstatIfThere,
  openRegular,
  parseJson,
  readRegular,
  replaceFile,
} from './files.js';
import {
  checksumLine,
  discardPoint,
  existingPointDir,
  isSealed,
  POINT_FILE,
  recordedFiles,
  type Release,
  renderPoint,
  SEALED_FILE,
  sealedName,
  SIDECAR_FILE,
  storedPath,
} from './point-files.js';
import type { FindStored } from './point-writer.js';
import { ownMark } from './process.js';
import { cannotDecrypt } from './user-key.js';

/** Gives what decrypts points; throws `cannot-decrypt`. Asked only when it is needed. */
export type Identity = () => Promise<string>;

const noIdentity: Identity = () => Promise.reject(cannotDecrypt('the point is encrypted'));

/**
 * A point as it describes itself. Throws `no-such-point`; `damaged` naming the file when its bytes are not those that were written;
 * `not-supported` when a newer version made it; `unsafe` when links lead away; `cannot-decrypt`.
 */
export async function readPoint(
  backupDir: BackupDir,
  id: string,
  identity: Identity = noIdentity,
): Promise<Point> {
  const record = await readRecord(backupDir, id);
  if (!isSealed(record)) return record;
  const path = await storedPath(backupDir, record, { stored: SEALED_FILE });
  const bytes = await bytesOf(decipherable(path, identity));
  const point = fitting(pointSchema, parseBytes(bytes, path), path);
  if (point.id !== id) throw damaged(path, `it describes ${point.id}`);
  return { ...point, pinned: record.pinned };
}

/** `point.json`: of an encrypted point what it tells without the key. Throws as `readPoint`, never `cannot-decrypt`. */
export async function readRecord(backupDir: BackupDir, id: string): Promise<Point | SealedPoint> {
  const dir = await existingPointDir(backupDir, id);
  const record = join(dir, POINT_FILE);
  return parseRecord(await readPart(record), await readPart(join(dir, SIDECAR_FILE)), id, record);
}

/** The point that a record and its sidecar describe; errors name it by `path`. Throws `damaged`, `not-supported`. */
export function parseRecord(bytes: Buffer, sidecar: Buffer, id: string, path: string): Point | SealedPoint {
  if (
    !sidecar
      .toString('utf8')
      .split(/(?<=\n)/)
      .includes(checksumLine(bytes))
  ) {
    throw damaged(path, 'its checksum is not the recorded one');
  }
  const value = parseBytes(bytes, path);
  const sealed = typeof value === 'object' && value !== null && 'sealed' in value;
  const point = sealed ? fitting(sealedPointSchema, value, path) : fitting(pointSchema, value, path);
  if (point.id !== id) throw damaged(path, `it describes ${point.id}`);
  return point;
}

/** The resolved model and the variables: secret. Throws as `readPoint`. */
export async function readPointModel(
  backupDir: BackupDir,
  point: Point,
  identity: Identity = noIdentity,
): Promise<PointModel> {
  return await readJson(backupDir, point, point.model, pointModelSchema, identity);
}

/** The runtime facts: secret. Undefined for an earlier point. Throws as `readPoint`. */
export async function readPointFacts(
  backupDir: BackupDir,
  point: Point,
  identity: Identity = noIdentity,
): Promise<ProjectFacts | undefined> {
  if (point.facts === null) return undefined;
  return await readJson(backupDir, point, point.facts, projectFactsSchema, identity);
}

async function readJson<T>(
  backupDir: BackupDir,
  point: Point,
  { stored, sha256 }: StoredFile,
  schema: ZodType<T>,
  identity: Identity,
): Promise<T> {
  const bytes = await bytesOf(await openStored(backupDir, point, { stored }, identity));
  if (fingerprintOf(bytes).sha256 !== sha256) throw damaged(stored, 'its contents have changed');
  return fitting(schema, parseBytes(bytes, stored), stored);
}

/**
 * The bytes of a stored file, decrypted. Throws `damaged` when it is not there, `unsafe`, `cannot-decrypt`. What is not encrypted is not checked
 * on the way, `verify` does that; what is and has changed ends the stream with `damaged`.
 */
export async function openStored(
  backupDir: BackupDir,
  point: Pick<Point, 'id'>,
  file: { stored: string },
  identity: Identity = noIdentity,
): Promise<Readable> {
  const sealed = await isSealedPoint(backupDir, point);
  const path = await storedPath(backupDir, point, { stored: sealed ? sealedName(file.stored) : file.stored });
  return sealed ? await decipherable(path, identity) : await openPart(path);
}

/** Whether what a point stores is encrypted. */
export async function isSealedPoint(backupDir: BackupDir, { id }: Pick<Point, 'id'>): Promise<boolean> {
  return (await lstatIfThere(join(backupDir.pointDir(id), SEALED_FILE))) !== undefined;
}

async function decipherable(path: string, identity: Identity): Promise<Readable> {
  const key = await identity();
  return Readable.from(explainedAt(path, decrypt(await openPart(path), key)), { objectMode: false });
}

async function* explainedAt(path: string, bytes: Bytes): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw error instanceof NotDecipherable ? damaged(path, error.message) : error;
  }
}

async function openPart(path: string): Promise<Readable> {
  try {
    return (await openRegular(path)).createReadStream({ highWaterMark: 256 * 1024 });
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) throw damaged(path, 'it is missing');
    throw error;
  }
}

const bytesOf = async (stream: Readable | Promise<Readable>) => buffer(await stream);

/** Replaces the record of a point that is there. */
export async function rewriteRecord(backupDir: BackupDir, point: Point | SealedPoint): Promise<void> {
  const { id } = point;
  const dir = await existingPointDir(backupDir, id);
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
}

/** Removes a point's directory. Throws `no-such-point`, `unsafe`, `failed`. */
export async function removePoint(backupDir: BackupDir, id: string, release?: Release): Promise<void> {
  await existingPointDir(backupDir, id);
  await discardPoint(backupDir, id, release);
}

/** Ids of everything that calls itself a point, whatever state it is in; sorted. */
export async function listPointDirs(backupDir: BackupDir): Promise<string[]> {
  return (await readdir(backupDir.path)).filter((name) => POINT_ID.test(name)).toSorted();
}

/** Where the bytes of these points' files are, for a new point to share. Points that cannot be read, or are encrypted, are passed over. */
export async function storedFiles(backupDir: BackupDir, ids: readonly string[]): Promise<FindStored> {
  const paths = new Map<string, string>();
  for (const id of ids) {
    const point = await readIfSound(backupDir, id);
    if (!point || isSealed(point)) continue;
    for (const file of recordedFiles(point)) paths.set(file.sha256, await storedPath(backupDir, point, file));
  }
  return (sha256) => paths.get(sha256);
}

/** Undefined for a point that cannot be read. */
async function readIfSound(backupDir: BackupDir, id: string): Promise<Point | SealedPoint | undefined> {
  try {
    return await readRecord(backupDir, id);
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
