import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { RollbackError } from '../model/errors.js';
import { RUN_VARIABLE } from '../model/names.js';

const GRACE_MS = 5000;
const POLL_MS = 20;

/**
 * Ends what a killed run left behind: a compose or tar that works on would meet whoever goes on with the run. They are told by their
 * environment and not by noted ids: between a start and its note there is always a gap. Where there is no /proc none are found.
 * Throws `failed` when one does not end.
 */
export async function endChildren(run: string): Promise<number> {
  const started = Date.now();
  const found = await childrenOf(run);
  for (let left = found; left.length > 0; left = await childrenOf(run)) {
    const waited = Date.now() - started;
    if (waited > 2 * GRACE_MS) {
      throw new RollbackError('failed', `process ${left.join(', ')} of the killed ${run} does not end`, {
        hint: 'end it, then try again',
      });
    }
    for (const pid of left) signal(pid, waited > GRACE_MS ? 'SIGKILL' : 'SIGTERM');
    await delay(POLL_MS);
  }
  return found.length;
}

async function childrenOf(run: string): Promise<number[]> {
  const entry = `${RUN_VARIABLE}=${run}`;
  const pids = (await listIfThere('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const marked = await Promise.all(
    pids.map(async (pid) => pid !== process.pid && (await environmentOf(pid)).includes(entry)),
  );
  return pids.filter((_, index) => marked[index]);
}

/** Empty for processes of others, for zombies, and for those that are gone. */
async function environmentOf(pid: number): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

async function listIfThere(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(String(code));
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}
