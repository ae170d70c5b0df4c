import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Point, PointSummary } from '../model/point.js';
import type { BackupDir } from './backup-dir.js';
import { explained, syncDirectory, writeNewFile } from './files.js';
import { isSealed, recordedFiles, storedPath, summaryOfRecord } from './point-files.js';
import { readRecord } from './point-reader.js';
import { PointWriter } from './point-writer.js';
import { isAlive, ownMark } from './process.js';

/**
 * Safety points are encrypted only once their run has ended: going back must not need a key. A marker beside each one says that this is still to
 * be done, and for which process it is open.
 */

const MARKER = /^\.seal-(rb-[0-9a-f]{12})-(\d+-\d+-[0-9a-f]{8})$/;

interface Marker {
  id: string;
  /** Absolute. */
  file: string;
  /** Its process. */
  mark: string;
}

/** Notes that a point is to be encrypted later. */
export async function markUnsealed(backupDir: BackupDir, id: string): Promise<void> {
  await explained('begin a point', async () => {
    await writeNewFile(join(backupDir.path, `.seal-${id}-${await ownMark()}`), '');
    await syncDirectory(backupDir.path);
  });
}

async function markers(backupDir: BackupDir): Promise<Marker[]> {
  return (await readdir(backupDir.path)).flatMap((name) => {
    const [, id, mark] = MARKER.exec(name) ?? [];
    return id === undefined || mark === undefined ? [] : [{ id, mark, file: join(backupDir.path, name) }];
  });
}

/** Points that are still to be encrypted, and that no living process keeps open. */
export async function leftUnsealed(backupDir: BackupDir): Promise<string[]> {
  const left: string[] = [];
  for (const { id, mark } of await markers(backupDir)) if ((await isAlive(mark)) !== true) left.push(id);
  return left;
}

/**
 * Encrypts a point that was to be encrypted later; what the index is to hold of it. Undefined when there is nothing to do. Killed at any instant,
 * the point is the old one or the new one, and this can be repeated. Throws `damaged` when the point is: then it stays as it is.
 */
export async function sealPoint(
  backupDir: BackupDir,
  id: string,
  recipient: () => Promise<string>,
): Promise<PointSummary | undefined> {
  const marked = (await markers(backupDir)).filter((marker) => marker.id === id);
  if (marked.length === 0) return undefined;
  const record = await readIfThere(backupDir, id);
  const summary =
    !record || isSealed(record)
      ? record && summaryOfRecord(record)
      : await replaceSealed(backupDir, record, await recipient());
  for (const { file } of marked) await rm(file, { force: true });
  return summary;
}

async function readIfThere(backupDir: BackupDir, id: string) {
  try {
    return await readRecord(backupDir, id);
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'no-such-point') return undefined;
    throw error;
  }
}

async function replaceSealed(backupDir: BackupDir, point: Point, recipient: string): Promise<PointSummary> {
  const writer = await PointWriter.begin(backupDir, point.id, { recipient });
  try {
    for (const file of recordedFiles(point)) {
      const source = await storedPath(backupDir, point, file);
      const { sha256 } = await writer.addFile(file.stored, source);
      if (sha256 !== file.sha256) throw damaged(source);
    }
    return await writer.replace(point);
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

function damaged(path: string): RollbackError {
  return new RollbackError('damaged', `${quoted(path)} is damaged: its contents have changed`, {
    hint: 'use another point; `compose-rollback verify --all` tells which are sound',
  });
}
