import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { messageOf, RollbackError } from '../model/errors.js';
import type { ProjectFacts } from '../model/facts.js';
import { POINT_ID, quoted } from '../model/names.js';
import type { Point, PointModel, SealedPoint } from '../model/point.js';
import type { AuditRecord, RunSummary } from '../model/run.js';
import { BackupDir, findBackupDir, openBackupDir } from './backup-dir.js';
import { lstatIfThere } from './files.js';
import { IndexDb } from './index-db.js';
import { damagedIndex } from './index-errors.js';
import { assertSafe, safeParts } from './paths.js';
import type { Release } from './point-files.js';
import type { PointWriter } from './point-writer.js';
import type { StoredProblem } from './point-verify.js';
import type { ReindexReport } from './reindex.js';
import type { EncryptionSettings, StoreKey } from './store-key.js';
import type { StoreUsage } from './usage.js';
import type { KeyAccess } from './user-key.js';

/** What only some commands need, loaded by them: `list` has no time for it. */
const contents = () => import('./contents.js');

/** A line of the audit trail: now, and done, unless it says otherwise. */
export type AuditEntry = Pick<AuditRecord, 'user' | 'project' | 'action' | 'subjects'> & Partial<AuditRecord>;

export interface StoreOptions {
  /** Makes the directory at once. */
  create?: boolean | undefined;
  /** New points are encrypted when this is there. */
  encryption?: EncryptionSettings | undefined;
  /** The settings could not be read: new points are encrypted where a key was made. */
  keepsEncrypting?: boolean | undefined;
  /** What opens encrypted points; nothing when absent. */
  access?: KeyAccess | undefined;
  /** Told what a person should know and what stops nothing. */
  warn?: ((message: string) => void) | undefined;
}

/**
 * A backup directory with its index, kept in step. Reading makes and changes nothing, the directory included; the first write makes what is
 * missing.
 */
export class Store {
  #dir: BackupDir;
  readonly #options: StoreOptions;
  #reading: IndexDb | undefined;
  #writing: IndexDb | undefined;
  #key: Promise<StoreKey> | undefined;

  private constructor(dir: BackupDir, options: StoreOptions) {
    this.#dir = dir;
    this.#options = options;
  }

  /** Throws `unsafe` when the directory is not safe to use. */
  static async open(path: string, options: StoreOptions = {}): Promise<Store> {
    const found = options.create ? await openBackupDir(path) : await findBackupDir(path);
    return new Store(found ?? BackupDir.at(path), options);
  }

  get dir(): BackupDir {
    return this.#dir;
  }

  get path(): string {
    return this.dir.path;
  }

  /** Goes on in another directory. Indexes that were handed out before are closed. */
  relocate(path: string): void {
    if (path === this.path) return;
    this.close();
    this.#key = undefined;
    this.#dir = BackupDir.at(path);
  }

