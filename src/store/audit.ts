import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { RollbackError } from '../model/errors.js';
import type { AuditRecord } from '../model/run.js';
import type { BackupDir } from './backup-dir.js';
import { explained, openRegular, parseJson } from './files.js';
import type { AuditLine, IndexDb } from './index-db.js';
import { assertSafe } from './paths.js';

const CHUNK = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Appends one line to the audit trail, in one write, so that two processes cannot mix theirs. Throws `failed` when it cannot be written,
 * `unsafe` when the file is a link.
 */
export async function appendAudit(backupDir: BackupDir, record: AuditRecord): Promise<void> {
  await assertSafe(backupDir.auditFile, 'file');
  await explained('write the audit trail', async () => {
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    await using file = await open(backupDir.auditFile, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    const line = `${(await endsInsideLine(file)) ? '\n' : ''}${JSON.stringify(record)}\n`;
    const { bytesWritten } = await file.write(line);
    if (bytesWritten < Buffer.byteLength(line)) {
      throw new RollbackError('failed', 'the audit trail took only a part of a line', {
        hint: 'free some space in the backup directory',
      });
    }
    await file.datasync();
  });
}

/** Whether an earlier write was cut short, so that its rest has to be closed first. */
async function endsInsideLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== NEWLINE;
}

/** The newest records first, read from the end of the file; lines that are no records are passed over. No file: none. */
export async function readAudit(
  backupDir: BackupDir,
  filter: { project?: string; limit?: number } = {},
): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  const limit = filter.limit ?? Infinity;
  await using file = await openIfThere(backupDir.auditFile);
  if (!file || limit <= 0) return records;
  for await (const line of linesFromEnd(file)) {
    const record = parseAudit(line);
    if (!record || (filter.project !== undefined && record.project !== filter.project)) continue;
    records.push(record);
    if (records.length >= limit) break;
  }
  return records;
}

/**
 * Brings the index's mirror up to date with the file. Returns how many records were added, and how many lines are no records.
 */
export async function mirrorAudit(
  backupDir: BackupDir,
  index: IndexDb,
): Promise<{ added: number; unreadable: number }> {
  await using file = await openIfThere(backupDir.auditFile);
  const size = file ? (await file.stat()).size : 0;
  // Shorter than what is mirrored: someone started a new file.
  if (size < index.auditPosition()) index.clearAudit();
  const added: AuditLine[] = [];
  let unreadable = 0;
  if (file) {
    for await (const { line, position } of linesFrom(file, index.auditPosition())) {
      const record = parseAudit(line);
      if (record) added.push({ position, record });
      else if (line !== '') unreadable += 1;
    }
  }
  index.appendAudit(added);
  return { added: added.length, unreadable };
}

/** Whole lines from a position on, each with the position after its end. */
async function* linesFrom(
  file: FileHandle,
  start: number,
): AsyncGenerator<{ line: string; position: number }> {
  let rest = Buffer.alloc(0);
  let position = start;
  for (;;) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, position + rest.length);
    if (bytesRead === 0) return;
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      position += end + 1;
      yield { line: rest.toString('utf8', 0, end), position };
      rest = rest.subarray(end + 1);
    }
  }
}

/** Lines from the last to the first; what is not ended by a newline is left out. */
async function* linesFromEnd(file: FileHandle): AsyncGenerator<string> {
  let start = (await file.stat()).size;
  let rest = Buffer.alloc(0);
  let complete = false;
  while (start > 0) {
    const length = Math.min(CHUNK, start);
    start -= length;
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, start);
    rest = Buffer.concat([buffer, rest]);
    for (let end = rest.lastIndexOf(NEWLINE); end !== -1; end = rest.lastIndexOf(NEWLINE)) {
      if (complete) yield rest.toString('utf8', end + 1);
      complete = true;
      rest = rest.subarray(0, end);
    }
  }
  if (complete) yield rest.toString('utf8');
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return (await assertSafe(path, 'file')) ? await openRegular(path) : undefined;
}

function parseAudit(line: string): AuditRecord | undefined {
  const value = parseJson(line);
  return isAuditRecord(value) ? value : undefined;
}

/** By hand, because `history` should not wait for a schema library. */
function isAuditRecord(value: unknown): value is AuditRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record: Record<string, unknown> = { ...value };
  const { subjects, result } = record;
  return (
    ['at', 'user', 'project', 'action', 'message'].every((key) => typeof record[key] === 'string') &&
    Array.isArray(subjects) &&
    subjects.every((subject) => typeof subject === 'string') &&
    (result === 'done' || result === 'failed')
  );
}
