import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { explained, hasErrno, parseJson, readRegular } from './files.js';
import { isAlive, ownMark } from './process.js';
import { openDatabase, sqliteCode } from './sqlite.js';

/** SQLite's own wait would block the process. */
const LOCK_POLL_MS = 100;

export interface LockRequest {
  /** The engine's own id: one project name on two engines is two projects. */
  engineId: string;
  project: string;
  /** What the holder does, for those who find it locked: `rollback rb-a1b2c3d4e5f6`. Holds no secrets: every user can read it. */
  command: string;
}

export interface LockWait {
  /** How long to wait for another holder, in milliseconds; 0 when absent. */
  timeoutMs?: number | undefined;
  /** Ends the waiting with its reason. */
  signal?: AbortSignal | undefined;
  /** Called once, when another holds the lock and it will be waited for, with who that is. */
  onWait?: ((holder: string) => void) | undefined;
}

export interface Lock {
  /** May be called again. */
  release(): Promise<void>;
}

/** What the holder leaves beside the lock. Anybody may have written it: it is told, never trusted. */
interface Holder {
  pid: number;
  command: string;
  since: string;
  mark: string;
}

/**
 * Takes a project's lock for as long as this process lives or until `release`. It is a SQLite file held with BEGIN EXCLUSIVE, so the kernel
 * frees it with the process, however that ends; nothing is ever written to it.
 * @throws RollbackError `locked`, naming the holder, at once or after the time-out; `interrupted`; `unsafe` or `failed` when the lock folder cannot be used
 */
export async function acquireLock(request: LockRequest, wait: LockWait = {}): Promise<Lock> {
  const folder = await lockFolder();
  const key = createHash('sha256').update(`${request.engineId}\0${request.project}`).digest('hex');
  const file = join(folder, `${key}.lock`);
  const holderFile = join(folder, `${key}.json`);
  await makeShared(file);
  await makeShared(holderFile);
  const held = await waitFor(file, wait, async () => lockedBy(await readHolder(holderFile), request.project));

  const holder: Holder = {
    pid: process.pid,
    command: request.command,
    since: new Date().toISOString(),
    mark: await ownMark(),
  };
  await writeHolder(holderFile, JSON.stringify(holder)).catch((error: unknown) => {
    held.close();
    throw error;
  });
  let released: Promise<void> | undefined;
  return {
    release: () =>
      (released ??= writeHolder(holderFile, '').finally(() => {
        held.close();
      })),
  };
}

/** @throws the error that `locked` makes when the lock is not free in time */
async function waitFor(
  file: string,
  { timeoutMs = 0, signal, onWait }: LockWait,
  locked: () => Promise<RollbackError>,
): Promise<Database> {
  const deadline = performance.now() + timeoutMs;
  for (let attempt = 0; ; attempt += 1) {
    const held = await hold(file);
    if (held) return held;
    const left = deadline - performance.now();
    if (left <= 0) throw await locked();
    if (attempt === 0) onWait?.((await locked()).message);
    try {
      await delay(Math.min(LOCK_POLL_MS, left), undefined, { signal });
    } catch (error) {
      throw new RollbackError('interrupted', 'interrupted while waiting for the lock; nothing was touched', {
        cause: error,
      });
    }
  }
}

/** The open database is the lock; undefined when another process, or another part of this one, has it. */
async function hold(file: string): Promise<Database | undefined> {
  // Opened without O_CREAT: in a sticky folder the kernel refuses that for files of other users.
  const db = await openDatabase(file, { fileMustExist: true, timeout: 0 });
  try {
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) return undefined;
    throw new RollbackError('failed', `the lock ${quoted(file)} cannot be taken: ${String(error)}`, {
      hint: 'remove that file if it is not a lock of compose-rollback',
      cause: error,
    });
  }
}

/** The same folder for every user of this host, so it depends on the host alone. */
async function lockFolder(): Promise<string> {
  const chosen = process.env.COMPOSE_ROLLBACK_LOCK_DIR;
  const folder =
    chosen ?? join((await isForEverybody('/run/lock')) ? '/run/lock' : '/tmp', 'compose-rollback');
  return await explained('use the lock folder', async () => {
    try {
      await mkdir(folder, { mode: 0o700 });
      // Everybody may add files, and nobody may remove those of others.
      await chmod(folder, 0o1777);
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
    }
    const found = await lstat(folder);
    const sticky = (found.mode & 0o1000) !== 0;
    if (found.isDirectory() && (sticky || (found.mode & 0o002) === 0)) return folder;
    throw new RollbackError(
      'unsafe',
      `the lock folder ${quoted(folder)} is not a directory that is safe to share`,
      {
        hint: 'remove it, or set COMPOSE_ROLLBACK_LOCK_DIR to the same directory for all users',
      },
    );
  });
}

async function isForEverybody(path: string): Promise<boolean> {
  try {
    const found = await lstat(path);
    return found.isDirectory() && (found.mode & 0o1777) === 0o1777;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/**
 * An empty file that every user may lock. One that exists is not opened: closing it would drop a lock that this process holds on it.
 */
async function makeShared(path: string): Promise<void> {
  await explained('make the lock', async () => {
    try {
      await using file = await open(path, 'wx', 0o600);
      await file.chmod(0o666);
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
    }
    if ((await lstat(path)).isFile()) return;
    throw new RollbackError('unsafe', `the lock ${quoted(path)} is not a regular file`, {
      hint: 'remove it and look at who put it there',
    });
  });
}

async function writeHolder(path: string, text: string): Promise<void> {
  await explained('write the name of the holder beside the lock', async () => {
    const { O_WRONLY, O_TRUNC, O_NOFOLLOW } = constants;
    await using file = await open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW);
    await file.writeFile(text);
  });
}

/** Undefined while a new holder has not written yet: its predecessor's words may still be there. */
async function readHolder(path: string): Promise<Holder | undefined> {
  const value = parseJson((await readRegular(path)).toString('utf8'));
  if (!isHolder(value) || (await isAlive(value.mark)) === false) return undefined;
  return value;
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, command, since, mark }: Record<string, unknown> = { ...value };
  return (
    Number.isSafeInteger(pid) &&
    typeof command === 'string' &&
    typeof since === 'string' &&
    typeof mark === 'string'
  );
}

function lockedBy(holder: Holder | undefined, project: string): RollbackError {
  const who = holder
    ? `process ${holder.pid} (${quoted(holder.command)}), since ${quoted(holder.since)}`
    : 'another process';
  return new RollbackError('locked', `project ${quoted(project)} is locked by ${who}`, {
    hint: 'wait until it has finished and try again; the lock ends with that process',
  });
}
