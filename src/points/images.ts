import { once } from 'node:events';
import { createGzip, type Gzip } from 'node:zlib';
import type { Engine } from '../engine/engine.js';
import type { ImageArchive, Point, PointImage, SaveImages } from '../model/point.js';
import type { PointWriter } from '../store/point-writer.js';
import type { Store } from '../store/store.js';
import { readImageArchive } from '../operations/image-archive.js';
import { assertHolds, shortImage } from '../operations/images.js';
import { readIfOpen } from './find.js';

/** Image archives of points: made, shared between points, checked, and loaded. */

/** An archive of just this image that an earlier point has, with its absolute path. */
export type FindArchive = (image: PointImage) => Promise<{ path: string; archive: ImageArchive } | undefined>;

/**
 * Stores each of the point's images once, or shares what an earlier point has stored, and returns the record that tells of them; what could not be saved
 * is among its warnings. `report` is told of an image before it is saved. `auto` leaves out what came from a registry. Throws `failed` when the space will not do (before it writes anything)
 * or the engine fails, `damaged` when what the engine sends is not the recorded image.
 */
export async function saveImages(
  engine: Engine,
  writer: PointWriter,
  point: Point,
  mode: SaveImages,
  findEarlier: FindArchive,
  report: (image: PointImage) => void = () => undefined,
): Promise<Point> {
  const archives: ImageArchive[] = [];
  const anew: PointImage[] = [];
  const warnings: string[] = [];
  let needed = 0;
  for (const image of await imagesToSave(engine, point, mode)) {
    const shared = await share(writer, image, findEarlier);
    if (shared) archives.push(shared);
    else {
      const found = image.diff_ids.length > 0 ? await engine.image(image.id) : undefined;
      if (found) anew.push(image);
      else if (image.kept_tag !== null)
        warnings.push(`the image of ${image.ref} is not archived: the engine has it no more`);
      needed += found?.sizeBytes ?? 0;
    }
  }
  await writer.assertSpace(needed, 'the image archives');
  for (const image of anew) {
    report(image);
    archives.push(await save(engine, writer, image));
  }
  const size = archives.reduce((sum, archive) => sum + archive.size, 0);
  return {
    ...point,
    image_archives: [...point.image_archives, ...archives],
    warnings: [...point.warnings, ...warnings],
    sizes: { ...point.sizes, images: point.sizes.images + size, total: point.sizes.total + size },
  };
}

/** Each image once. */
export async function imagesToSave(engine: Engine, point: Point, mode: SaveImages): Promise<PointImage[]> {
  if (mode === 'never') return [];
  const images = [...new Map(Object.values(point.images).map((image) => [image.id, image])).values()];
  if (mode === 'always') return images;
  const pulled = await Promise.all(images.map((image) => engine.isPulled(image)));
  return images.filter((_, index) => !pulled[index]);
}

/** Zlib's defaults make for many small steps, each waiting for the next: compressing would wait for hashing, and hashing for that. Bytes. */
const COMPRESSION = { level: 1, chunkSize: 256 * 1024, highWaterMark: 2 * 1024 * 1024 };

const placeOf = (image: PointImage): string => `images/${shortImage(image.id)}.tar.gz`;

async function share(
  writer: PointWriter,
  image: PointImage,
  findEarlier: FindArchive,
): Promise<ImageArchive | undefined> {
  const earlier = await findEarlier(image);
  if (!earlier) return undefined;
  const archive = { ...earlier.archive, stored: placeOf(image) };
  return (await writer.addLink(archive.stored, earlier.path, archive)) ? archive : undefined;
}

/** Compresses what the engine sends and looks into it, both while it comes: what fails first ends both, and is thrown. */
async function save(engine: Engine, writer: PointWriter, image: PointImage): Promise<ImageArchive> {
  const what = `what the engine sends as image ${shortImage(image.id)}`;
  const sent = await engine.saveImage(image.id);
  const gzip = createGzip(COMPRESSION);
  const failure = new AbortController();
  const ending = (error: unknown): never => {
    failure.abort(error);
    gzip.destroy(error instanceof Error ? error : undefined);
    throw error;
  };
  const stored = placeOf(image);
  const storing = writer.addStream(stored, gzip).catch(ending);
  const reading = readImageArchive(teed(sent, gzip, failure.signal), what).catch(ending);
  await Promise.allSettled([storing, reading]);
  failure.signal.throwIfAborted();
  assertHolds(await reading, image, what);
  return { image: image.id, stored, ...(await storing), compression: 'gzip' };
}

/** The bytes of `source`, which go into `gzip` too. */
async function* teed(
  source: AsyncIterable<Uint8Array>,
  gzip: Gzip,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    if (!gzip.write(chunk)) await once(gzip, 'drain', { signal });
    yield chunk;
  }
  gzip.end();
}

/** Archives of the project's earlier points, newest first; their records are read when they are asked for. */
export async function earlierArchives(store: Store, project: string): Promise<FindArchive> {
  const points = (await store.readIndex())?.points({ project }) ?? [];
  const known: Point[] = [];
  const unread = points.filter(({ sizes }) => sizes.images > 0).map(({ id }) => id);
  const archiveIn = async (point: Point, image: PointImage) => {
    const archive = point.image_archives.find((one) => one.image === image.id);
    const recorded = Object.values(point.images).find(({ id }) => id === image.id);
    if (!archive || recorded?.diff_ids.join() !== image.diff_ids.join()) return undefined;
    return { path: store.placeOf(point.id, archive), archive };
  };
  return async (image) => {
    for (const point of known) {
      const found = await archiveIn(point, image);
      if (found) return found;
    }
    for (let id = unread.shift(); id !== undefined; id = unread.shift()) {
      const point = await readIfOpen(store, id);
      if (!point) continue;
      known.push(point);
      const found = await archiveIn(point, image);
      if (found) return found;
    }
    return undefined;
  };
}
