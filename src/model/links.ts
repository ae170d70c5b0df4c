import { posix } from 'node:path';

const MAX_LINKS = 40; // as the kernel has it

/**
 * Where a path is once the links among these entries are followed. Pure.
 * @param links absolute paths of links to their targets
 */
export function throughLinks(path: string, links: ReadonlyMap<string, string>): string {
  let pending = path.split('/').filter(Boolean);
  let at = '/';
  for (let hops = 0; pending.length > 0;) {
    const next = posix.resolve(at, pending.shift() ?? '.');
    const target = links.get(next);
    if (target === undefined || hops === MAX_LINKS) at = next;
    else {
      hops += 1;
      pending = [...target.split('/').filter(Boolean), ...pending];
      at = target.startsWith('/') ? '/' : posix.dirname(next);
    }
  }
  return at;
}
