import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from './files.js';

/** TCP ports that somebody on this machine listens on, and by which sockets: their inodes. */
export type Listeners = Map<number, Set<string>>;

const LISTEN = '0A';

/** None where the kernel does not tell (not Linux). */
export async function findListeners(): Promise<Listeners> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readIfTold));
  const rows = tables.flatMap((table) => table.split('\n').slice(1)).map((row) => row.trim().split(/\s+/));
  const listeners: Listeners = new Map();
  for (const [, local, , state, , , , , , inode] of rows) {
    const port = Number.parseInt(local?.split(':')[1] ?? '', 16);
    if (state !== LISTEN || Number.isNaN(port) || inode === undefined) continue;
    listeners.set(port, (listeners.get(port) ?? new Set()).add(inode));
  }
  return listeners;
}

/** The program that has one of these sockets, for a person; undefined when it is nobody's that we may look at. */
export async function programWith(sockets: ReadonlySet<string>): Promise<string | undefined> {
  const links = new Set([...sockets].map((inode) => `socket:[${inode}]`));
  for (const pid of (await namesIn('/proc')).filter((name) => /^\d+$/.test(name))) {
    const folder = join('/proc', pid, 'fd');
    const files = await Promise.all((await namesIn(folder)).map((name) => targetOf(join(folder, name))));
    if (!files.some((file) => file !== undefined && links.has(file))) continue;
    const name = (await readIfTold(join('/proc', pid, 'comm'))).trim();
    return `${name || 'a program'} (process ${pid})`;
  }
  return undefined;
}

/** Processes end while they are looked at, and most are not ours. */
async function unlessHidden<T>(asking: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await asking;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR')) return otherwise;
    throw error;
  }
}

const readIfTold = (path: string) => unlessHidden(readFile(path, 'utf8'), '');
const namesIn = (path: string) => unlessHidden<string[]>(readdir(path), []);
const targetOf = (path: string) => unlessHidden<string | undefined>(readlink(path), undefined);
