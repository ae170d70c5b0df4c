import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { open, readlink } from 'node:fs/promises';
import type { ConfigEntry, Owner } from '../model/project.js';
import { hasCode, isDenied, isMissing, look } from './paths.js';

/** One path as it is on disk now. */

const PERMISSIONS = 0o7777;
const CHUNK_BYTES = 1 << 16;
const PARALLEL = 8;

/** @param since milliseconds of the epoch: a file that was written later is marked as unsteady; never when absent */
export async function readEntry(absolute: string, path: string, since = Infinity): Promise<ConfigEntry> {
  try {
    const found = await look(absolute);
    if (found === undefined) return { path, type: 'absent' };
    if (found.isSymbolicLink()) return await readLinkEntry(absolute, path, found);
    const owner = ownerOf(found);
    if (found.isDirectory()) return { path, type: 'directory', mode: found.mode & PERMISSIONS, owner };
    if (!found.isFile()) return { path, type: 'other', what: describeKind(found) };
    return await hashFile(absolute, path, since);
  } catch (error) {
    if (isMissing(error)) return { path, type: 'absent' };
    if (isDenied(error)) return { path, type: 'other', what: 'unreadable (permission denied)' };
    // Replaced by something else between two looks.
    if (hasCode(error, 'ELOOP', 'EINVAL', 'ENXIO')) return { path, type: 'other', what: 'changing' };
    throw error;
  }
}

export const ownerOf = ({ uid, gid }: Stats): Owner => ({ uid, gid });

/** A target that is not UTF-8 cannot be written down in a point, and a changed one would lead elsewhere. */
async function readLinkEntry(absolute: string, path: string, found: Stats): Promise<ConfigEntry> {
  const target = await readlink(absolute, { encoding: 'buffer' });
  if (!isUtf8(target)) return { path, type: 'other', what: 'a symlink to a name that is not UTF-8' };
  return { path, type: 'symlink', target: target.toString(), owner: ownerOf(found) };
}

/** Size, mode, owner and hash of the very same bytes, whatever happens to the name meanwhile. */
async function hashFile(absolute: string, path: string, since: number): Promise<ConfigEntry> {
  const handle = await open(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let size = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, size);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
    const found = await handle.stat();
    return {
      path,
      type: 'file',
      mode: found.mode & PERMISSIONS,
      owner: ownerOf(found),
      size,
      sha256: `sha256:${hash.digest('hex')}`,
      ...(found.mtimeMs >= since && { unsteady: true }),
    };
  } finally {
    await handle.close();
  }
}

export function describeKind(stats: Stats): string {
  if (stats.isFIFO()) return 'a named pipe';
  if (stats.isSocket()) return 'a socket';
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return 'a device';
  if (stats.isDirectory()) return 'a directory';
  return stats.isSymbolicLink() ? 'a symlink' : 'a file';
}

/** Order of code units: the same everywhere. */
export function byPath(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : Number(a.path > b.path);
}

/** `work` on all items, a few at a time, results in order. */
export async function mapBounded<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
  return results;
}
