import { appendFile, open, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import type { AuditRecord, JournalRecord } from '../../src/model/run.js';
import { appendAudit, mirrorAudit, readAudit } from '../../src/store/audit.js';
import { openBackupDir } from '../../src/store/backup-dir.js';
import { IndexDb } from '../../src/store/index-db.js';
import { Journal, readJournal, runSummary } from '../../src/store/journal.js';
import { Store } from '../../src/store/store.js';
import {
  makeBegin,
  makePoint,
  makeSummary,
  pointId,
  temporaryDirectory,
  writePoint,
} from '../support/store.js';

const RUN = 'run-0123456789ab';
const at = '2025-11-05T17:30:01.000Z';
const DOING: JournalRecord = { type: 'doing', at, phase: 'forward', step: 0 };
const DONE: JournalRecord = { type: 'done', at, phase: 'forward', step: 0, note: null };
const END: JournalRecord = { type: 'end', at, result: 'done', message: 'fine', warnings: [] };
const audited = (message: string, project = 'shop'): AuditRecord => ({
  at,
  user: 'root',
  project,
  action: 'create',
  subjects: [pointId(1)],
  result: 'done',
  message,
});

const backups = async () => openBackupDir(join(await temporaryDirectory(), 'backups'));

async function journalWith(...records: JournalRecord[]): Promise<string> {
  const journal = await Journal.begin(await backups(), makeBegin(RUN));
  for (const record of records) await journal.append(record);
  await journal.close();
  return journal.path;
}

it('keeps records in order, privately, and once a run', async () => {
  const dir = await backups();
  const journal = await Journal.begin(dir, makeBegin(RUN));
  await journal.append(DOING);
  // Readable by others at once, not when the journal is closed.
  expect(await readJournal(journal.path)).toEqual([makeBegin(RUN), DOING]);
  await journal.close();
  expect((await stat(journal.path)).mode & 0o777).toBe(0o600);
  await expect(Journal.begin(dir, makeBegin(RUN))).rejects.toMatchObject({ code: 'failed' });
  expect(await readJournal(journal.path)).toHaveLength(2);
});

it('keeps what it had when a process that goes on cannot write', async () => {
  const dir = await backups();
  const begun = await Journal.begin(dir, makeBegin(RUN));
  await begun.append(DOING);
  await begun.close();
  const resumed = await Journal.resume(dir, RUN);
  const probe = await open(begun.path);
  vi.spyOn(Object.getPrototypeOf(probe), 'datasync').mockRejectedValueOnce(new Error('ENOSPC'));
  await probe.close();
  await expect(resumed.append(DONE)).rejects.toThrow(/ENOSPC/);
  expect(await readJournal(begun.path)).toEqual([makeBegin(RUN), DOING]);
  await resumed.append(DONE);
  expect(await readJournal(begun.path)).toEqual([makeBegin(RUN), DOING, DONE]);
  await resumed.close();
});

it('ignores a line that was torn by a kill, wherever it was torn', async () => {
  const path = await journalWith(DOING, DONE);
  const whole = await readFile(path);
  const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([index]) => index);
  for (let length = 0; length <= whole.length; length += 1) {
    await writeFile(path, whole.subarray(0, length));
    expect(await readJournal(path)).toHaveLength(ends.filter((end) => end < length).length);
  }
});

it.each([
  ['text', 'nonsense\n'],
  ['an unknown record', '{"type":"dreaming"}\n'],
  ['an empty line', '\n'],
  ['a second beginning', `${JSON.stringify(makeBegin(RUN))}\n`],
])('does not pass over damage in the middle: %s', async (_, line) => {
  const path = await journalWith(DOING);
  await appendFile(path, line + JSON.stringify(DONE) + '\n');
  await expect(readJournal(path)).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringContaining('line 3'),
  });
});

it('reads no links, and names a journal that is not there', async () => {
  const dir = await backups();
  await symlink('/etc/hostname', join(dir.path, 'x'));
  await expect(readJournal(join(dir.path, 'x'))).rejects.toMatchObject({ code: 'unsafe' });
  await expect(readJournal(join(dir.path, 'none'))).rejects.toMatchObject({ code: 'no-such-run' });
});

