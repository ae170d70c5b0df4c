import type { Database } from 'better-sqlite3';
import { RollbackError } from '../model/errors.js';
import { type PointKind, quoted } from '../model/names.js';
import type { PointSummary } from '../model/point.js';
import type { AuditRecord, RunSummary } from '../model/run.js';
import { hasErrno, writeNewFile } from './files.js';
import { translate, translated } from './index-errors.js';
import { assertNotNewer, migrate, MIGRATIONS, schemaVersion } from './migrations.js';
import { openDatabase, sqliteCode } from './sqlite.js';
import { pointRow } from './summary.js';

/** What a listing prints of a point: a fraction of its summary, read in a fraction of the time. */
export interface PointLine {
  id: string;
  timestamp: string;
  description: string;
  kind: PointKind;
  name: string | null;
  pinned: boolean;
  project: string;
  services: string[];
  /** Services known to be failing when it was made. */
  failing: string[];
  /** How many images and volumes it holds. */
  images: number;
  volumes: number;
  /** All it holds, in bytes. */
  bytes: number;
  git_commit: string | null;
}

export interface PointFilter {
  project?: string;
  kinds?: readonly PointKind[];
  limit?: number;
  /** How many of the newest are left out. */
  skip?: number;
}

/** One line of the audit trail, and where it ends in `audit.jsonl`, in bytes. */
export interface AuditLine {
  position: number;
  record: AuditRecord;
}

type LineRow = Omit<PointLine, 'services' | 'failing' | 'pinned'> & {
  services: string;
  failing: string;
  pinned: number;
};

const MATCHING = `
  WHERE (@project IS NULL OR project = @project) AND (@kinds IS NULL OR kind IN (SELECT value FROM json_each(@kinds)))
  ORDER BY sequence DESC, created DESC, id DESC LIMIT @limit OFFSET @skip`;

function filterValues(filter: PointFilter) {
  return {
    project: filter.project ?? null,
    kinds: filter.kinds ? JSON.stringify(filter.kinds) : null,
    limit: filter.limit ?? -1,
    skip: filter.skip ?? 0,
  };
}

/**
 * `index.db`: a mirror of points, runs and the audit trail for fast queries; `reindex` makes it again. Lists are newest first, by the place that
 * `takePlace` gave, not by the clock. All methods
 * throw `damaged` when the file is not what it should be, `failed` when it cannot be used.
 *
 * It keeps SQLite's rollback journal, not a WAL: reading then never writes anything, side files included, and works on read-only media.
 */
export class IndexDb {
  readonly #db: Database;

  private constructor(db: Database) {
    this.#db = db;
  }

  /** To read a file that exists; it is never written to. Throws `not-supported` when it is newer than we are. */
  static async openToRead(file: string): Promise<IndexDb> {
    return await translated(async () => {
      const db = await openDatabase(file, { readonly: true, fileMustExist: true });
      try {
        const version = schemaVersion(db);
        assertNotNewer(version);
        if (version === MIGRATIONS.length) return new IndexDb(db);
        const copy = await openDatabase(db.serialize());
        db.close();
        migrate(copy);
        return new IndexDb(copy);
      } catch (error) {
        db.close();
        // A writer was killed half-way; only a writer can take its changes back.
        if (sqliteCode(error) !== 'SQLITE_READONLY_ROLLBACK') throw error;
        (await IndexDb.openToWrite(file)).close();
        return await IndexDb.openToRead(file);
      }
    });
  }

  /** Made (0600) when missing, and brought up to date. Throws `not-supported` when it is newer than we are. */
  static async openToWrite(file: string): Promise<IndexDb> {
    return await translated(async () => {
      await createIfMissing(file);
      const db = await openDatabase(file, { fileMustExist: true });
      try {
        // What is taken out is wiped: an encrypted point's hashes may have been in here.
        db.pragma('secure_delete = ON');
        migrate(db);
        return new IndexDb(db);
      } catch (error) {
        db.close();
        throw error;
      }
    });
  }

  /** An index of nothing, kept in memory. */
  static async empty(): Promise<IndexDb> {
    const db = await openDatabase(':memory:');
    migrate(db);
    return new IndexDb(db);
  }

  close(): void {
    this.#db.close();
  }

  /** All of `work`, or nothing of it. */
  transaction<T>(work: () => T): T {
    return this.#attempt(() => this.#db.transaction(work).immediate());
  }

  /**
   * The next place in the order of points and runs, never given twice, whichever processes ask. Points and journals carry theirs, so that
   * `reindex` brings the order back.
   */
  takePlace(): number {
    return this.#attempt(() =>
      Number(this.#db.prepare('UPDATE sequence SET last = last + 1 RETURNING last').pluck().get()),
    );
  }

