import { createHash } from 'node:crypto';
import { runTool } from './child.js';
import { inside, type Place } from './driver.js';
import { findAll, type Found, unarchived } from './host-find.js';

export interface Listing {
  /** `sha256:<hex>`; null when something could still change without being seen. */
  digest: string | null;
  /** What an archive would hold: entries of all kinds, the directory itself left out. */
  entries: number;
  /** Sum of the sizes of regular files. */
  bytes: number;
}

/** Time stamps of files advance in steps, 10 ms at most: a change within the same step leaves no trace. */
const TICK_SECONDS = 0.02;

/**
 * Hash over the path, type, size, times, inode, mode, owners and link target of everything in a place: equal ones mean equal data, as
 * git judges it. Only the inode's own time decides whether it is too young to tell: nobody can set that one back. Throws `failed`.
 */
export async function listPlace(place: Place, signal?: AbortSignal): Promise<Listing> {
  const list = new FileList();
  for await (const batch of findAll(place, { signal })) {
    list.add(batch.filter(({ type }) => unarchived(type) === undefined));
  }
  return list.listing();
}

/**
 * Before a listing that is to be kept: writes through memory maps leave their time only once the system has written the page.
 * Throws `failed`.
 */
export async function settlePlace(place: Place): Promise<void> {
  const argv = inside(place, 'sync', '--file-system', '--', place.path);
  await runTool(`write ${place.path} to the disk`, argv);
}

/** A listing for whoever walks through a place anyway. */
export class FileList {
  readonly #start = Date.now() / 1000;
  readonly #hash = createHash('sha256');
  #entries = 0;
  #bytes = 0;
  #newest = 0;

  add(batch: Found[]): void {
    this.#hash.update(batch.map(({ record }) => record).join(''), 'latin1');
    this.#entries += batch.length;
    for (const { bytes, changed } of batch) {
      this.#bytes += bytes;
      this.#newest = Math.max(this.#newest, changed);
    }
  }

  /** Once, at the end. */
  listing(): Listing {
    const settled = this.#newest < this.#start - TICK_SECONDS;
    const digest = settled ? `sha256:${this.#hash.digest('hex')}` : null;
    return { digest, entries: this.#entries - 1, bytes: this.#bytes };
  }
}
