import type { Stats } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isMigrationBackup } from '../model/names.js';
import type { ConfigEntry, SkippedEntry } from '../model/project.js';
import { byPath, describeKind, mapBounded, readEntry } from './entries.js';
import {
  hasCode,
  isDenied,
  isInside,
  isMissing,
  isSafePath,
  isTemporary,
  locateInside,
  look,
  printable,
  realpathOfExisting,
  relativeTo,
  trace,
} from './paths.js';

/** Which paths are configuration is decided elsewhere; here they are gathered, checked against the limits, and read once each. */

export const FILE_LIMIT_BYTES = 1 << 20;
export const DIRECTORY_LIMIT_BYTES = 10 << 20;
const DIRECTORY_LIMIT_ENTRIES = 10_000;

const KERNEL_TREES = ['/proc', '/sys'];
const DATABASE_NAME = /\.(?:db3?|sqlite3?|mdb|ldb|accdb|ibd|myd|myi|frm|rdb|aof)(?:-(?:wal|shm|journal))?$/i;
const SQLITE_MAGIC = Buffer.from('SQLite format 3\0');

/** What a path must be to be taken. */
export interface Wanted {
  /** Named by the user, directly or in a compose file: taken whatever its size, also outside the project, also when absent. */
  listed: boolean;
}

export class Collector {
  readonly #root: string;
  readonly #backupDir: string;
  /** Writable mounts (relative): data, also inside of a recorded directory. */
  readonly #data: Set<string>;
  readonly #inside = new Set<string>();
  readonly #outside = new Set<string>();
  readonly #exact = new Set<string>();
  readonly #skipped = new Map<string, string>();
  readonly #directories = new Set<string>();

  /** All real paths. */
  constructor(root: string, backupDir: string, data: Set<string>) {
    this.#root = root;
    this.#backupDir = backupDir;
    this.#data = data;
  }

  static async open(directory: string, backupDir: string, writable: string[]): Promise<Collector> {
    const root = await realpathOfExisting(directory);
    const data = await Promise.all(writable.map((source) => locateInside(root, source)));
    return new Collector(
      root,
      await realpathOfExisting(backupDir),
      new Set(data.filter((path) => path !== undefined)),
    );
  }