  /** Undefined when nothing was ever stored. Throws `damaged` when the index is lost or broken, `not-supported` when it is newer. */
  async readIndex(): Promise<IndexDb | undefined> {
    const open = this.#writing ?? this.#reading;
    if (open) return open;
    if (!(await this.#hasIndex())) return undefined;
    return (this.#reading = await IndexDb.openToRead(this.dir.indexFile));
  }

  /** Throws as `readIndex`, and `failed` when it cannot be written. */
  async writeIndex(): Promise<IndexDb> {
    if (this.#writing) return this.#writing;
    await openBackupDir(this.path);
    await this.#hasIndex();
    return (this.#writing = await IndexDb.openToWrite(this.dir.indexFile));
  }

  /**
   * Begins a point; files that the newest points have already are shared with them. In a store that encrypts it is encrypted at once, or with
   * `seal: false` by `seal` once no run needs it any more: the key for that is made now. Throws as `StoreKey.prepare`.
   */
  async begin(id: string, { seal = true }: { seal?: boolean } = {}): Promise<PointWriter> {
    await this.writeIndex();
    const { encryption, keepsEncrypting = false, warn = () => undefined } = this.#options;
    const isSealing = encryption !== undefined || (keepsEncrypting && (await this.hasKey()));
    if (!isSealing) return await this.#writer(id);
    const key = await this.#storeKey();
    const recipient = encryption ? await key.prepare(encryption, warn) : await key.recipient();
    if (seal) return await this.#writer(id, recipient);
    await (await contents()).markUnsealed(this.dir, id);
    return await this.#writer(id);
  }

  async #writer(id: string, recipient?: string): Promise<PointWriter> {
    const index = await this.writeIndex();
    const { PointWriter: Writer, storedFiles } = await contents();
    if (recipient !== undefined) return await Writer.begin(this.dir, id, { recipient });
    const newest = index.points({ limit: 3 }).map((point) => point.id);
    return await Writer.begin(this.dir, id, { findStored: await storedFiles(this.dir, newest) });
  }

  /**
   * Encrypts a point that was begun with `seal: false`; nothing to do for any other. Can be repeated; killed in between, the point is the old one
   * or the new one. Throws `damaged` when it is, and leaves it as it is.
   */
  async seal(id: string): Promise<void> {
    if (!(await this.hasKey())) return;
    const [{ sealPoint }, key, index] = await Promise.all([contents(), this.#storeKey(), this.writeIndex()]);
    const summary = await sealPoint(this.dir, id, () => key.recipient());
    if (summary) index.insertPoint(summary);
  }

  /** As `seal`; what keeps it from being done now is told as a warning, and `tidy` tries again. */
  async sealOrWarn(id: string): Promise<void> {
    try {
      await this.seal(id);
    } catch (error) {
      if (!(error instanceof RollbackError)) throw error;
      this.#options.warn?.(`point ${id} is not encrypted yet: ${messageOf(error)}`);
    }
  }

  /**
   * Adds files to a point that is there: `work` stores them and returns the record that tells of them. Killed in between, the point is as it
   * was, but for files that `dropUnrecorded` takes away. Of an encrypted point they are encrypted too: throws `cannot-decrypt`.
   */
  async amend(id: string, work: (writer: PointWriter, point: Point) => Promise<Point>): Promise<Point> {
    const { isSealed, readRecord, rewriteRecord, summaryOfRecord } = await contents();
    const record = await readRecord(this.dir, id);
    const before = await this.read(id);
    const recipient = isSealed(record) ? await (await this.#storeKey()).recipient() : undefined;
    const writer = await this.#writer(id, recipient);
    try {
      const point = await work(writer, before);
      if (isSealed(record)) {
        (await this.writeIndex()).insertPoint(await writer.replace(point, record.files));
        return point;
      }
      await writer.join();
      await rewriteRecord(this.dir, point);
      (await this.writeIndex()).insertPoint(summaryOfRecord(point));
      return point;
    } catch (error) {
      await writer.abandon();
      throw error;
    }
  }

  /** Removes files of a point that its record does not tell of. An encrypted one is only ever replaced as a whole. */
  async dropUnrecorded(point: Point): Promise<void> {
    if (await this.isSealed(point)) return;
    const { unrecordedFiles } = await contents();
    for (const path of await unrecordedFiles(this.dir, point)) await rm(join(this.pointDir(point.id), path));
  }

  /** Where a stored file of a point is, to be linked. */
  placeOf(id: string, { stored }: { stored: string }): string {
    return join(this.pointDir(id), ...safeParts(stored));
  }

  /** A stored file of a point (`stored` of its record), to read. Throws `damaged` when it is not there, `unsafe`, `cannot-decrypt`. */
  async openStored(point: Pick<Point, 'id'>, file: { stored: string }): Promise<Readable> {
    const { openStored } = await contents();
    return await openStored(this.dir, point, file, this.#identity);
  }

  /** Throws `no-such-point`, `damaged`, `not-supported`, `unsafe`, `cannot-decrypt`. */
  async read(id: string): Promise<Point> {
    return await (await contents()).readPoint(this.dir, id, this.#identity);
  }

  /** What a point tells without the key: all, unless it is encrypted. Throws as `read`, never `cannot-decrypt`. */
  async readRecord(id: string): Promise<Point | SealedPoint> {
    return await (await contents()).readRecord(this.dir, id);
  }

  /** Whether what the point stores is encrypted. */
  async isSealed(point: Pick<Point, 'id'>): Promise<boolean> {
    return await (await contents()).isSealedPoint(this.dir, point);
  }

  /** Whether anything here may be encrypted. */
  async hasKey(): Promise<boolean> {
    return (await lstatIfThere(this.dir.publicKeyFile)) !== undefined;
  }

  /** Whether the user gave a key, right or wrong. */
  async isKeyAtHand(): Promise<boolean> {
    return (await this.#storeKey()).atHand;
  }

  /** The resolved model and the variables, bytes checked. Throws as `read`. */
  /** The runtime facts; undefined for an earlier point. Throws as `read`. */
  async readFacts(point: Point): Promise<ProjectFacts | undefined> {
    return await (await contents()).readPointFacts(this.dir, point, this.#identity);
  }

  async readModel(point: Point): Promise<PointModel> {
    return await (await contents()).readPointModel(this.dir, point, this.#identity);
  }

  /** What is wrong with a point's stored files; of the record of an encrypted one, with the ciphertext alone. */
  async verify(point: Point | SealedPoint): Promise<StoredProblem[]> {
    return await (await contents()).verifyPoint(this.dir, point, this.#identity);
  }

  /** A recorded file of a point, to read. Throws `no-such-point` for a file it has not, and as `openStored`. */
  async openFile(point: Point, file: { path: string; outside: boolean }): Promise<Readable> {
    const entries = file.outside ? point.outside : point.entries;
    const entry = entries.find((candidate) => candidate.path === file.path);
    if (entry?.type === 'file') return await this.openStored(point, entry);
    throw new RollbackError('no-such-point', `point ${point.id} has no file ${quoted(file.path)}`, {
      hint: `\`compose-rollback show ${point.id}\` tells what it has`,
    });
  }

  /** What these points take on the disk. */
  async usage(ids: readonly string[]): Promise<StoreUsage> {
    return await (await contents()).storeUsage(this.dir, ids);
  }

  /** A run of this project whose process is gone and that nobody finished. */
  async killedRun(project: string): Promise<RunSummary | undefined> {
    for (const run of (await this.readIndex())?.unfinishedRuns(project) ?? []) {
      const { isCarriedOn, isEnded } = await contents();
      const journal = this.dir.journalFile(run.id);
      if (!(await isCarriedOn(journal)) && !(await isEnded(journal))) return run;
    }
    return undefined;
  }

  pointDir(id: string): string {
    return this.dir.pointDir(id);
  }

  /** The point itself first: the index only mirrors. */
  async setPinned(id: string, pinned: boolean): Promise<void> {
    const { readRecord, rewriteRecord } = await contents();
    await rewriteRecord(this.dir, { ...(await readRecord(this.dir, id)), pinned });
    (await this.writeIndex()).setPinned(id, pinned);
  }

  /** From the index first: killed in between the point is whole, and `tidy` lists it again. Throws `no-such-point`, `unsafe`. */
  async remove(id: string, release?: Release): Promise<void> {
    const { removePoint } = await contents();
    (await this.writeIndex()).deletePoint(id);
    await removePoint(this.dir, id, release);
  }

  /** Adds a line to the audit trail: to the file even when the index is lost, for the next reindex to find. */
  async audit(entry: AuditEntry): Promise<void> {
    const record = { at: new Date().toISOString(), result: 'done' as const, message: '', ...entry };
    const { appendAudit, mirrorAudit } = await contents();
    await openBackupDir(this.path);
    await appendAudit(this.dir, record);
    await mirrorAudit(this.dir, await this.writeIndex());
  }

  /**
   * Clears up after killed processes: their leftovers go, and the index learns what they could not tell it. For the beginning of every
   * command that writes, under the project's lock.
   */
  async tidy(release?: Release): Promise<ReindexReport> {
    const index = await this.writeIndex();
    const { reconcile, sweep } = await contents();
    await sweep(this.dir, release);
    const report = await reconcile(this.dir, index);
    if (await this.hasKey()) await this.#sealLeft(index);
    return report;
  }

  /** Encrypts what killed processes could not, unless going back may still need it. */
  async #sealLeft(index: IndexDb): Promise<void> {
    const { leftUnsealed } = await contents();
    const runs = index.runs();
    const newest = new Map(runs.toReversed().map((run) => [run.project, run]));
    const needing = runs.filter(
      (run) => run.ended === null || (run.result === 'not-returned' && newest.get(run.project) === run),
    );
    const needed = new Set(needing.map(({ safety }) => safety));
    for (const id of await leftUnsealed(this.dir)) if (!needed.has(id)) await this.sealOrWarn(id);
  }

  /** Makes the index again. Indexes that were handed out before are closed. */
  async reindex(): Promise<ReindexReport> {
    await openBackupDir(this.path);
    this.close();
    return await (await contents()).reindex(this.dir);
  }

  close(): void {
    this.#reading?.close();
    this.#writing?.close();
    this.#reading = undefined;
    this.#writing = undefined;
  }

  readonly #identity = async (): Promise<string> => (await this.#storeKey()).identity();

  #storeKey(): Promise<StoreKey> {
    const { access = { env: {} } } = this.#options;
    return (this.#key ??= contents().then(({ StoreKey: Key }) => new Key(this.dir, access)));
  }

  /** Whether there is an index; throws `damaged` when there should be one. */
  async #hasIndex(): Promise<boolean> {
    for (const side of ['-journal', '-wal', '-shm']) await assertSafe(this.dir.indexFile + side, 'file');
    await assertSafe(this.dir.indexFile, 'file');
    const found = await lstatIfThere(this.dir.indexFile);
    if (found && found.size > 0) return true;
    if (!(await lstatIfThere(this.path))) return false;
    const names = await readdir(this.path);
    const lost = names.some((name) => name === 'runs' || POINT_ID.test(name));
    if (lost) throw damagedIndex('the index of the points is lost');
    return false;
  }
}
