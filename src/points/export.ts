import { createHash, randomBytes } from 'node:crypto';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { VERSION } from '../model/version.js';
import type { Point } from '../model/point.js';
import { explained, fingerprintOf, lstatIfThere, syncDirectory } from '../store/files.js';
import { POINT_FILE, recordedFiles, renderPoint, SIDECAR_FILE } from '../store/point-files.js';
import type { Store } from '../store/store.js';
import { one, writeTar, type TarFile } from '../store/tar.js';
import { findPoint } from './find.js';
import { CHECKSUM_FILE, MANIFEST_FILE, renderManifest, type Manifest, type TravelFile } from './travel.js';

export interface ExportReport {
  id: string;
  project: string;
  /** Absolute path of the archive; null when it went to a stream. */
  file: string | null;
  /** Of the point, and their sum in bytes. */
  files: number;
  bytes: number;
}

/**
 * Writes a point as one archive, decrypted where points are encrypted: to a file (0600, there whole or not at all) or to a stream. Everything is compared with the record on the way. Throws
 * `usage` when the file is there and not `force`, `damaged` when stored bytes are not the recorded ones, `failed` when it cannot be written.
 */
export async function exportPoint(
  store: Store,
  project: string,
  selector: string,
  output: string | Writable,
  force: boolean,
): Promise<ExportReport> {
  const { id } = await findPoint(store, project, selector);
  // Its place in the order is this store's matter: the same point gives the same archive, wherever it is.
  const point = { ...(await store.read(id)), sequence: 0 };
  const records = recordsOf(point);
  const manifest = manifestOf(point, records);
  const archive = writeTar(filesOf(store, manifest, records), (preceding) => ({
    path: CHECKSUM_FILE,
    text: `${preceding}\n`,
  }));
  const file = typeof output === 'string' ? resolve(output) : null;
  await explained('write the archive', async () => {
    if (typeof output === 'string') await writeWhole(resolve(output), archive, force);
    else await pipeline(Readable.from(archive, { objectMode: false }), output, { end: false });
  });
  const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
  return { id, project: manifest.project, file, files: manifest.files.length, bytes };
}

/** The record as it stands in a point that is not encrypted, and its checksum; by their names. */
function recordsOf(point: Point): Map<string, Buffer> {
  const { record, checksum } = renderPoint(point);
  return new Map([
    [POINT_FILE, Buffer.from(record)],
    [SIDECAR_FILE, Buffer.from(checksum)],
  ]);
}

/** What travels, the record first: the one place that knows. */
function manifestOf(point: Point, records: Map<string, Buffer>): Omit<Manifest, 'format' | 'tool'> {
  const files: TravelFile[] = [...records].map(([path, bytes]) => ({ path, ...fingerprintOf(bytes) }));
  for (const { stored, size, sha256 } of recordedFiles(point)) files.push({ path: stored, size, sha256 });
  const distinct = new Map(files.map((file) => [file.path, file]));
  return {
    tool_version: VERSION,
    point: point.id,
    project: point.project.name,
    files: [...distinct.values()],
  };
}

async function* filesOf(
  store: Store,
  manifest: Omit<Manifest, 'format' | 'tool'>,
  records: Map<string, Buffer>,
): AsyncGenerator<TarFile> {
  const text = Buffer.from(renderManifest(manifest));
  yield { path: MANIFEST_FILE, size: text.byteLength, content: one(text) };
  for (const file of manifest.files) {
    const record = records.get(file.path);
    yield {
      path: `${manifest.point}/${file.path}`,
      size: file.size,
      content: record ? one(record) : checked(store, manifest, file),
    };
  }
}

/** A stored file's bytes. Throws `damaged` at their end when they are not the recorded ones. */
async function* checked(
  store: Store,
  { point }: { point: string },
  file: TravelFile,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of await store.openStored({ id: point }, { stored: file.path })) {
    const bytes: Uint8Array = chunk;
    hash.update(bytes);
    yield bytes;
  }
  if (`sha256:${hash.digest('hex')}` === file.sha256) return;
  throw new RollbackError('damaged', `${quoted(file.path)} of ${point} is not what was recorded`, {
    hint: 'use another point; `compose-rollback verify --all` tells which are sound',
  });
}

/** Beside, synced, renamed. */
async function writeWhole(path: string, bytes: AsyncIterable<Uint8Array>, force: boolean): Promise<void> {
  await assertFree(path, force);
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    {
      await using file = await open(beside, 'wx', 0o600);
      await writeFile(file, bytes);
      await file.sync();
    }
    await assertFree(path, force);
    await rename(beside, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

async function assertFree(path: string, force: boolean): Promise<void> {
  const found = await lstatIfThere(path);
  if (!found || (force && found.isFile())) return;
  throw new RollbackError('usage', `${quoted(path)} is there already; nothing was exported`, {
    hint: found.isFile() ? 'choose another file, or add --force to replace it' : 'choose another file',
  });
}