  /** The place of the newest point of a project that is not younger than `timestamp`; 0 when there is none. */
  placeAt(project: string, timestamp: string): number {
    const sql =
      'SELECT coalesce(max(sequence), 0) FROM points WHERE project = @project AND created <= @created';
    return Number(this.#texts(sql, { project, created: Date.parse(timestamp) })[0]);
  }

  /** A point that is there already is replaced. Throws `usage` when another one of the project has its name. */
  insertPoint(summary: PointSummary): void {
    this.transaction(() => {
      const holder = summary.name === null ? undefined : this.pointByName(summary.project, summary.name);
      if (holder && holder.id !== summary.id) throw nameTaken(summary, holder);
      this.deletePoint(summary.id);
      this.#run(
        `INSERT INTO points (id, project, kind, name, pinned, created, timestamp, description, services, failing, images, volumes, bytes, git_commit, sequence)
         VALUES (@id, @project, @kind, @name, @pinned, @created, @timestamp, @description, @services, @failing, @images, @volumes, @bytes, @git_commit, @sequence)`,
        pointRow(summary),
      );
      this.#raiseSequence(summary);
      const document = JSON.stringify(summary);
      this.#run('INSERT INTO point_documents VALUES (@id, @document)', { id: summary.id, document });
    });
  }

  /** A point that is not there is no error. */
  deletePoint(id: string): void {
    this.#run('DELETE FROM points WHERE id = @id', { id });
  }

