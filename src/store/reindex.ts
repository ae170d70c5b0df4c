import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { mirrorAudit } from './audit.js';
import type { BackupDir } from './backup-dir.js';
import { explained, syncDirectory } from './files.js';
import { IndexDb } from './index-db.js';
import { listJournals, readJournal, runSummary } from './journal.js';
import { summaryOfRecord } from './point-files.js';
import { isUnreadable, listPointDirs, readRecord } from './point-reader.js';
import { ownMark } from './process.js';

export interface ReindexReport {
  /** How many of each the index holds now. */
  points: number;
  runs: number;
  audit: number;
  /** What could not be indexed and was left as it is: `what` is the id of a point or run, or `audit.jsonl`. */
  damaged: { what: string; problem: string }[];
}

/**
 * Makes `index.db` again from what it mirrors: beside, then renamed into place. Nothing else is changed. Processes that have the old index open
 * keep writing to the old one, so it is done under the project's lock.
 */
export async function reindex(backupDir: BackupDir): Promise<ReindexReport> {
  const beside = join(backupDir.path, `.tmp-index-${await ownMark()}`);
  const sideFiles = ['-journal', '-wal', '-shm'].map((suffix) => backupDir.indexFile + suffix);
  return await explained('make the index again', async () => {
    const index = await IndexDb.openToWrite(beside);
    let report: ReindexReport;
    try {
      report = await reconcile(backupDir, index);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    } finally {
      index.close();
    }
    // The old index's journal would be played back into the new one.
    for (const file of sideFiles) await rm(file, { force: true });
    await rename(beside, backupDir.indexFile);
    await syncDirectory(backupDir.path);
    return report;
  });
}

/** Brings an index in line with the directory: after a kill between the two, or from nothing. What is in step is not read again. */
export async function reconcile(backupDir: BackupDir, index: IndexDb): Promise<ReindexReport> {
  const damaged = [...(await reconcilePoints(backupDir, index)), ...(await reconcileRuns(backupDir, index))];
  const audit = await mirrorAudit(backupDir, index);
  if (audit.unreadable > 0) {
    damaged.push({ what: 'audit.jsonl', problem: `${audit.unreadable} lines cannot be read` });
  }
  return { ...index.counts(), damaged };
}

type Damaged = ReindexReport['damaged'];

async function reconcilePoints(backupDir: BackupDir, index: IndexDb): Promise<Damaged> {
  const present = new Set(await listPointDirs(backupDir));
  const indexed = new Set(index.pointIds());
  for (const id of indexed) if (!present.has(id)) index.deletePoint(id);
  const damaged: Damaged = [];
  for (const id of present) {
    if (indexed.has(id)) continue;
    const problem = await problemOf(async () => {
      index.insertPoint(summaryOfRecord(await readRecord(backupDir, id)));
    });
    if (problem !== undefined) damaged.push({ what: id, problem });
  }
  return damaged;
}

/** Unfinished runs are read again: their end may have been written to the journal alone. */
async function reconcileRuns(backupDir: BackupDir, index: IndexDb): Promise<Damaged> {
  const finished = new Set(
    index
      .runs()
      .filter((run) => run.ended !== null)
      .map((run) => run.id),
  );
  const damaged: Damaged = [];
  for (const id of await listJournals(backupDir)) {
    if (finished.has(id)) continue;
    const problem = await problemOf(async () => {
      const summary = runSummary(await readJournal(backupDir.journalFile(id)));
      if (summary) index.insertRun(summary);
    });
    if (problem !== undefined) damaged.push({ what: id, problem });
  }
  return damaged;
}

/** What is wrong with one point or run; errors that concern more than it are thrown. */
async function problemOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    // `usage`: its name is taken by another point.
    if (error instanceof RollbackError && (isUnreadable(error) || error.code === 'usage'))
      return error.message;
    throw error;
  }
}
