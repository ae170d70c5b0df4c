import { constants, copyFile, mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted } from '../model/names.js';
import { explained, hasErrno } from '../store/files.js';
import { runTool } from './child.js';
import { inside, type Place } from './driver.js';
import { type Listing, listPlace, settlePlace } from './host-listing.js';
import { discardSibling, siblingPath } from './host-siblings.js';

export interface Clone {
  /** What to archive from. */
  place: Place;
  /** Of the original, as it was cloned. */
  listing: Listing['digest'];
}

/**
 * A copy that shares its blocks with the original: made in a moment, whatever the size. Undefined, and nothing left, where the file system
 * cannot. Begins afresh. Throws `failed`, or the signal's own reason, and leaves nothing then too.
 */
export async function clonePlace(place: Place, run: string, signal: AbortSignal): Promise<Clone | undefined> {
  const path = siblingPath(place, run, 'clone');
  try {
    return await explained(`clone ${quoted(place.name)}`, async () => {
      await discardSibling(place, run, 'clone');
      await mkdir(path, { mode: 0o700 });
      if (!(await sharesBlocks(path))) {
        await rmdir(path);
        return undefined;
      }
      await settlePlace(place);
      // First, so that a change meanwhile makes the two differ later.
      const { digest } = await listPlace(place, signal);
      const argv = inside(place, 'cp', '-a', '--reflink=always', '--', `${place.path}/.`, path);
      await runTool(`clone ${quoted(place.name)}`, argv, signal);
      return { place: { ...place, path }, listing: digest };
    });
  } catch (thrown) {
    await discardSibling(place, run, 'clone');
    throw thrown;
  }
}

async function sharesBlocks(directory: string): Promise<boolean> {
  const [one, other] = [join(directory, 'one'), join(directory, 'other')];
  await writeFile(one, Buffer.alloc(4096));
  try {
    await copyFile(one, other, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'ENOTTY', 'EXDEV')) return false;
    throw thrown;
  } finally {
    await rm(one);
    await rm(other, { force: true });
  }
}