  /** Throws `no-such-point`. */
  setPinned(id: string, pinned: boolean): void {
    this.transaction(() => {
      const point = this.#documents<PointSummary>('SELECT document FROM point_documents WHERE id = @id', {
        id,
      })[0];
      if (!point) {
        throw new RollbackError('no-such-point', `there is no point ${quoted(id)}`, {
          hint: '`compose-rollback list` shows the points there are',
        });
      }
      this.insertPoint({ ...point, pinned });
    });
  }

  points(filter: PointFilter = {}): PointSummary[] {
    return this.#documents(
      `SELECT document FROM points JOIN point_documents USING (id) ${MATCHING}`,
      filterValues(filter),
    );
  }

  /** The names of all projects that have points here; those with nothing but safety points left out. */
  projects(): string[] {
    return this.#texts("SELECT DISTINCT project AS document FROM points WHERE kind <> 'safety'", {});
  }

  /** What `points` gives, each still as JSON text: for those who only pass it on. */
  pointDocuments(filter: PointFilter = {}): string[] {
    return this.#texts(
      `SELECT document FROM points JOIN point_documents USING (id) ${MATCHING}`,
      filterValues(filter),
    );
  }

  /** What a listing prints; ten thousand take some 30 ms. */
  pointLines(filter: PointFilter = {}): PointLine[] {
    return this.#attempt(() => {
      const select = this.#db.prepare<[object], LineRow>(
        `SELECT id, timestamp, description, kind, name, pinned, project, services, failing, images, volumes, bytes, git_commit
         FROM points ${MATCHING}`,
      );
      return select.all(filterValues(filter)).map((row) => {
        const services: string[] = JSON.parse(row.services);
        const failing: string[] = JSON.parse(row.failing);
        return { ...row, services, failing, pinned: row.pinned !== 0 };
      });
    });
  }

  pointIds(): string[] {
    return this.#texts('SELECT id FROM points', {});
  }

  /** How many of each there are. */
  counts(): { points: number; runs: number; audit: number } {
    const count = (table: string) => Number(this.#texts(`SELECT count(*) FROM ${table}`, {})[0]);
    return { points: count('points'), runs: count('runs'), audit: count('audit') };
  }

  /** By an id or the beginning of one. Throws `usage` when it fits several. */
  pointById(prefix: string): PointSummary | undefined {
    return onlyOne(this.#documents<PointSummary>(withPrefix('point_documents'), { prefix }), prefix);
  }

  pointByName(project: string, name: string): PointSummary | undefined {
    return this.#documents<PointSummary>(
      'SELECT document FROM points JOIN point_documents USING (id) WHERE project = @project AND name = @name',
      { project, name },
    )[0];
  }

  /** The newest of these kinds; with `back` the one so many before it. */
  latest(project: string, back: number, kinds: readonly PointKind[]): PointSummary | undefined {
    return this.points({ project, kinds, limit: 1, skip: back })[0];
  }

  /** A run that is there already is replaced. */
  insertRun(summary: RunSummary): void {
    this.transaction(() => {
      this.#run('INSERT OR REPLACE INTO runs VALUES (@id, @project, @started, @document, @sequence)', {
        id: summary.id,
        project: summary.project,
        started: Date.parse(summary.started),
        document: JSON.stringify(summary),
        sequence: summary.sequence,
      });
      this.#raiseSequence(summary);
    });
  }

  /** An index that was lost, or is older than the points, must not give their places again. */
  #raiseSequence({ sequence }: { sequence: number }): void {
    this.#run('UPDATE sequence SET last = @sequence WHERE last < @sequence', { sequence });
  }

  /** Throws `no-such-run`. */
  finishRun(id: string, end: Pick<RunSummary, 'ended' | 'result' | 'message'>): void {
    this.transaction(() => {
      const run = this.#documents<RunSummary>('SELECT document FROM runs WHERE id = @id', { id })[0];
      if (!run) {
        throw new RollbackError('no-such-run', `there is no run ${quoted(id)}`, {
          hint: '`compose-rollback runs` shows the runs there are',
        });
      }
      this.insertRun({ ...run, ...end });
    });
  }

  runs(filter: { project?: string; limit?: number } = {}): RunSummary[] {
    return this.#documents(
      `SELECT document FROM runs WHERE (@project IS NULL OR project = @project)
       ORDER BY sequence DESC, started DESC, id DESC LIMIT @limit`,
      { project: filter.project ?? null, limit: filter.limit ?? -1 },
    );
  }

  /** Begun and without an end: killed, unless its process still works. */
  unfinishedRuns(project: string): RunSummary[] {
    return this.#documents(
      `SELECT document FROM runs WHERE project = @project AND document ->> 'ended' IS NULL ORDER BY sequence DESC, started DESC`,
      { project },
    );
  }

  /** By an id or the beginning of one. Throws `usage` when it fits several. */
  runById(prefix: string): RunSummary | undefined {
    return onlyOne(this.#documents<RunSummary>(withPrefix('runs'), { prefix }), prefix);
  }

  /** A line that is there already is left as it is. */
  appendAudit(lines: readonly AuditLine[]): void {
    this.transaction(() => {
      for (const { position, record } of lines) {
        this.#run('INSERT OR IGNORE INTO audit VALUES (@position, @project, @document)', {
          position,
          project: record.project,
          document: JSON.stringify(record),
        });
      }
    });
  }

  audit(filter: { project?: string; limit?: number } = {}): AuditRecord[] {
    return this.#documents(
      `SELECT document FROM audit WHERE (@project IS NULL OR project = @project)
       ORDER BY position DESC LIMIT @limit`,
      { project: filter.project ?? null, limit: filter.limit ?? -1 },
    );
  }

  /** How far `audit.jsonl` is mirrored, in bytes. */
  auditPosition(): number {
    return Number(this.#texts('SELECT coalesce(max(position), 0) FROM audit', {})[0]);
  }

  clearAudit(): void {
    this.#run('DELETE FROM audit', {});
  }

  #documents<T>(sql: string, values: object): T[] {
    return this.#attempt(() => this.#texts(sql, values).map((text): T => JSON.parse(text)));
  }

  #texts(sql: string, values: object): string[] {
    return this.#attempt(() => this.#db.prepare<[object], string>(sql).pluck().all(values));
  }

  #run(sql: string, values: object): void {
    this.#attempt(() => this.#db.prepare(sql).run(values));
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw translate(error);
    }
  }
}

/** "g" follows every hex digit. */
const withPrefix = (table: 'point_documents' | 'runs') =>
  `SELECT document FROM ${table} WHERE id >= @prefix AND id < @prefix || 'g' ORDER BY id LIMIT 10`;

function onlyOne<T extends { id: string }>(found: T[], prefix: string): T | undefined {
  if (found.length < 2) return found[0];
  throw new RollbackError('usage', `${quoted(prefix)} fits several ids`, {
    hint: 'give more digits of the one you mean',
    details: found.map(({ id }) => id),
  });
}

function nameTaken(summary: PointSummary, holder: PointSummary): RollbackError {
  return new RollbackError('usage', `the name ${quoted(summary.name ?? '')} is taken by point ${holder.id}`, {
    hint: 'choose another name, or delete that point first',
  });
}

/**
 * SQLite would make it readable for everybody. A file that exists is not opened here: closing it would drop the locks that another
 * connection of this process holds on it.
 */
async function createIfMissing(file: string): Promise<void> {
  try {
    await writeNewFile(file, '');
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  }
}
