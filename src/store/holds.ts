import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { RUN_ID } from '../model/names.js';
import type { BackupDir } from './backup-dir.js';
import { explained, parseJson, readRegular, syncDirectory, writeNewFile } from './files.js';
import { assertSafe } from './paths.js';
import { isAlive, ownMark } from './process.js';

/**
 * Containers that a process keeps from running while it copies their data, noted before it does. Who dies in between leaves its note:
 * whoever finds it makes them run again.
 */
export interface Hold {
  path: string;
  /** Container ids. */
  containers: string[];
  /** Directories that clones may stand beside, and the id that clones go by. */
  clones: Clones | undefined;
}

export interface Clones {
  run: string;
  /** Absolute paths. */
  paths: string[];
}

const noteSchema = z.object({
  containers: z.array(z.string()),
  clones: z.object({ run: z.string().regex(RUN_ID), paths: z.array(z.string().startsWith('/')) }).optional(),
});

const NOTE = /^(\d+-\d+-[0-9a-f]{8})-[0-9a-f]{8}\.json$/;

/** The note is on the disk when this returns. */
export async function writeHold(backupDir: BackupDir, containers: string[], clones?: Clones): Promise<Hold> {
  return await explained('note what is paused', async () => {
    await mkdir(backupDir.holdsDir, { recursive: true, mode: 0o700 });
    await assertSafe(backupDir.holdsDir, 'directory');
    const path = join(backupDir.holdsDir, `${await ownMark()}-${randomBytes(4).toString('hex')}.json`);
    await writeNewFile(path, JSON.stringify({ containers, clones }));
    await syncDirectory(backupDir.holdsDir);
    return { path, containers, clones };
  });
}

export async function dropHold({ path }: Hold): Promise<void> {
  await explained('take a note away', () => rm(path, { force: true }));
}

/** Notes of processes that are gone, or that cannot be seen from here. */
export async function deadHolds(backupDir: BackupDir): Promise<Hold[]> {
  if (!(await assertSafe(backupDir.holdsDir, 'directory'))) return [];
  const found: Hold[] = [];
  for (const name of await readdir(backupDir.holdsDir)) {
    const mark = NOTE.exec(name)?.[1];
    if (mark === undefined || (await isAlive(mark)) === true) continue;
    const path = join(backupDir.holdsDir, name);
    const note = noteSchema.safeParse(parseJson((await readRegular(path)).toString('utf8')));
    // It was being written: then nothing was paused or cloned yet.
    const { containers, clones } = note.success ? note.data : { containers: [], clones: undefined };
    found.push({ path, containers, clones });
  }
  return found;
}
