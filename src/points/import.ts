import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import { assertPointName, quoted } from '../model/names.js';
import type { Point, PointImage } from '../model/point.js';
import type { Workspace } from '../session/workspace.js';
import { explained, lstatIfThere } from '../store/files.js';
import { isSealed, POINT_FILE, recordedFiles } from '../store/point-files.js';
import { parseRecord } from '../store/point-reader.js';
import type { PointWriter } from '../store/point-writer.js';
import { readTar, type TarEntry } from '../store/tar.js';
import { keptTags } from './record.js';
import {
  CHECKSUM_FILE,
  LIMITS,
  MANIFEST_FILE,
  notAnArchive,
  parseManifest,
  type Manifest,
  type TravelFile,
} from './travel.js';

export interface ImportRequest {
  /** Take a point of this project as one of the project at hand. */
  fromProject?: string | undefined;
  /** Another name for the point. */
  name?: string | undefined;
}

export interface ImportReport {
  id: string;
  project: string;
  /** True when the very same point was here before; nothing was changed then. */
  already: boolean;
  files: number;
  bytes: number;
  /** On this engine (and kept there now), in an archive of the point, or neither. */
  images: { ref: string; id: string; where: 'engine' | 'archive' | 'nowhere' }[];
}

/** What it takes to import. */
type Place = Pick<Workspace, 'store' | 'engine' | 'project'>;

/** An exported point that is being read; its manifest is known. */
export interface OpenArchive {
  what: string;
  manifest: Manifest;
  /** What follows the manifest. */
  entries: AsyncGenerator<TarEntry>;
}

/** Reads the manifest of an exported point. Throws `damaged`, `unsafe`, `not-supported`, `failed` when there is no such file. */
export async function openArchive(input: string | Readable): Promise<OpenArchive> {
  const what = typeof input === 'string' ? quoted(input) : 'the input';
  const source = typeof input === 'string' ? await openInput(input) : input;
  const entries = readTar(source, what, createHash('sha256'));
  try {
    const first = await entryOf(entries, { what });
    if (first?.path !== MANIFEST_FILE || first.type !== 'file' || first.size > LIMITS.manifest) {
      throw notAnArchive(what, `it does not begin with a ${MANIFEST_FILE}`);
    }
    return { what, entries, manifest: parseManifest((await bytesOf(first)).toString('utf8'), what) };
  } catch (error) {
    await entries.return(undefined);
    throw error;
  }
}

async function openInput(path: string): Promise<Readable> {
  return await explained('read the archive', async () => {
    const handle = await open(path);
    if ((await handle.stat()).isDirectory()) {
      await handle.close();
      throw new RollbackError('usage', `${quoted(path)} is a directory`, {
        hint: 'give it an exported point',
      });
    }
    return createReadStream(path, { fd: handle });
  });
}

async function entryOf(entries: AsyncGenerator<TarEntry>, { what }: { what: string }): Promise<TarEntry> {
  const next = await explained('read the archive', () => entries.next());
  if (next.done) throw notAnArchive(what, 'it ends too early');
  return next.value;
}

async function bytesOf({ content }: TarEntry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}

/**
 * Makes a point of an archive, whole or not at all: everything is checked before it appears. Tags that keep its images are made for those that this engine
 * has. The caller holds the project's lock. Throws `usage` for a point of another project, or whose id or name is taken; `damaged`,
 * `unsafe`, `not-supported` for what is no sound point; `failed` without space.
 */
export async function importPoint(
  place: Place,
  archive: OpenArchive,
  request: ImportRequest,
): Promise<ImportReport> {
  const { store, engine } = place;
  const { manifest } = archive;
  if (request.name !== undefined) assertPointName(request.name);
  assertProject(place, archive, request);
  const present = await presentPoint(place, archive);
  if (present) return report(archive, present, await imagesHere(place, present), true);
  const writer = await store.begin(manifest.point);
  const kept: string[] = [];
  try {
    const size = manifest.files.reduce((sum, file) => sum + file.size, 0);
    await writer.assertSpace(size, 'the point');
    const point = await receive(place, archive, request, writer);
    const images = await imagesHere(place, point);
    for (const [reference, image] of keptTags(point)) {
      const here = images.get(image);
      if (here === undefined) continue;
      kept.push(reference); // before: see `recordPoint`
      await engine.tag(here, reference);
    }
    (await store.writeIndex()).insertPoint(await writer.commit(point));
    return report(archive, point, images, false);
  } catch (error) {
    for (const reference of kept) await engine.untag(reference);
    await writer.abandon();
    throw error;
  }
}

function assertProject({ project }: Place, archive: OpenArchive, request: ImportRequest): void {
  const theirs = archive.manifest.project;
  if (theirs === project.name || theirs === request.fromProject) return;
  throw new RollbackError(
    'usage',
    `${archive.what} holds a point of project ${quoted(theirs)}, and this is ${project.name}; nothing was imported`,
    { hint: `go to that project, or take it for this one with --from-project ${quoted(theirs)}` },
  );
}

/** The point, when it is here already. Throws `usage` when something else has its id. */
async function presentPoint({ store }: Place, archive: OpenArchive): Promise<Point | undefined> {
  const { point: id, files } = archive.manifest;
  if (!(await lstatIfThere(store.pointDir(id)))) return undefined;
  try {
    const point = await store.read(id);
    // The record itself may have changed since: it says whether the point is pinned.
    if (
      filesKey(recordedFiles(point)) === filesKey(dataOf(files)) &&
      (await store.verify(point)).length === 0
    ) {
      return point;
    }
  } catch (error) {
    if (!(error instanceof RollbackError)) throw error;
  }
  throw new RollbackError(
    'usage',
    `there is a point ${id} already, with other contents; nothing was imported`,
    {
      hint: `\`compose-rollback delete ${id}\` makes room for it, if that one is of no use`,
    },
  );
}

