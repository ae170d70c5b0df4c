import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import type { Point } from '../model/point.js';
import type { BackupDir } from './backup-dir.js';
import {
  explained,
  type Fingerprint,
  fingerprint,
  fingerprintFile,
  fingerprintOf,
  hasErrno,
  openRegular,
  syncDirectory,
  writeNewFile,
} from './files.js';
import { safeParts } from './paths.js';
import { discardPoint, POINT_FILE, renderPoint, SIDECAR_FILE } from './point-files.js';
import { isAlive, ownMark } from './process.js';

/** Absolute path of a stored file with these bytes in an earlier point, if one is known. */
export type FindStored = (sha256: string) => string | undefined;

const LEFT_BEHIND = /^\.tmp-.+?-(\d+-\d+-[0-9a-f]{8})(?:-journal)?$/;
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1000;

/**
 * Writes a point beside its place; `commit` makes it appear whole. Killed at any instant before that it leaves a `.tmp-` directory that is
 * never listed and that `sweep` removes. Methods throw `failed` with the system's reason (no space, no permission).
 */
export class PointWriter {
  readonly id: string;
  readonly #backupDir: BackupDir;
  readonly #temporary: string;
  readonly #findStored: FindStored;
  readonly #directories = new Set<string>();
  #links = 0;
  #committed = false;

  private constructor(backupDir: BackupDir, id: string, temporary: string, findStored: FindStored) {
    this.id = id;
    this.#backupDir = backupDir;
    this.#temporary = temporary;
    this.#findStored = findStored;
    this.#directories.add(temporary);
  }

  static async begin(
    backupDir: BackupDir,
    id: string,
    options: { findStored?: FindStored } = {},
  ): Promise<PointWriter> {
    const name = basename(backupDir.pointDir(id));
    const temporary = join(backupDir.path, `.tmp-${name}-${await ownMark()}`);
    await explained('begin a point', () => mkdir(temporary, { mode: 0o700 }));
    return new PointWriter(backupDir, id, temporary, options.findStored ?? (() => undefined));
  }

  /**
   * Copies `source` (absolute; a regular file, else `unsafe`) to `stored`, relative to the point. The fingerprint is of the bytes that were
   * stored. An identical file of an earlier point is linked instead, once it has proved to be undamaged.
   */
  async addFile(stored: string, source: string): Promise<Fingerprint> {
    return await explained('store a file', async () => {
      const path = await this.#place(stored);
      await using from = await openRegular(source);
      await using to = await open(path, 'wx', 0o600);
      const copied = await fingerprint(from, (chunk) => to.appendFile(chunk));
      if (!(await this.#linkInstead(path, copied))) await to.sync();
      return copied;
    });
  }

  /** Stores `value` as JSON. */
  async addJson(stored: string, value: unknown): Promise<Fingerprint> {
    return await explained('store a file', async () => {
      const bytes = Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
      await writeNewFile(await this.#place(stored), bytes);
      return fingerprintOf(bytes);
    });
  }

  /** The point is there, durably, when this returns. */
  async commit(point: Point): Promise<void> {
    await explained('store the point', async () => {
      const { record, checksum } = renderPoint(point);
      await writeNewFile(join(this.#temporary, POINT_FILE), record);
      await writeNewFile(join(this.#temporary, SIDECAR_FILE), checksum);
      for (const directory of this.#directories) await syncDirectory(directory);
      await rename(this.#temporary, this.#backupDir.pointDir(this.id));
      this.#committed = true;
      await syncDirectory(this.#backupDir.path);
    });
  }

  /** Nothing of the point stays, even when it was committed. */
  async abandon(): Promise<void> {
    if (this.#committed) await discardPoint(this.#backupDir, this.id);
    await rm(this.#temporary, { recursive: true, force: true });
  }

  /** Where a stored file goes; makes the directories on the way. */
  async #place(stored: string): Promise<string> {
    const path = join(this.#temporary, ...safeParts(stored));
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    for (let dir = dirname(path); dir !== this.#temporary; dir = dirname(dir)) this.#directories.add(dir);
    return path;
  }

  /** Earlier files are read again before they are shared: damage must not spread into new points. */
  async #linkInstead(path: string, copied: Fingerprint): Promise<boolean> {
    const earlier = this.#findStored(copied.sha256);
    if (earlier === undefined) return false;
    const beside = join(this.#temporary, `.link-${(this.#links += 1)}`);
    try {
      const found = await fingerprintFile(earlier);
      if (found.sha256 !== copied.sha256) return false;
      await link(earlier, beside);
    } catch (error) {
      // It is gone, not ours, no longer a file, linked too often, or the file system has no links.
      const unlinkable = error instanceof RollbackError && error.code === 'unsafe';
      if (unlinkable || hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'EMLINK', 'EXDEV', 'ENOTSUP'))
        return false;
      throw error;
    }
    await rename(beside, path);
    return true;
  }
}

/**
 * Removes what killed processes left behind: `.tmp-…` of those that are gone, and half-removed points. What belongs to a process that cannot be
 * judged from here (before a reboot, in another container) goes after a day. Returns the names removed.
 */
export async function sweep(backupDir: BackupDir): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(backupDir.path)) {
    const path = join(backupDir.path, name);
    if (!name.startsWith('.trash-') && !(await isLeftBehind(path))) continue;
    await rm(path, { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

async function isLeftBehind(path: string): Promise<boolean> {
  const mark = LEFT_BEHIND.exec(basename(path))?.[1];
  if (mark === undefined) return false;
  const alive = await isAlive(mark);
  if (alive !== undefined) return !alive;
  try {
    return Date.now() - (await stat(path)).mtimeMs > FOREIGN_AGE_MS;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