  /** A single file, absolute. */
  async addFile(absolute: string, { listed }: Wanted): Promise<void> {
    const path = await locateInside(this.#root, absolute);
    if (path === undefined) await this.#addOutside(absolute, listed);
    else await this.#addInside(path, listed);
  }

  /** What a container sees at a bind mount: a file, a directory for reading, or data. */
  async addBind(source: string, readOnly: boolean): Promise<void> {
    if (this.#isNever(source)) return;
    const path = await locateInside(this.#root, source);
    const kind = await kindOf(source);
    if (kind === undefined || !(kind.isFile() || kind.isDirectory())) return;
    if (kind.isFile()) {
      await this.addFile(source, { listed: false });
    } else if (readOnly && path === undefined) {
      this.#skip(source, 'is outside the project; list it under config_files to record it');
    } else if (readOnly && path !== undefined) await this.#addDirectory(path);
  }

  /** The present state of a path, whatever it is by now. */
  addExact(path: string): void {
    this.#exact.add(path);
  }

  addExactOutside(path: string): void {
    this.#outside.add(path);
  }

  /** Everything that is inside a directory by now, without making it one that is recorded as a whole. */
  async addContents(path: string): Promise<void> {
    for (const found of await this.#walk(path)) this.#exact.add(found.path);
  }

  async finish(): Promise<{
    entries: ConfigEntry[];
    outside: ConfigEntry[];
    skipped: SkippedEntry[];
    directories: string[];
  }> {
    const [entries, outside] = await Promise.all([
      mapBounded([...new Set([...this.#inside, ...this.#exact])], (path) => this.#read(path)),
      mapBounded([...this.#outside], (path) => readEntry(path, path)),
    ]);
    const kept = entries.filter((entry) => this.#exact.has(entry.path) || !this.#isRefused(entry));
    const recorded = [...kept, ...outside].filter(({ type }) => type === 'file' || type === 'directory');
    for (const { path } of recorded) this.#skipped.delete(path);
    const taken = new Set(kept.map(({ path }) => path));
    const missed = [...this.#skipped.keys()].filter((path) => !taken.has(path));
    // A directory that could not be read as a whole is no measure of what was not there.
    const whole = [...this.#directories].filter(
      (directory) => !missed.some((path) => isInside(directory, path)),
    );
    return {
      entries: kept.toSorted(byPath),
      outside: outside.filter((entry) => !this.#isRefused(entry)).toSorted(byPath),
      skipped: [...this.#skipped]
        .map(([path, reason]) => ({ path: printable(path), reason }))
        .toSorted(byPath),
      directories: whole.toSorted(),
    };
  }

  async #read(path: string): Promise<ConfigEntry> {
    const { end, problem } = await trace(this.#root, posix.dirname(path));
    if (end === undefined) return { path, type: 'other', what: problem ?? 'out of reach' };
    return readEntry(join(this.#root, path), path);
  }

  #isRefused(entry: ConfigEntry): boolean {
    if (entry.type !== 'other') return false;
    this.#skip(entry.path, `is ${entry.what}`);
    return true;
  }

  async #addOutside(absolute: string, listed: boolean): Promise<void> {
    if (this.#isNever(absolute)) return;
    if (!listed) {
      this.#skip(absolute, 'is outside the project; list it under config_files to record it');
      return;
    }
    this.#outside.add(absolute);
    // A listed symlink means what it leads to.
    if ((await look(absolute))?.isSymbolicLink()) this.#outside.add(await realpathOfExisting(absolute));
  }

  /** Symlinks on the way are recorded, and what they lead to as long as it is inside. */
  async #addInside(path: string, listed: boolean): Promise<void> {
    if (this.#isNever(join(this.#root, path))) return;
    if (!isSafePath(path)) {
      this.#skip(path, 'has a name that cannot be recorded');
      return;
    }
    const { links, end, problem } = await trace(this.#root, path);
    for (const link of links) this.#inside.add(link);
    if (end === undefined) {
      this.#skip(path, problem ?? 'cannot be reached');
      return;
    }
    const place = join(this.#root, end);
    if (this.#isNever(place)) return;
    const found = await look(place);
    const reason = found && (await this.#objection(found, place, listed));
    if (reason === undefined) this.#inside.add(end);
    else this.#skip(end, reason);
  }

  async #objection(found: Stats, place: string, listed: boolean): Promise<string | undefined> {
    if (!found.isFile()) return `is ${describeKind(found)}, not a file`;
    if (listed) return undefined;
    if (found.size >= FILE_LIMIT_BYTES) {
      return `has ${megabytes(found.size)}; without being listed under config_files, files under 1 MB are recorded`;
    }
    if (DATABASE_NAME.test(place) || (await isSqlite(place))) return 'is a database: data, not configuration';
    return undefined;
  }

  async #addDirectory(path: string): Promise<void> {
    const { links, end, problem } = await trace(this.#root, path);
    for (const link of links) this.#inside.add(link);
    if (end === undefined) {
      this.#skip(path, problem ?? 'cannot be reached');
      return;
    }
    if (this.#data.has(end)) return;
    const found = await this.#walk(end);
    const size = found.reduce((sum, { stats }) => sum + (stats.isFile() ? stats.size : 0), 0);
    if (size >= DIRECTORY_LIMIT_BYTES || found.length > DIRECTORY_LIMIT_ENTRIES) {
      const much =
        size >= DIRECTORY_LIMIT_BYTES ? megabytes(size) : `more than ${DIRECTORY_LIMIT_ENTRIES} files`;
      this.#skip(end, `is a directory with ${much}; under 10 MB are recorded`);
      return;
    }
    this.#directories.add(end);
    for (const { path: inner } of found) this.#inside.add(inner);
    for (const { path: inner, stats } of found) {
      if (stats.isSymbolicLink()) await this.#addLinked(inner);
    }
  }

  /** A symlink inside a directory: a file that it leads to is recorded too, a directory only where it stands. */
  async #addLinked(path: string): Promise<void> {
    const { end, problem } = await trace(this.#root, path);
    if (end === undefined) this.#skip(path, problem ?? 'cannot be reached');
    else if ((await look(join(this.#root, end)))?.isFile()) await this.#addInside(path, false);
  }

  /** Everything below a directory (itself included, unless it is the root), up to just over the limits. Nothing is followed. */
  async #walk(directory: string): Promise<{ path: string; stats: Stats }[]> {
    const found: { path: string; stats: Stats }[] = [];
    let size = 0;
    const pending = [directory];
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const place = join(this.#root, path);
      const stats = await look(place);
      if (!stats || this.#isNever(place) || (path !== directory && this.#data.has(path)) || isTemporary(path))
        continue;
      if (path !== '.' && !isSafePath(path)) {
        this.#skip(path, 'has a name that cannot be recorded');
        continue;
      }
      // Sockets, pipes and devices are never configuration.
      if (!stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink()) continue;
      if (path !== '.') found.push({ path, stats });
      if (stats.isFile()) size += stats.size;
      if (size >= DIRECTORY_LIMIT_BYTES || found.length > DIRECTORY_LIMIT_ENTRIES) break;
      if (stats.isDirectory()) pending.push(...(await this.#list(path)));
    }
    return found;
  }

  async #list(path: string): Promise<string[]> {
    try {
      return (await readdir(join(this.#root, path))).map((name) => posix.join(path, name));
    } catch (error) {
      if (isMissing(error)) return [];
      if (!isDenied(error)) throw error;
      this.#skip(path, 'cannot be read (permission denied)');
      return [];
    }
  }

  #isNever(absolute: string): boolean {
    const inner = relativeTo(this.#root, absolute) ?? '';
    return (
      isInside(this.#backupDir, absolute) ||
      KERNEL_TREES.some((tree) => isInside(tree, absolute)) ||
      inner.split('/').includes('.git') ||
      isMigrationBackup(inner)
    );
  }

  #skip(path: string, reason: string): void {
    if (!this.#skipped.has(path)) this.#skipped.set(path, reason);
  }
}

/** Symlinks followed: what a container would see. */
async function kindOf(path: string): Promise<Stats | undefined> {
  try {
    return await look(await realpath(path));
  } catch (error) {
    if (isMissing(error) || isDenied(error) || hasCode(error, 'ELOOP')) return undefined;
    throw error;
  }
}

async function isSqlite(path: string): Promise<boolean> {
  try {
    const handle = await open(path);
    try {
      const start = Buffer.alloc(SQLITE_MAGIC.length);
      await handle.read(start, 0, start.length, 0);
      return start.equals(SQLITE_MAGIC);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isDenied(error) || isMissing(error)) return false; // reading it will tell
    throw error;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MB`;
}
