import { lstat, readlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { hasCode, isDenied, isMissing, look } from './paths.js';

/** Links that lead out of a project, and whether their makers may see what they lead to. */

const MAX_LINKS = 40; // as the kernel has it
const [READ, SEARCH] = [0o4, 0o1];

export interface Destination {
  /** Absolute, without any link in it, there or not. */
  place: string;
  /** User ids of the owners of all links on the way. */
  makers: Set<number>;
}

/** Follows every link in `path` (absolute). Undefined where they lead in circles, or cannot be read. */
export async function followLinks(path: string): Promise<Destination | undefined> {
  const makers = new Set<number>();
  let pending = path.split('/').filter(Boolean);
  let at = '/';
  let hops = 0;
  try {
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      const next = resolve(at, name);
      const found = await look(next);
      if (!found?.isSymbolicLink()) {
        at = next;
        continue;
      }
      if ((hops += 1) > MAX_LINKS) return undefined;
      makers.add(found.uid);
      const target = await readlink(next);
      pending = [...target.split('/').filter(Boolean), ...pending];
      if (target.startsWith('/')) at = '/';
    }
  } catch (error) {
    if (isDenied(error) || isMissing(error) || hasCode(error, 'EINVAL')) return undefined;
    throw error;
  }
  return { place: at, makers };
}

/**
 * May this user read the file at `place`, a path without links? Judged by owners and modes. Groups of other users are not known, so their rights
 * count only where everybody has them.
 */
export async function mayRead(user: number, place: string): Promise<boolean> {
  if (user === 0 || user === process.geteuid?.()) return true;
  for (let path = place; ; path = dirname(path)) {
    const { mode, uid } = await lstat(path);
    const needed = path === place ? READ : SEARCH;
    const granted = uid === user ? mode >> 6 : mode & (mode >> 3);
    if ((granted & needed) === 0) return false;
    if (path === '/') return true;
  }
}
