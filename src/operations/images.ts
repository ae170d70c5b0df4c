import type { Engine } from '../engine/engine.js';
import { RollbackError } from '../model/errors.js';
import { keptTag } from '../model/names.js';
import type { ImageArchive, Point, PointImage } from '../model/point.js';
import type { Store } from '../store/store.js';
import { gunzipped, readImageArchive, type ArchivedImage } from './image-archive.js';

/** Image archives of points: checked, and loaded. */

export const shortImage = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/** Throws `damaged` when loading an archive, by any of its lists, would bring anything else than the image's recorded layers. */
export function assertHolds(lists: ArchivedImage[][], image: PointImage, what: string): void {
  const same = (ids: string[]) => ids.join() === image.diff_ids.join();
  const problems = lists.flatMap((archived) => {
    const found = archived.find(({ diffIds }) => same(diffIds));
    return [
      found ? undefined : 'it is another image than the recorded one',
      found && !same(found.layers) ? 'its layers are not those that its configuration lists' : undefined,
      archived.some(({ tags }) => tags.length > 0) ? 'it has tags, which loading it would move' : undefined,
    ];
  });
  const problem = problems.find((one) => one !== undefined);
  if (problem === undefined) return;
  throw new RollbackError('damaged', `${what} cannot be used: ${problem}`, {
    hint: 'pull or build the image again, or leave the archives out (--save-images never)',
  });
}

/** Decodes an archive of a point to its end. Throws `damaged` when it is not the recorded image, `not-supported` as `readImageArchive`. */
export async function checkArchive(store: Store, point: Point, archive: ImageArchive): Promise<void> {
  const what = `the image archive ${archive.stored} of ${point.id}`;
  const image = Object.values(point.images).find(({ id }) => id === archive.image);
  if (!image) {
    throw new RollbackError('damaged', `${what} cannot be used: no service has its image`, {
      hint: 'use another point',
    });
  }
  const stream = await store.openStored(point, archive);
  const plain = archive.compression === 'gzip' ? gunzipped(stream, what) : stream;
  assertHolds(await readImageArchive(plain, what), image, what);
}

/**
 * Brings a point's image back from its archive and gives it the point's kept tag. The archive is decoded first: nothing wrong reaches the engine.
 * Returns the image's id on this engine, which may differ from the recorded one where ids are those of manifests. Throws `damaged`, and `failed`
 * when the point has no archive of it or the engine does not take it.
 */
export async function loadImage(engine: Engine, store: Store, point: Point, id: string): Promise<string> {
  const archive = point.image_archives.find((one) => one.image === id);
  const image = Object.values(point.images).find((one) => one.id === id);
  if (!archive || !image) {
    throw new RollbackError('failed', `point ${point.id} has no archive of image ${shortImage(id)}`, {
      hint: 'bring it back by other means, or use another point',
    });
  }
  await checkArchive(store, point, archive);
  const loaded = await engine.loadImages(await store.openStored(point, archive));
  for (const reference of [...loaded, image.id]) {
    const found = await engine.image(reference);
    if (found?.diffIds.join() !== image.diff_ids.join()) continue;
    await engine.tag(found.id, keptTag(point.id, image.id));
    return found.id;
  }
  throw new RollbackError('failed', `the engine took ${archive.stored} and does not have its image`, {
    hint: `try it by hand: docker load -i ${store.pointDir(point.id)}/${archive.stored}`,
  });
}
