import { statfs } from 'node:fs/promises';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';

/** Bytes that are free for us in the file system of a directory. */
export async function spaceIn(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Throws `failed` when less than `needed` bytes are free for us in the file system of `directory`. `what` they are for: "the image archives". */
export async function assertSpace(directory: string, needed: number, what: string): Promise<void> {
  const free = await spaceIn(directory);
  if (needed <= free) return;
  throw new RollbackError(
    'failed',
    `there is no space for ${what} in ${quoted(directory)}: ${megabytes(needed)} needed, ${megabytes(free)} free; nothing was stored`,
    { hint: 'free some space there, or choose another place with --backup-dir' },
  );
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
