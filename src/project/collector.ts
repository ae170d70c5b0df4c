import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isMigrationBackup } from '../model/names.js';
import type { ConfigEntry, Configuration } from '../model/project.js';
import { currentUser, readAccess } from './access.js';
import { byPath, describeKind, mapBounded, readEntry } from './entries.js';
import { followLinks, mayRead } from './links.js';
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
  /** With the link inside that leads there. */
  readonly #outside = new Map<string, string | undefined>();
  readonly #exact = new Set<string>();
  readonly #unsteady = new Set<string>();
  readonly #began: number;
  readonly #skipped = new Map<string, string>();
  readonly #directories = new Set<string>();

  /** All real paths. */
  constructor(root: string, backupDir: string, data: Set<string>, began: number) {
    this.#root = root;
    this.#backupDir = backupDir;
    this.#data = data;
    this.#began = began;
  }

  /** @param began when the observation began, in milliseconds of the epoch: files that were written later are unsteady */
  static async open(
    directory: string,
    { backupDir, writable, began }: { backupDir: string; writable: string[]; began: number },
  ): Promise<Collector> {
    const root = await realpathOfExisting(directory);
    const data = await Promise.all(writable.map((source) => placesOf(root, source)));
    return new Collector(root, await realpathOfExisting(backupDir), new Set(data.flat()), began);
  }

  /** A single file, absolute. */
  async addFile(absolute: string, { listed }: Wanted): Promise<void> {
    const path = await locateInside(this.#root, absolute);
    if (path === undefined) await this.#addOutside(absolute, listed);
    else await this.#addInside(path, listed);
  }

  /** What a container sees at a bind mount: a file, a directory for reading, or data. Links on the way decide which it is. */
  async addBind(source: string, readOnly: boolean): Promise<void> {
    if (this.#isNever(source)) return;
    const path = await locateInside(this.#root, source);
    if (path !== undefined) {
      for (const link of (await trace(this.#root, path)).links) this.#inside.add(link);
    }
    const kind = await kindOf(source);
    if (kind === undefined || !(kind.isFile() || kind.isDirectory())) return;
    if (kind.isFile()) {
      await this.addFile(source, { listed: false });
    } else if (readOnly && path === undefined) {
      this.#skip(source, 'is outside the project; list it under config_files to record it');
    } else if (readOnly && path !== undefined) await this.#addDirectory(path);
  }

  /** The present state of a path, whatever it is by now. */
  addExact(path: string, { unsteady = false }: { unsteady?: boolean } = {}): void {
    this.#exact.add(path);
    if (unsteady) this.#unsteady.add(path);
  }

  addExactOutside(path: string): void {
    if (!this.#outside.has(path)) this.#outside.set(path, undefined);
  }

  /** Everything that is inside a directory by now, without making it one that is recorded as a whole. */
  async addContents(path: string): Promise<void> {
    for (const found of await this.#walk(path)) this.#exact.add(found.path);
  }

  async finish(): Promise<Configuration> {
    const folders = await this.#absentFolders();
    const [entries, outside] = await Promise.all([
      mapBounded([...new Set([...this.#inside, ...this.#exact, ...folders])], (path) => this.#read(path)),
      mapBounded([...this.#outside], ([path, via]) => this.#readOutside(path, via)),
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
      entries: (await mapBounded(kept, (entry) => this.#withOthers(entry, taken))).toSorted(byPath),
      outside: outside.filter((entry) => !this.#isRefused(entry)).toSorted(byPath),
      skipped: [...this.#skipped]
        .map(([path, reason]) => ({ path: printable(path), reason }))
        .toSorted(byPath),
      directories: whole.toSorted(),
      access: await this.#access([...kept, ...outside]),
    };
  }

  /** Folders of the target's paths that are not there: a run that makes them has to take them back. */
  async #absentFolders(): Promise<Set<string>> {
    const found = new Map<string, boolean>([['.', true]]);
    for (const path of this.#exact) {
      for (let folder = posix.dirname(path); !found.has(folder); folder = posix.dirname(folder)) {
        found.set(folder, (await look(join(this.#root, folder))) !== undefined);
      }
    }
    return new Set([...found].flatMap(([folder, isThere]) => (isThere ? [] : folder)));
  }

  async #withOthers(entry: ConfigEntry, known: ReadonlySet<string>): Promise<ConfigEntry> {
    if (entry.type !== 'directory' || !this.#exact.has(entry.path)) return entry;
    const { paths, unreadable } = await listDirectory(this.#root, entry.path);
    const hasOthers = unreadable.length > 0 || paths.some((path) => !known.has(path));
    return hasOthers ? { ...entry, others: true } : entry;
  }

  async #access(entries: ConfigEntry[]): Promise<Configuration['access']> {
    const wanted = this.#exact.size > 0 ? entries : [];
    if (wanted.length === 0) return { user: currentUser(), refused: {}, mountPoints: [] };
    const place = (path: string) => (path.startsWith('/') ? path : join(this.#root, path));
    return readAccess(new Map(wanted.map(({ path }) => [path, place(path)])));
  }

  async #read(path: string): Promise<ConfigEntry> {
    const { end, problem } = await trace(this.#root, posix.dirname(path));
    if (end === undefined) return { path, type: 'other', what: problem ?? 'out of reach' };
    const entry = await readEntry(join(this.#root, path), path, this.#began);
    return entry.type === 'file' && this.#unsteady.has(path) ? { ...entry, unsteady: true } : entry;
  }

  async #readOutside(path: string, via: string | undefined): Promise<ConfigEntry> {
    const entry = await readEntry(path, path);
    return entry.type === 'file' && via !== undefined ? { ...entry, via } : entry;
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
    this.addExactOutside(absolute);
    // A listed symlink means what it leads to.
    if ((await look(absolute))?.isSymbolicLink()) this.addExactOutside(await realpathOfExisting(absolute));
  }

  /** Symlinks on the way are recorded, and the file that they lead to. */
  async #addInside(path: string, listed: boolean): Promise<void> {
    if (this.#isNever(join(this.#root, path))) return;
    if (!isSafePath(path)) {
      this.#skip(path, 'has a name that cannot be recorded');
      return;
    }
    const { links, end, problem } = await trace(this.#root, path);
    for (const link of links) this.#inside.add(link);
    if (end === undefined) {
      await this.#addThrough(path, listed, problem ?? 'cannot be reached');
      return;
    }
    const place = join(this.#root, end);
    if (this.#isNever(place)) return;
    const found = await look(place);
    const reason = found && (await this.#objection(found, place, listed));
    if (reason === undefined) this.#inside.add(end);
    else this.#skip(end, reason);
  }

  /**
   * The file outside that a link inside leads to. A link can be made by anybody who may write to the project: only what its maker may read is
   * recorded, so that a point made by root holds nothing that others could not see before.
   */
  async #addThrough(path: string, listed: boolean, problem: string): Promise<void> {
    const led = await followLinks(join(this.#root, path));
    const found = led && (await look(led.place).catch(() => undefined));
    if (!led || !found || this.#isNever(led.place) || relativeTo(this.#root, led.place) !== undefined) {
      this.#skip(path, problem);
      return;
    }
    const readable = await Promise.all([...led.makers].map((maker) => mayRead(maker, led.place)));
    const reason = readable.every(Boolean)
      ? await this.#objection(found, led.place, listed)
      : 'which the owner of the link may not read';
    if (reason === undefined) this.#outside.set(led.place, path);
    else this.#skip(path, `${problem}: ${reason}`);
  }

  async #objection(found: Stats, place: string, listed: boolean): Promise<string | undefined> {
    if (!found.isFile()) return `is ${describeKind(found)}, not a file`;
    if (listed) return undefined;
    if (found.size >= FILE_LIMIT_BYTES) {
      return `has ${megabytes(found.size)}; without being listed under config_files, files under 1 MB are recorded`;
    }
    if (DATABASE_NAME.test(place) || (await isSqlite(place)))
      return 'is a database, which is data: mount its directory to record it with --include-volumes';
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
      const { paths, unreadable } = await listDirectory(this.#root, path);
      for (const name of unreadable) this.#skip(posix.join(path, name), 'has a name that is not UTF-8');
      return paths;
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

/** A source as it is written, and where its links inside lead: relative to the root. */
async function placesOf(root: string, source: string): Promise<string[]> {
  const path = await locateInside(root, source);
  if (path === undefined) return [];
  return [path, (await trace(root, path)).end ?? path];
}

/** Paths of what a directory holds; names that are not UTF-8 would not survive in a point and are told apart, escaped. */
async function listDirectory(root: string, path: string): Promise<{ paths: string[]; unreadable: string[] }> {
  const names = await readdir(join(root, path), { encoding: 'buffer' });
  const paths = names.filter((name) => isUtf8(name)).map((name) => posix.join(path, name.toString()));
  return { paths, unreadable: names.filter((name) => !isUtf8(name)).map(escaped) };
}

/** Byte by byte. */
function escaped(name: Buffer): string {
  const text = name.toString('latin1');
  return text.replaceAll(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
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
