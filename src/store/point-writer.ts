import { copyFile, type FileHandle, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import { POINT_ID } from '../model/names.js';
import type { Point, PointSummary, SealedPoint, StoredFile } from '../model/point.js';
import { type Bytes, encrypt } from './age.js';
import type { BackupDir } from './backup-dir.js';
import {
  assertWithin,
  chunksOf,
  Digest,
  explained,
  type Fingerprint,
  fingerprint,
  fingerprintFile,
  fingerprintGrowing,
  fingerprintOf,
  hasErrno,
  lstatIfThere,
  openRegular,
  syncDirectory,
  writeNewFile,
} from './files.js';
import { safeParts } from './paths.js';
import {
  discardPoint,
  isSealed,
  POINT_FILE,
  recordedFiles,
  renderPoint,
  SEALED_FILE,
  sealedName,
  sealedRecord,
  SIDECAR_FILE,
  summaryOfRecord,
} from './point-files.js';
import { readRecord } from './point-reader.js';
import { ownMark } from './process.js';
import { assertSpace } from './space.js';

/** Absolute path of a stored file with these bytes in an earlier point, if one is known. */
export type FindStored = (sha256: string) => string | undefined;

export interface WriterOptions {
  findStored?: FindStored;
  /** Encrypts for it (age1…): nothing that is stored touches the disk as it is. */
  recipient?: string;
}

/**
 * Writes a point beside its place; `commit` makes it appear whole. Killed at any instant before that it leaves a `.tmp-` directory that is
 * never listed and that `sweep` removes. Fingerprints are of what was given, encrypted or not. Methods throw `failed` with the system's
 * reason (no space, no permission).
 */
export class PointWriter {
  readonly id: string;
  readonly #backupDir: BackupDir;
  readonly #temporary: string;
  readonly #findStored: FindStored;
  readonly #recipient: string | undefined;
  readonly #directories = new Set<string>();
  readonly #stored: string[] = [];
  readonly #ciphertexts: StoredFile[] = [];
  #links = 0;
  #committed = false;

  private constructor(backupDir: BackupDir, id: string, temporary: string, options: WriterOptions) {
    this.id = id;
    this.#backupDir = backupDir;
    this.#temporary = temporary;
    this.#findStored = options.findStored ?? (() => undefined);
    this.#recipient = options.recipient;
    this.#directories.add(temporary);
  }

  static async begin(backupDir: BackupDir, id: string, options: WriterOptions = {}): Promise<PointWriter> {
    const name = basename(backupDir.pointDir(id));
    const temporary = join(backupDir.path, `.tmp-${name}-${await ownMark()}`);
    await explained('begin a point', () => mkdir(temporary, { mode: 0o700 }));
    return new PointWriter(backupDir, id, temporary, options);
  }

  /**
   * Copies `source` (absolute; a regular file, else `unsafe`) to `stored`, relative to the point. The fingerprint is of the bytes that were
   * stored. An identical file of an earlier point is linked instead, once it has proved to be undamaged. A source that is not really `within`
   * (absolute, without links) is `unsafe`, too.
   */
  async addFile(stored: string, source: string, within?: string): Promise<Fingerprint> {
    return await explained('store a file', async () => {
      await using from = await openRegular(source);
      if (within !== undefined) await assertWithin(from, source, within);
      if (this.#recipient !== undefined) return await this.#seal(stored, chunksOf(from), this.#recipient);
      const path = await this.#place(stored);
      await using to = await open(path, 'wx', 0o600);
      const copied = await fingerprint(from, (chunk) => to.appendFile(chunk));
      if (!(await this.#linkInstead(path, copied))) await to.sync();
      return copied;
    });
  }

  /** Stores what `source` gives, e.g. the archive of a volume; `progress` is told the bytes so far. Throws what `source` throws too. */
  async addStream(
    stored: string,
    source: AsyncIterable<Uint8Array>,
    progress: (bytes: number) => void = () => undefined,
  ): Promise<Fingerprint> {
    return await explained('store a file', async () => {
      const told = telling(source, progress);
      if (this.#recipient !== undefined) return await this.#seal(stored, told, this.#recipient);
      return await write(await this.#place(stored), told);
    });
  }

  /** Whether what is stored is encrypted on its way. */
  get encrypts(): boolean {
    return this.#recipient !== undefined;
  }

  /** Stores what `program` writes into the file until its signal aborts, without its bytes passing through here. Not where they are to be encrypted. */
  async addWritten<T>(
    stored: string,
    program: (into: FileHandle, signal: AbortSignal) => Promise<T>,
  ): Promise<{ file: Fingerprint; contents: T }> {
    if (this.encrypts) throw new TypeError('what a program writes is not encrypted');
    return await explained('store a file', async () => {
      await using to = await open(await this.#place(stored), 'wx+', 0o600);
      const unreadable = new AbortController();
      const written = program(to, unreadable.signal);
      try {
        return { file: await fingerprintGrowing(to, written), contents: await written };
      } catch (thrown) {
        unreadable.abort(thrown);
        await Promise.allSettled([written]);
        throw thrown;
      }
    });
  }

  /**
   * Shares a large file that an earlier point has, without reading it: `verify` is what finds damage in it, in all points that share it.
   * `earlier` is its path as if nothing were encrypted; a file is shared only among encrypted points, or among others. False when that is
   * not possible, or its size is not the recorded one.
   */
  async addLink(stored: string, earlier: string, { size }: Fingerprint): Promise<boolean> {
    return await explained('store a file', async () => {
      if (this.#recipient !== undefined) return await this.#shareCiphertext(stored, earlier);
      const found = await lstatIfThere(earlier);
      if (!found?.isFile() || found.size !== size) return false;
      return await this.#link(await this.#place(stored), earlier);
    });
  }

  /** Stores `value` as JSON. */
  async addJson(stored: string, value: unknown): Promise<Fingerprint> {
    return await explained('store a file', async () => {
      const bytes = Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
      if (this.#recipient !== undefined)
        return await this.#seal(stored, Readable.from([bytes]), this.#recipient);
      await writeNewFile(await this.#place(stored), bytes);
      return fingerprintOf(bytes);
    });
  }

  /** Throws `failed` when there are less than `needed` bytes left where the point goes; `what` they are for. */
  async assertSpace(needed: number, what: string): Promise<void> {
    await explained('look at the space left', () => assertSpace(this.#backupDir.path, needed, what));
  }

  /** The point is there, durably, when this returns. What the index is to hold of it. */
  async commit(point: Point): Promise<PointSummary> {
    return await explained('store the point', async () => {
      const record = await this.#finish(point);
      await rename(this.#temporary, this.#backupDir.pointDir(this.id));
      this.#committed = true;
      await syncDirectory(this.#backupDir.path);
      return summaryOfRecord(record);
    });
  }

  /**
   * Takes the place of a point that is there, in two renames: killed between them, `sweep` brings the old one back. Of the old one's ciphertext
   * `kept` is shared, as far as the new record tells of it.
   */
  async replace(point: Point, kept: readonly StoredFile[] = []): Promise<PointSummary> {
    return await explained('change the point', async () => {
      const place = this.#backupDir.pointDir(this.id);
      const own = new Set(this.#ciphertexts.map(({ stored }) => stored));
      const wanted = new Set(recordedFiles(point).map(({ stored }) => sealedName(stored)));
      for (const file of kept) {
        if (own.has(file.stored) || !wanted.has(file.stored)) continue;
        const [from, to] = [join(place, ...safeParts(file.stored)), await this.#place(file.stored)];
        if (!(await this.#link(to, from))) await copyFile(from, to);
        this.#ciphertexts.push(file);
      }
      const record = await this.#finish(point);
      const aside = join(this.#backupDir.path, `.old-${this.id}-${await ownMark()}`);
      await rename(place, aside);
      await rename(this.#temporary, place);
      await syncDirectory(this.#backupDir.path);
      await discardPoint(this.#backupDir, this.id, undefined, aside);
      return summaryOfRecord(record);
    });
  }

  /** Puts the files into a point that is there already; its record, which is to follow, does not tell of them yet. */
  async join(): Promise<void> {
    await explained('add to the point', async () => {
      const point = this.#backupDir.pointDir(this.id);
      for (const stored of new Set(this.#stored)) {
        const place = join(point, ...safeParts(stored));
        await mkdir(dirname(place), { recursive: true, mode: 0o700 });
        await rename(join(this.#temporary, ...safeParts(stored)), place);
        await syncDirectory(dirname(place));
      }
      await syncDirectory(point);
      await rm(this.#temporary, { recursive: true });
    });
  }

  /** Nothing of the point stays, even when it was committed. */
  async abandon(): Promise<void> {
    if (this.#committed) await discardPoint(this.#backupDir, this.id);
    await rm(this.#temporary, { recursive: true, force: true });
  }

  /** Writes the record, and has everything on the disk. */
  async #finish(point: Point): Promise<Point | SealedPoint> {
    const told = await this.#record(point);
    const { record, checksum } = renderPoint(told);
    await writeNewFile(join(this.#temporary, POINT_FILE), record);
    await writeNewFile(join(this.#temporary, SIDECAR_FILE), checksum);
    for (const directory of this.#directories) await syncDirectory(directory);
    return told;
  }

  async #record(point: Point): Promise<Point | SealedPoint> {
    if (this.#recipient === undefined) return point;
    const bytes = Buffer.from(renderPoint(point).record);
    // Not `sealedName`: there is no such file without encryption.
    await this.#sealAs(SEALED_FILE, Readable.from([bytes]), this.#recipient);
    const files = this.#ciphertexts.toSorted((a, b) => (a.stored < b.stored ? -1 : 1));
    return sealedRecord(point, files);
  }

  #seal(stored: string, source: Bytes, recipient: string): Promise<Fingerprint> {
    return this.#sealAs(sealedName(stored), source, recipient);
  }

  /** Encrypts on the way to the disk; the fingerprint is of what was given. */
  async #sealAs(name: string, source: Bytes, recipient: string): Promise<Fingerprint> {
    const plain = new Digest();
    const ciphertext = await writeBehind(await this.#place(name), encrypt(plain.over(source), recipient));
    this.#ciphertexts.push({ stored: name, ...ciphertext });
    return plain.fingerprint();
  }

  /** The ciphertext's own fingerprint is in the record of the point that has it. */
  async #shareCiphertext(stored: string, earlier: string): Promise<boolean> {
    const [id = '', ...parts] = relative(this.#backupDir.path, earlier).split('/');
    if (!POINT_ID.test(id) || parts.length === 0) return false;
    const record = await readRecord(this.#backupDir, id);
    if (!isSealed(record)) return false;
    const name = sealedName(parts.join('/'));
    const file = record.files.find((candidate) => candidate.stored === name);
    const path = join(this.#backupDir.pointDir(id), ...safeParts(name));
    const found = await lstatIfThere(path);
    if (!file || !found?.isFile() || found.size !== file.size) return false;
    const shared = sealedName(stored);
    if (!(await this.#link(await this.#place(shared), path))) return false;
    this.#ciphertexts.push({ ...file, stored: shared });
    return true;
  }

  /** Where a stored file goes; makes the directories on the way. */
  async #place(stored: string): Promise<string> {
    const path = join(this.#temporary, ...safeParts(stored));
    this.#stored.push(stored);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    for (let dir = dirname(path); dir !== this.#temporary; dir = dirname(dir)) this.#directories.add(dir);
    return path;
  }

  /** Earlier files are read again before they are shared: damage must not spread into new points. */
  async #linkInstead(path: string, copied: Fingerprint): Promise<boolean> {
    const earlier = this.#findStored(copied.sha256);
    if (earlier === undefined) return false;
    try {
      const found = await fingerprintFile(earlier);
      return found.sha256 === copied.sha256 && (await this.#link(path, earlier));
    } catch (error) {
      // It is gone, not ours, or no longer a file.
      const unusable = error instanceof RollbackError && error.code === 'unsafe';
      if (unusable || hasErrno(error, 'ENOENT', 'EACCES')) return false;
      throw error;
    }
  }

  /** False when it cannot be linked: linked too often, not ours, gone, or the file system has no links. */
  async #link(path: string, earlier: string): Promise<boolean> {
    const beside = join(this.#temporary, `.link-${(this.#links += 1)}`);
    try {
      await link(earlier, beside);
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'EMLINK', 'EXDEV', 'ENOTSUP')) return false;
      throw error;
    }
    await rename(beside, path);
    return true;
  }
}

/** Makes a new 0600 file of what `source` gives; on the disk when this returns. */
async function write(path: string, source: Bytes): Promise<Fingerprint> {
  await using to = await open(path, 'wx', 0o600);
  const digest = new Digest();
  for await (const chunk of digest.over(source)) await to.appendFile(chunk);
  await to.sync();
  return digest.fingerprint();
}

/** As `write`, each chunk while the next one is made: `source` does not use its buffers again. */
async function writeBehind(path: string, source: Bytes): Promise<Fingerprint> {
  await using to = await open(path, 'wx', 0o600);
  const digest = new Digest();
  let writing = Promise.resolve();
  try {
    for await (const chunk of digest.over(source)) {
      await writing;
      writing = to.appendFile(chunk);
      // It may fail before anybody waits for it: told then.
      writing.catch(() => undefined);
    }
  } finally {
    await writing;
  }
  await to.sync();
  return digest.fingerprint();
}

async function* telling(source: Bytes, progress: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of source) {
    yield chunk;
    size += chunk.byteLength;
    progress(size);
  }
}
