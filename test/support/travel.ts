import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { Point } from '../../src/model/point.js';
import { exportPoint } from '../../src/points/export.js';
import { importPoint, openArchive, type ImportReport, type ImportRequest } from '../../src/points/import.js';
import { Store } from '../../src/store/store.js';
import { readTar } from '../../src/store/tar.js';
import { unreachableEngine } from './nobody.js';
import { makePoint, writePoint } from './store.js';
import { hex, pieces, rawEntry, rawTar, type RawEntry } from './tars.js';

/** Points that travel, sound and hostile ones, without any engine: one that nobody answers for. */

export async function storeAt(path: string): Promise<Store> {
  return await Store.open(path, { create: true });
}

/** A point of project `shop` without images, with these files. */
export async function pointIn(
  store: Store,
  number = 1,
  changes: Partial<Point> = {},
  files?: Record<string, string>,
): Promise<Point> {
  const point = makePoint(number, { images: {}, docker_images: {}, ...changes });
  return await writePoint(await store.begin(point.id), point, files);
}

let nobody: Engine | undefined;

/** Imports into project `shop`. */
export async function importInto(
  store: Store,
  input: string | Buffer,
  request: ImportRequest = {},
): Promise<ImportReport> {
  const project = {
    name: 'shop',
    directory: '/srv/shop',
    files: [],
    origin: 'default' as const,
    profiles: [],
    envFiles: [],
  };
  nobody ??= await unreachableEngine();
  const archive = await openArchive(typeof input === 'string' ? input : Readable.from(pieces(input, 4096)));
  try {
    return await importPoint({ store, project, engine: nobody }, archive, request);
  } finally {
    await archive.entries.return(undefined);
  }
}

/** An exported point as it can be tampered with. */
export interface Parts {
  manifest: {
    [key: string]: unknown;
    point: string;
    files: { path: string; size: number; sha256: string }[];
  };
  /** Files of the point; paths below its id. */
  entries: RawEntry[];
}

export async function partsOf(archive: Buffer): Promise<Parts> {
  const entries: RawEntry[] = [];
  for await (const { path, content } of readTar(pieces(archive, 4096), 'it'))
    entries.push({ path, content: await buffer(content) });
  const [manifest, ...rest] = entries;
  return { manifest: JSON.parse(String(manifest?.content)), entries: rest.slice(0, -1) };
}

/** An archive of these parts whose checksum is right, whatever else is wrong with it. */
export function assembled({ manifest, entries }: Parts): Buffer {
  const head = { path: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) };
  const body = Buffer.concat([head, ...entries].map(rawEntry));
  return Buffer.concat([body, rawTar([{ path: 'checksum.sha256', content: Buffer.from(`${hex(body)}\n`) }])]);
}

/** The manifest's line of a file follows its contents, and the record's sidecar the record: what a careful forger does. */
export function consistent({ manifest, entries }: Parts): Parts {
  const prefix = `${manifest.point}/`;
  const record = entries.find(({ path }) => path === `${prefix}point.json`);
  const sidecar = Buffer.from(`${hex(record?.content ?? Buffer.alloc(0))}  point.json\n`);
  const mended = entries.map((entry) =>
    entry.path === `${prefix}point.json.sha256` ? { ...entry, content: sidecar } : entry,
  );
  const files = mended.map(({ path, content = Buffer.alloc(0) }) => ({
    path: path.startsWith(prefix) ? path.slice(prefix.length) : path,
    size: content.length,
    sha256: `sha256:${hex(content)}`,
  }));
  return { manifest: { ...manifest, files }, entries: mended };
}

/** All paths below a directory, links not followed. */
export async function pathsIn(directory: string): Promise<string[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  return found.map((item) => join(item.parentPath, item.name).slice(directory.length + 1)).toSorted();
}

const FILES = {
  'compose.yaml': 'services: {}\n',
  '.env': 'A=1\n',
  [`${'deep/'.repeat(40)}end`]: 'x'.repeat(70_000),
  empty: '',
};

export interface Travellers {
  /** All is below it. */
  folder: string;
  /** Has the point. */
  here: Store;
  /** Empty. */
  there: Store;
  point: Point;
  /** The point, exported. */
  archive: Buffer;
}

/** Gone when the test ends. */
export async function travellers(): Promise<Travellers> {
  // Not on a disk: nothing here is about losing power.
  const folder = await mkdtemp('/dev/shm/cr-travel-');
  const here = await storeAt(join(folder, 'here'));
  const there = await storeAt(join(folder, 'there'));
  onTestFinished(async () => {
    here.close();
    there.close();
    await rm(folder, { recursive: true });
  });
  const point = await pointIn(here, 1, { name: 'stable' }, FILES);
  await here.tidy();
  return { folder, here, there, point, archive: await exported(here, point.id) };
}

export async function exported(store: Store, selector: string, project = 'shop'): Promise<Buffer> {
  const stream = new PassThrough();
  const [bytes] = await Promise.all([
    buffer(stream),
    exportPoint(store, project, selector, stream, false).finally(() => stream.end()),
  ]);
  return bytes;
}

export const namesIn = async (store: Store): Promise<string[]> =>
  ((await store.readIndex())?.points() ?? []).map(({ id }) => id);
