import { createHash } from 'node:crypto';
import type { Place } from './driver.js';
import { findAll, unarchived } from './host-find.js';

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
  const start = Date.now() / 1000;
  const hash = createHash('sha256');
  let [entries, bytes, newest] = [0, 0, 0];
  for await (const batch of findAll(place, { signal })) {
    for (const found of batch) {
      if (unarchived(found.type) !== undefined) continue;
      hash.update(found.record);
      entries += 1;
      bytes += found.bytes;
      newest = Math.max(newest, found.changed);
    }
  }
  const settled = newest < start - TICK_SECONDS;
  return { digest: settled ? `sha256:${hash.digest('hex')}` : null, entries: entries - 1, bytes };
}
