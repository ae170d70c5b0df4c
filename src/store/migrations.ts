import type { Database } from 'better-sqlite3';
import { RollbackError } from '../model/errors.js';

/**
 * The index's tables, version by version: an entry is never edited once released, only followed by another. `user_version` counts those
 * applied. Times are milliseconds since the epoch, so that they sort; documents are the JSON of PointSummary, RunSummary, AuditRecord.
 */
export const MIGRATIONS: readonly string[] = [
  `
  -- One narrow row a point, all that a listing prints; the documents are apart, so that listing does not read them.
  CREATE TABLE points (
    id          TEXT PRIMARY KEY,
    project     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT,
    pinned      INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    timestamp   TEXT NOT NULL,
    description TEXT NOT NULL,
    services    TEXT NOT NULL, -- JSON array of names
    images      INTEGER NOT NULL,
    volumes     INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    git_commit  TEXT
  ) STRICT;
  CREATE UNIQUE INDEX point_names ON points (project, name) WHERE name IS NOT NULL;
  CREATE INDEX points_by_age ON points (created DESC, id DESC);

  CREATE TABLE point_documents (
    id       TEXT PRIMARY KEY REFERENCES points ON DELETE CASCADE,
    document TEXT NOT NULL
  ) STRICT;

  CREATE TABLE runs (
    id       TEXT PRIMARY KEY,
    project  TEXT NOT NULL,
    started  INTEGER NOT NULL,
    document TEXT NOT NULL
  ) STRICT;
  CREATE INDEX runs_by_age ON runs (started DESC, id DESC);

  -- The position is where the record's line ends in audit.jsonl, in bytes.
  CREATE TABLE audit (
    position INTEGER PRIMARY KEY,
    project  TEXT NOT NULL,
    document TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- The order is a counter's, which only grows: clocks go back. 0 for what was made before there was one.
  CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
  INSERT INTO sequence VALUES (0);
  ALTER TABLE points ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE runs ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
  UPDATE point_documents SET document = json_set(document, '$.sequence', 0);
  UPDATE runs SET document = json_set(document, '$.sequence', 0);
  DROP INDEX points_by_age;
  DROP INDEX runs_by_age;
  CREATE INDEX points_by_age ON points (sequence DESC, created DESC, id DESC);
  CREATE INDEX runs_by_age ON runs (sequence DESC, started DESC, id DESC);
  `,
  `
  ALTER TABLE points ADD COLUMN failing TEXT NOT NULL DEFAULT '[]'; -- JSON array of names
  UPDATE point_documents SET document = json_set(document, '$.failing', json('[]'));
  `,
];

export function schemaVersion(db: Database): number {
  return Number(db.pragma('user_version', { simple: true }));
}

/** Throws `not-supported` when the index was made by a version of ours that knows more than we do. */
export function assertNotNewer(version: number, migrations = MIGRATIONS): void {
  if (version <= migrations.length) return;
  throw new RollbackError('not-supported', 'the index was made by a newer compose-rollback', {
    hint: 'upgrade compose-rollback, or make the index again with `compose-rollback reindex`',
    details: [`its version is ${version}, the newest known here is ${migrations.length}`],
  });
}

/** Brings the tables up to date, each version whole or not at all; safe against another process doing the same. */
export function migrate(db: Database, migrations = MIGRATIONS): void {
  if (schemaVersion(db) === migrations.length) return;
  const upgrade = db.transaction(() => {
    const version = schemaVersion(db);
    assertNotNewer(version, migrations);
    for (const statements of migrations.slice(version)) db.exec(statements);
    db.pragma(`user_version = ${migrations.length}`);
  });
  upgrade.immediate();
}