const dataOf = (files: readonly TravelFile[]) =>
  files.slice(2).map(({ path, ...rest }) => ({ ...rest, stored: path }));

/** The same for the same files with the same contents. */
function filesKey(files: readonly { stored: string; size: number; sha256: string }[]): string {
  const lines = files.map(({ stored, size, sha256 }) => JSON.stringify([stored, size, sha256]));
  return [...new Set(lines)].toSorted().join('\n');
}

async function receive(
  place: Place,
  archive: OpenArchive,
  request: ImportRequest,
  writer: PointWriter,
): Promise<Point> {
  const [recordFile, sidecarFile, ...data] = archive.manifest.files;
  const record = await receiveRecord(archive, recordFile);
  const checksum = await receiveRecord(archive, sidecarFile);
  const stored = parseRecord(record, checksum, archive.manifest.point, `${POINT_FILE} in ${archive.what}`);
  if (isSealed(stored)) throw notAnArchive(archive.what, 'its point is encrypted');
  const point = await adapted(place, archive, request, stored);
  for (const file of data) await receiveFile(archive, file, writer);
  await assertEnd(archive);
  return point;
}

/** The point as it will be here. Throws `damaged` when the record is not that of these files, `usage` when its name is taken. */
async function adapted(
  { store, project }: Place,
  { manifest, what }: OpenArchive,
  request: ImportRequest,
  point: Point,
): Promise<Point> {
  if (point.project.name !== manifest.project) throw notAnArchive(what, 'its record is of another project');
  if (filesKey(recordedFiles(point)) !== filesKey(dataOf(manifest.files))) {
    throw notAnArchive(what, 'its record is of other files');
  }
  const name = request.name ?? point.name;
  const index = await store.writeIndex();
  const holder = name === null ? undefined : index.pointByName(project.name, name);
  if (holder) {
    throw new RollbackError(
      'usage',
      `the name ${name} is taken by point ${holder.id}; nothing was imported`,
      {
        hint: 'give the imported one another with --name',
      },
    );
  }
  // Its place in the other store means nothing here. It stands where its time says: an old point must not become `latest`.
  const sequence = index.placeAt(project.name, point.timestamp);
  return { ...point, name, sequence, project: { ...point.project, name: project.name } };
}

/** The next entry, which has to be this file of the point. */
async function expectFile(archive: OpenArchive, file: TravelFile | undefined): Promise<TarEntry> {
  const entry = await entryOf(archive.entries, archive);
  const path = `${archive.manifest.point}/${file?.path}`;
  if (entry.path !== path || entry.type !== 'file' || entry.size !== file?.size) {
    throw notAnArchive(archive.what, `${quoted(entry.path)} is not what its manifest says`);
  }
  return entry;
}

async function receiveRecord(archive: OpenArchive, file: TravelFile | undefined): Promise<Buffer> {
  const entry = await expectFile(archive, file);
  if (entry.size > LIMITS.record) throw notAnArchive(archive.what, 'its record is too large');
  const bytes = await bytesOf(entry);
  if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== file?.sha256)
    throw changed(archive, entry);
  return bytes;
}

async function receiveFile(archive: OpenArchive, file: TravelFile, writer: PointWriter): Promise<void> {
  const entry = await expectFile(archive, file);
  const { sha256 } = await writer.addStream(file.path, entry.content);
  if (sha256 !== file.sha256) throw changed(archive, entry);
}

const changed = ({ what }: OpenArchive, { path }: TarEntry) =>
  notAnArchive(what, `the contents of ${quoted(path)} have changed`);

/** The checksum of all that came, and nothing behind it. */
async function assertEnd(archive: OpenArchive): Promise<void> {
  const trailer = await entryOf(archive.entries, archive);
  const expected = Buffer.from(`${trailer.preceding}\n`);
  const isTrailer =
    trailer.path === CHECKSUM_FILE && trailer.type === 'file' && trailer.size === expected.length;
  if (!isTrailer) throw notAnArchive(archive.what, `${quoted(trailer.path)} is not what its manifest says`);
  if (!(await bytesOf(trailer)).equals(expected)) throw notAnArchive(archive.what, 'its checksum is wrong');
  const more = await explained('read the archive', () => archive.entries.next());
  if (!more.done) throw notAnArchive(archive.what, 'it goes on after its checksum');
}

/** Recorded image ids that this engine has, to the ids it has them under: only their layers tell that they are the same. */
async function imagesHere({ engine }: Place, point: Point): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { id, ref, diff_ids } of distinctImages(point)) {
    for (const reference of [id, ref]) {
      const image = await engine.image(reference);
      const same = image && diff_ids.length > 0 && image.diffIds.join() === diff_ids.join();
      if (same && !found.has(id)) found.set(id, image.id);
    }
  }
  return found;
}

function distinctImages(point: Point): PointImage[] {
  return [...new Map(Object.values(point.images).map((image) => [image.id, image])).values()];
}

function report(
  { manifest }: OpenArchive,
  point: Point,
  here: Map<string, string>,
  already: boolean,
): ImportReport {
  const archived = new Set(point.image_archives.map(({ image }) => image));
  return {
    id: point.id,
    project: point.project.name,
    already,
    files: manifest.files.length,
    bytes: manifest.files.reduce((sum, { size }) => sum + size, 0),
    images: distinctImages(point).map(({ ref, id }) => ({
      ref,
      id,
      where: here.has(id) ? 'engine' : archived.has(id) ? 'archive' : 'nowhere',
    })),
  };
}
