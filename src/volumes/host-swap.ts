import { rename, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { explained, hasErrno, syncDirectory } from '../store/files.js';
import type { Place } from './driver.js';
import { discardSibling, isThere, siblingPath } from './host-siblings.js';

/** Two renames each way. What is there tells how far an earlier call came, so that after a kill the same call goes on. */

/**
 * The staged directory is the place afterwards, and what was there is parked. Throws `failed` when nothing was staged or parked, or when something
 * is staged though the swap is done: what is parked is never replaced.
 */
export async function swapPlace(place: Place, run: string): Promise<void> {
  const { parked, staged, there } = await situation(place, run);
  if (!staged) {
    if (parked && there) return;
    throw cannotSwap(place, 'no data is staged');
  }
  if (parked && there) throw cannotSwap(place, 'its data was swapped before');
  if (!parked && !there) throw cannotSwap(place, `${place.path} is gone`);
  await explained(`swap ${quoted(place.name)}`, async () => {
    if (there) await rename(place.path, siblingPath(place, run, 'parked'));
    try {
      await rename(siblingPath(place, run, 'staged'), place.path);
    } catch (thrown) {
      await mendPlace(place, run);
      throw thrown;
    }
    await syncDirectory(dirname(place.path));
  });
}

/**
 * After a kill between two renames nothing is at the place: what was parked is there again. An engine that started in between may have made an empty
 * directory for it. Where nothing was cut short nothing is done.
 */
export async function mendPlace(place: Place, run: string): Promise<void> {
  await explained(`bring back the data of ${quoted(place.name)}`, async () => {
    const { parked, staged, there } = await situation(place, run);
    if (!parked || (there && !staged)) return;
    if (there && !(await removedEmpty(place.path))) return;
    await rename(siblingPath(place, run, 'parked'), place.path);
    await syncDirectory(dirname(place.path));
  });
}

async function removedEmpty(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOTEMPTY', 'EEXIST')) return false;
    throw thrown;
  }
}

/** What was parked is the place again; what is there by now is removed. Nothing parked: nothing to do. */
export async function unswapPlace(place: Place, run: string): Promise<void> {
  await explained(`bring back the data of ${quoted(place.name)}`, async () => {
    await discardSibling(place, run, 'discarded');
    const { parked, there } = await situation(place, run);
    if (!parked) return;
    const discarded = siblingPath(place, run, 'discarded');
    if (there) await rename(place.path, discarded);
    await rename(siblingPath(place, run, 'parked'), place.path);
    await syncDirectory(dirname(place.path));
    await discardSibling(place, run, 'discarded');
  });
}

async function situation(place: Place, run: string) {
  const [parked, staged, there] = await Promise.all([
    isThere(siblingPath(place, run, 'parked')),
    isThere(siblingPath(place, run, 'staged')),
    isThere(place.path),
  ]);
  return { parked, staged, there };
}

function cannotSwap(place: Place, why: string): RollbackError {
  return new RollbackError('failed', `the data of ${quoted(place.name)} cannot be swapped: ${why}`, {
    hint: 'stage the data again, then repeat',
  });
}
