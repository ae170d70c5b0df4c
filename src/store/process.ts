import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { hasErrno } from './files.js';

/**
 * Naming a process so that a later one can tell whether it still lives: `<pid>-<start>-<place>`. The start time tells a reused pid
 * apart; the place (this boot, this pid namespace) keeps us from judging processes that we cannot see.
 */
export const PROCESS_MARK = /^(\d{1,10})-(\d{1,20})-([0-9a-f]{8})$/;

/**
 * Start time of a process in clock ticks since boot; undefined when it is gone, a zombie included. Where there is no /proc all
 * living processes answer `0`.
 */
export async function processStart(pid: number): Promise<string | undefined> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  if (stat !== undefined) {
    // The command name, in parentheses, may hold anything: the fixed fields start after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }
  if ((await readIfThere('/proc/self/stat')) !== undefined) return undefined;
  try {
    process.kill(pid, 0);
    return '0';
  } catch (error) {
    if (hasErrno(error, 'EPERM')) return '0';
    if (hasErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** The mark of this process. */
export async function ownMark(): Promise<string> {
  return `${process.pid}-${(await processStart(process.pid)) ?? '0'}-${await place()}`;
}

/** Whether the process of a mark still runs; undefined when it cannot be known from here. */
export async function isAlive(mark: string): Promise<boolean | undefined> {
  const [, pid, start, where] = PROCESS_MARK.exec(mark) ?? [];
  if (pid === undefined || where !== (await place())) return undefined;
  return (await processStart(Number(pid))) === start;
}

async function place(): Promise<string> {
  const boot = await readIfThere('/proc/sys/kernel/random/boot_id');
  const namespace = boot === undefined ? hostname() : await readlink('/proc/self/ns/pid');
  return createHash('sha256').update(`${boot} ${namespace}`).digest('hex').slice(0, 8);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
