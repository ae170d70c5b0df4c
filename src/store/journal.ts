import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { RollbackError } from '../model/errors.js';
import { quoted, RUN_ID } from '../model/names.js';
import { type BeginRecord, type JournalRecord, journalRecordSchema, type RunSummary } from '../model/run.js';
import type { BackupDir } from './backup-dir.js';
import { explained, hasErrno, parseJson, readRegular, syncDirectory } from './files.js';
import { assertSafe } from './paths.js';
import { isAlive } from './process.js';

/** One run's append-only journal. What `append` was given is on the disk when it returns; await it before acting. */
export class Journal {
  readonly path: string;
  readonly #file: FileHandle;
  /** Bytes of whole records. */
  #length = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Throws `failed` when the run has a journal already, or it cannot be written. */
  static async begin(backupDir: BackupDir, record: BeginRecord): Promise<Journal> {
    const path = backupDir.journalFile(record.run);
    return await explained('begin the journal', async () => {
      await mkdir(backupDir.runsDir, { recursive: true, mode: 0o700 });
      await assertSafe(backupDir.runsDir, 'directory');
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL;
      const journal = new Journal(path, await open(path, flags, 0o600));
      try {
        await journal.append(record);
        await syncDirectory(backupDir.runsDir);
        await syncDirectory(backupDir.path);
        return journal;
      } catch (error) {
        await journal.close();
        throw error;
      }
    });
  }

  /** To write on where a killed run left off; a line that it could not finish goes. */
  static async resume(backupDir: BackupDir, run: string): Promise<Journal> {
    const path = backupDir.journalFile(run);
    return await explained('open the journal', async () => {
      const text = (await readRegular(path)).toString('utf8');
      const file = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      const journal = new Journal(path, file);
      journal.#length = Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1));
      await file.truncate(journal.#length);
      return journal;
    });
  }

  async append(record: JournalRecord): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    await explained('write the journal', async () => {
      try {
        await this.#file.appendFile(line);
        await this.#file.datasync();
        this.#length += line.length;
      } catch (error) {
        // Half a record must not stand before the next one.
        await this.#file.truncate(this.#length);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Records of a journal. A last line without its end was being written when the process died and counts as never written. Throws
 * `damaged`, naming the line, for anything else that is not a record; `no-such-run` when it is not there; `unsafe` for a link.
 */
export async function readJournal(path: string): Promise<JournalRecord[]> {
  return (await readExisting(path))
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((line, index) => parseRecord(line, index, path));
}

async function readExisting(path: string): Promise<Buffer> {
  try {
    return await readRegular(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new RollbackError('no-such-run', `there is no journal ${quoted(path)}`, {
      hint: '`compose-rollback runs` shows the runs there are',
    });
  }
}

function parseRecord(line: string, index: number, path: string): JournalRecord {
  const result = journalRecordSchema.safeParse(parseJson(line));
  if (result.success && (result.data.type === 'begin') === (index === 0)) return result.data;
  throw new RollbackError('damaged', `the journal ${quoted(path)} is damaged in line ${index + 1}`, {
    hint: 'look at what was done so far in that file, and at the services themselves, before the next rollback',
  });
}

/** What the index holds of a run; undefined for a journal whose first record was never finished. */
export function runSummary(records: readonly JournalRecord[]): RunSummary | undefined {
  const [begin] = records;
  if (begin?.type !== 'begin') return undefined;
  const end = records.find((record) => record.type === 'end');
  return {
    id: begin.run,
    sequence: begin.sequence,
    kind: begin.kind,
    project: begin.project,
    started: begin.at,
    ended: end?.at ?? null,
    result: end?.result ?? null,
    target: begin.target,
    safety: begin.safety,
    undoes: begin.undoes,
    user: begin.user,
    message: end?.message ?? null,
  };
}

/** Whether the process that a run was last carried on by still lives; undefined when it cannot be known from here. */
export async function isCarriedOn(path: string): Promise<boolean | undefined> {
  const records = await readJournal(path);
  const last = records.findLast(({ type }) => type === 'begin' || type === 'resume');
  return last && 'process' in last ? await isAlive(last.process) : undefined;
}

/** A run killed before its last index write has its end in its journal alone. */
export async function isEnded(path: string): Promise<boolean> {
  return (await readJournal(path)).some(({ type }) => type === 'end');
}

/** Ids of all runs that have a journal; sorted. */
export async function listJournals(backupDir: BackupDir): Promise<string[]> {
  if (!(await assertSafe(backupDir.runsDir, 'directory'))) return [];
  const names = await readdir(backupDir.runsDir);
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => name.slice(0, -'.jsonl'.length))
    .filter((name) => RUN_ID.test(name))
    .toSorted();
}