it('tells of a run what the index holds', async () => {
  const begun = { id: RUN, started: makeBegin(RUN).at, ended: null, result: null, message: null };
  expect(runSummary(await readJournal(await journalWith(DOING)))).toMatchObject(begun);
  expect(runSummary(await readJournal(await journalWith(DOING, DONE, END)))).toMatchObject({
    ...begun,
    ended: at,
    result: 'done',
    message: 'fine',
  });
  expect(runSummary([])).toBeUndefined();
});

it('reads the audit trail from its end, newest first', async () => {
  const dir = await backups();
  expect(await readAudit(dir)).toEqual([]);
  for (const message of ['one', 'twö\nlines', 'three']) await appendAudit(dir, audited(message));
  await appendAudit(dir, audited('four', 'other'));
  expect((await readAudit(dir)).map(({ message }) => message)).toEqual([
    'four',
    'three',
    'twö\nlines',
    'one',
  ]);
  expect(await readAudit(dir, { project: 'shop', limit: 1 })).toEqual([audited('three')]);
  expect(await readAudit(dir, { limit: 0 })).toEqual([]);
  expect((await stat(dir.auditFile)).mode & 0o777).toBe(0o600);
});

it('reads lines that are longer and shorter than what is read at once', async () => {
  const dir = await backups();
  const index = await IndexDb.empty();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 8 }), async (lengths) => {
      const records = lengths.map((length, number) => audited(`${number}${'é'.repeat(length)}`));
      await writeFile(dir.auditFile, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
      expect(await readAudit(dir)).toEqual(records.toReversed());
      index.clearAudit();
      await mirrorAudit(dir, index);
      expect(index.audit()).toEqual(records.toReversed());
    }),
    { numRuns: 30 },
  );
});

/** `FUZZ_CASES=10000` tries more. */
const CASES = { numRuns: Number(process.env['FUZZ_CASES'] ?? 2000) };

/** Sound lines, and what may have become of them. */
const spoiled = fc
  .record({
    lines: fc.array(
      fc.oneof(
        fc
          .constantFrom(makeBegin(RUN), DOING, DONE, END, audited('one'), null, {}, [], 1)
          .map((one) => JSON.stringify(one)),
        fc.json({ maxDepth: 2 }),
        fc.string({ unit: 'binary' }),
      ),
      { maxLength: 6 },
    ),
    changes: fc.array(fc.record({ at: fc.nat(3000), byte: fc.nat(255) }), { maxLength: 3 }),
    length: fc.nat(3000),
  })
  .map(({ lines, changes, length }) => {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    for (const { at: place, byte } of changes) if (place < bytes.length) bytes[place] = byte;
    return bytes.subarray(0, length);
  });

it('spoiled journals: records, or damage that is named', async () => {
  const path = await journalWith();
  await fc.assert(
    fc.asyncProperty(spoiled, async (bytes) => {
      await writeFile(path, bytes);
      const read = readJournal(path).then((records) => runSummary(records)?.id ?? RUN);
      await expect(read.catch((error: unknown) => error)).resolves.toSatisfy(
        (found) => typeof found === 'string' || (found instanceof RollbackError && found.code === 'damaged'),
      );
    }),
    CASES,
  );
}, 120_000);

it('spoiled audit trails: what is a record is told, the same from the end and from the start', async () => {
  const dir = await backups();
  const index = await IndexDb.empty();
  await fc.assert(
    fc.asyncProperty(spoiled, async (bytes) => {
      await writeFile(dir.auditFile, bytes);
      index.clearAudit();
      await mirrorAudit(dir, index);
      expect(index.audit()).toEqual(await readAudit(dir));
    }),
    CASES,
  );
}, 120_000);

it('closes a line that was cut short, and loses no other', async () => {
  const dir = await backups();
  const index = await IndexDb.empty();
  await appendAudit(dir, audited('one'));
  await appendFile(dir.auditFile, '{"at":"20');
  expect(await readAudit(dir)).toEqual([audited('one')]);
  expect(await mirrorAudit(dir, index)).toEqual({ added: 1, unreadable: 0 });
  await appendAudit(dir, audited('two'));
  expect(await readAudit(dir)).toEqual([audited('two'), audited('one')]);
  expect(await mirrorAudit(dir, index)).toEqual({ added: 1, unreadable: 1 });
  expect(index.audit()).toEqual([audited('two'), audited('one')]);
});

