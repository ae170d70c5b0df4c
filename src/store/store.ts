import { readdir } from 'node:fs/promises';
import { RollbackError } from '../model/errors.js';
import { POINT_ID, quoted } from '../model/names.js';
import type { Point, PointModel } from '../model/point.js';
import type { AuditRecord } from '../model/run.js';
import { BackupDir, findBackupDir, openBackupDir } from './backup-dir.js';
import { lstatIfThere } from './files.js';
import { IndexDb } from './index-db.js';
import { damagedIndex } from './index-errors.js';
import { assertSafe } from './paths.js';
import type { PointWriter } from './point-writer.js';
import type { StoredProblem } from './point-verify.js';
import type { ReindexReport } from './reindex.js';

/**
 * A backup directory with its index, kept in step. Reading makes and changes nothing, the directory included; the first write makes what is
 * missing. What only some commands need is loaded by them: `list` has no time for it.
 */
export class Store {
  readonly dir: BackupDir;
  #reading: IndexDb | undefined;
  #writing: IndexDb | undefined;

  private constructor(dir: BackupDir) {
    this.dir = dir;
  }

  /** Throws `unsafe` when the directory is not safe to use. With `create` it is made at once. */
  static async open(path: string, options: { create?: boolean } = {}): Promise<Store> {
    const found = options.create ? await openBackupDir(path) : await findBackupDir(path);
    return new Store(found ?? BackupDir.at(path));
  }

  get path(): string {
    return this.dir.path;
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

  /** Begins a point; files that the newest points have already are shared with them. */
  async begin(id: string): Promise<PointWriter> {
    const index = await this.writeIndex();
    const [{ PointWriter: Writer }, { storedFiles }] = await Promise.all([
      import('./point-writer.js'),
      import('./point-reader.js'),
    ]);
    const newest = index.points({ limit: 3 }).map((point) => point.id);
    return await Writer.begin(this.dir, id, { findStored: await storedFiles(this.dir, newest) });
  }

  /** Throws `no-such-point`, `damaged`, `not-supported`, `unsafe`. */
  async read(id: string): Promise<Point> {
    return await (await import('./point-reader.js')).readPoint(this.dir, id);
  }

  /** The resolved model and the variables, bytes checked. Throws as `read`. */
  async readModel(point: Point): Promise<PointModel> {
    return await (await import('./point-reader.js')).readPointModel(this.dir, point);
  }

  /** What is wrong with a point's stored files. */
  async verify(point: Point): Promise<StoredProblem[]> {
    return await (await import('./point-verify.js')).verifyPoint(this.dir, point);
  }

  /** Where a point's own copy of a recorded file is (absolute). Throws `no-such-point` for a file it has not, `unsafe`. */
  async storedPath(point: Point, file: { path: string; outside: boolean }): Promise<string> {
    const { storedPath } = await import('./point-files.js');
    const entries = file.outside ? point.outside : point.entries;
    const entry = entries.find((candidate) => candidate.path === file.path);
    if (entry?.type === 'file') return await storedPath(this.dir, point, entry);
    throw new RollbackError('no-such-point', `point ${point.id} has no file ${quoted(file.path)}`, {
      hint: `\`compose-rollback show ${point.id}\` tells what it has`,
    });
  }

  pointDir(id: string): string {
    return this.dir.pointDir(id);
  }

  /** The point itself first: the index only mirrors. */
  async setPinned(id: string, pinned: boolean): Promise<void> {
    const { setPinned } = await import('./point-reader.js');
    await setPinned(this.dir, id, pinned);
    (await this.writeIndex()).setPinned(id, pinned);
  }

  /** From the index first: killed in between the point is whole, and `tidy` lists it again. Throws `no-such-point`, `unsafe`. */
  async remove(id: string): Promise<void> {
    const { removePoint } = await import('./point-reader.js');
    (await this.writeIndex()).deletePoint(id);
    await removePoint(this.dir, id);
  }

  /** Adds a line to the audit trail: to the file even when the index is lost, for the next reindex to find. */
  async audit(record: AuditRecord): Promise<void> {
    const { appendAudit, mirrorAudit } = await import('./audit.js');
    await openBackupDir(this.path);
    await appendAudit(this.dir, record);
    await mirrorAudit(this.dir, await this.writeIndex());
  }

  /**
   * Clears up after killed processes: their leftovers go, and the index learns what they could not tell it. For the beginning of every
   * command that writes, under the project's lock.
   */
  async tidy(): Promise<ReindexReport> {
    const index = await this.writeIndex();
    const [{ sweep }, { reconcile }] = await Promise.all([
      import('./point-writer.js'),
      import('./reindex.js'),
    ]);
    await sweep(this.dir);
    return await reconcile(this.dir, index);
  }

  /** Makes the index again. Indexes that were handed out before are closed. */
  async reindex(): Promise<ReindexReport> {
    await openBackupDir(this.path);
    this.close();
    return await (await import('./reindex.js')).reindex(this.dir);
  }

  close(): void {
    this.#reading?.close();
    this.#writing?.close();
    this.#reading = undefined;
    this.#writing = undefined;
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
