import { createHash } from 'node:crypto';
import type { Place } from './driver.js';
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
    for (const found of batch) if (unarchived(found.type) === undefined) list.add(found);
  }
  return list.listing();
}

/** A listing for whoever walks through a place anyway. */
export class FileList {
  readonly #start = Date.now() / 1000;
  readonly #hash = createHash('sha256');
  #entries = 0;
  #bytes = 0;
  #newest = 0;

  add({ record, bytes, changed }: Found): void {
    this.#hash.update(record);
    this.#entries += 1;
    this.#bytes += bytes;
    this.#newest = Math.max(this.#newest, changed);
  }

  /** Once, at the end. */
  listing(): Listing {
    const settled = this.#newest < this.#start - TICK_SECONDS;
    const digest = settled ? `sha256:${this.#hash.digest('hex')}` : null;
    return { digest, entries: this.#entries - 1, bytes: this.#bytes };
  }
}