it('does not count a record whose line has no end yet, in the list as in the mirror', async () => {
  const dir = await backups();
  const index = await IndexDb.empty();
  await appendAudit(dir, audited('one'));
  await appendFile(dir.auditFile, JSON.stringify(audited('two')));
  expect(await readAudit(dir)).toEqual([audited('one')]);
  await mirrorAudit(dir, index);
  expect(index.audit()).toEqual([audited('one')]);
});

it('mirrors only what is new, and starts again with a new file', async () => {
  const dir = await backups();
  const index = await IndexDb.empty();
  await appendAudit(dir, audited('one'));
  await mirrorAudit(dir, index);
  expect(await mirrorAudit(dir, index)).toEqual({ added: 0, unreadable: 0 });
  await appendAudit(dir, audited('two'));
  expect(await mirrorAudit(dir, index)).toEqual({ added: 1, unreadable: 0 });
  await rename(dir.auditFile, `${dir.auditFile}.1`);
  await appendAudit(dir, audited('new'));
  expect(await mirrorAudit(dir, index)).toEqual({ added: 1, unreadable: 0 });
  expect(index.audit()).toEqual([audited('new')]);
});

it('does not append through a link', async () => {
  const dir = await backups();
  const victim = join(await temporaryDirectory(), 'victim');
  await writeFile(victim, 'x\n');
  await symlink(victim, dir.auditFile);
  await expect(appendAudit(dir, audited('x'))).rejects.toMatchObject({ code: 'unsafe' });
  expect(await readFile(victim, 'utf8')).toBe('x\n');
});

it('loses nothing with the index: reindex gives the same lists', async () => {
  const store = await Store.open(join(await temporaryDirectory(), 'backups'));
  const lists = async () => {
    const index = await store.readIndex();
    return [index?.points(), index?.pointLines(), index?.runs(), index?.audit()] as const;
  };
  for (const number of [1, 2, 3]) {
    await writePoint(await store.begin(pointId(number)), makePoint(number, { name: `name${number}` }));
    (await store.writeIndex()).insertPoint(makeSummary(number, { name: `name${number}` }));
    await store.audit(audited(`made ${number}`));
  }
  await store.setPinned(pointId(2), true);
  const journal = await Journal.begin(store.dir, makeBegin(RUN));
  await journal.append(END);
  await journal.close();
  await store.tidy();
  const before = await lists();
  store.close();

  await rename(store.dir.indexFile, join(store.path, 'lost'));
  await expect(store.readIndex()).rejects.toMatchObject({ code: 'damaged' });
  await expect(store.writeIndex()).rejects.toMatchObject({ code: 'damaged' });
  await expect(store.audit(audited('while it was lost'))).rejects.toMatchObject({ code: 'damaged' });
  expect(await readAudit(store.dir, { limit: 1 })).toEqual([audited('while it was lost')]);
  // What a killed writer left of the old index must not be played back into the new one.
  await writeFile(`${store.dir.indexFile}-journal`, 'left behind');
  expect(await store.reindex()).toEqual({ points: 3, runs: 1, audit: 4, damaged: [] });
  before[3]?.unshift(audited('while it was lost'));
  expect(await lists()).toEqual(before);
  const left = (await readdir(store.path)).filter(
    (name) => name.startsWith('.tmp-') || name.startsWith('index.db-'),
  );
  expect(left).toEqual([]);
  store.close();
});

it('names what cannot be indexed, and leaves it where it is', async () => {
  const store = await Store.open(join(await temporaryDirectory(), 'backups'));
  for (const number of [1, 2, 3, 4]) {
    const name = number > 2 ? 'twice' : null;
    await writePoint(await store.begin(pointId(number)), makePoint(number, { name }));
  }
  await writeFile(join(store.pointDir(pointId(2)), 'point.json'), 'x');
  await symlink(store.pointDir(pointId(1)), store.pointDir(pointId(5)));
  const journal = await Journal.begin(store.dir, makeBegin(RUN));
  await journal.close();
  await appendFile(journal.path, 'x\n');
  await writeFile(store.dir.auditFile, 'x\n');
  const { damaged, ...counts } = await store.reindex();
  expect(counts).toEqual({ points: 2, runs: 0, audit: 0 });
  expect(damaged.map(({ what }) => what)).toEqual([pointId(2), pointId(4), pointId(5), RUN, 'audit.jsonl']);
  expect(await readdir(store.path)).toContain(pointId(2));
  store.close();
});
