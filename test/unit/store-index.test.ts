import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import * as fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { IndexDb } from '../../src/store/index-db.js';
import { migrate, MIGRATIONS, schemaVersion } from '../../src/store/migrations.js';
import { Store } from '../../src/store/store.js';
import { makeSummary, pointId, temporaryDirectory } from '../support/store.js';

async function newStore(): Promise<Store> {
  return Store.open(join(await temporaryDirectory(), 'backups'));
}

it('lists points without a place by their time, by project, by kind, so many', async () => {
  const index = await IndexDb.empty();
  // Fractions of a second are optional in RFC 3339, and do not sort as text.
  index.insertPoint(makeSummary(1, { sequence: 0, timestamp: '2025-01-01T00:00:00Z' }));
  index.insertPoint(makeSummary(2, { sequence: 0, timestamp: '2025-01-01T00:00:00.500Z', kind: 'safety' }));
  index.insertPoint(makeSummary(3, { sequence: 0, timestamp: '2025-01-01T00:00:01Z', project: 'other' }));
  index.insertPoint(makeSummary(4, { sequence: 0, timestamp: '2024-01-01T00:00:00Z' }));
  const ids = (filter?: Parameters<IndexDb['points']>[0]) => index.points(filter).map((point) => point.id);
  expect(ids()).toEqual([3, 2, 1, 4].map(pointId));
  expect(ids({ project: 'shop' })).toEqual([2, 1, 4].map(pointId));
  expect(ids({ project: 'shop', kinds: ['manual', 'deploy'] })).toEqual([1, 4].map(pointId));
  expect(ids({ limit: 1, skip: 1 })).toEqual([pointId(2)]);
  expect(ids({ kinds: [] })).toEqual([]);
  expect(index.pointLines().map((line) => line.id)).toEqual(ids());
  expect(index.pointDocuments().map((text): unknown => JSON.parse(text))).toEqual(index.points());
  expect(index.latest('shop', 0, ['manual'])?.id).toBe(pointId(1));
  expect(index.latest('shop', 1, ['manual'])?.id).toBe(pointId(4));
  expect(index.latest('shop', 2, ['manual'])).toBeUndefined();
});

it('gives back what it was given, whatever the texts', async () => {
  const index = await IndexDb.empty();
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), fc.boolean(), (description, services, pinned) => {
      const summary = makeSummary(7, { description, services, pinned });
      index.insertPoint(summary);
      expect(index.points()).toEqual([summary]);
      expect(index.pointLines()).toMatchObject([{ description, services, pinned, images: 1, bytes: 0 }]);
    }),
  );
});

it('finds points by id, by its beginning, and by name', async () => {
  const index = await IndexDb.empty();
  for (const [number, name] of [
    [0xab, 'first'],
    [0xac, null],
    [0xffffffffffff, 'last'],
  ] as const) {
    index.insertPoint(makeSummary(number, { name }));
  }
  expect(index.pointById('rb-0000000000ab')?.id).toBe(pointId(0xab));
  expect(index.pointById('rb-f')?.name).toBe('last');
  expect(index.pointById('rb-1')).toBeUndefined();
  expect(() => index.pointById('rb-0')).toThrow(
    expect.objectContaining({ code: 'usage', details: [pointId(0xab), pointId(0xac)] }),
  );
  expect(index.pointByName('shop', 'first')?.id).toBe(pointId(0xab));
  expect(index.pointByName('other', 'first')).toBeUndefined();
});

it('has a name once in a project', async () => {
  const index = await IndexDb.empty();
  index.insertPoint(makeSummary(1, { name: 'release' }));
  index.insertPoint(makeSummary(1, { name: 'release', description: 'again' }));
  index.insertPoint(makeSummary(2, { name: 'release', project: 'other' }));
  expect(() => {
    index.insertPoint(makeSummary(3, { name: 'release' }));
  }).toThrow(expect.objectContaining({ code: 'usage' }));
  expect(index.points({ project: 'shop' })).toMatchObject([{ id: pointId(1), description: 'again' }]);
});

it('pins, and forgets', async () => {
  const index = await IndexDb.empty();
  index.insertPoint(makeSummary(1));
  index.setPinned(pointId(1), true);
  expect(index.points()).toMatchObject([{ pinned: true }]);
  expect(index.pointLines()).toMatchObject([{ pinned: true }]);
  expect(() => {
    index.setPinned(pointId(2), true);
  }).toThrow(expect.objectContaining({ code: 'no-such-point' }));
  index.deletePoint(pointId(1));
  expect([index.points(), index.pointDocuments(), index.pointLines()]).toEqual([[], [], []]);
});

const run = (number: number) => ({
  id: `run-${String(number).padStart(12, '0')}`,
  kind: 'rollback' as const,
  sequence: number,
  project: 'shop',
  started: new Date(number * 1000).toISOString(),
  ended: null,
  result: null,
  target: pointId(1),
  safety: pointId(2),
  undoes: null,
  user: 'root',
  message: null,
});

it('keeps runs and the audit trail', async () => {
  const index = await IndexDb.empty();
  index.insertRun(run(1));
  index.insertRun(run(2));
  index.finishRun(run(1).id, { ended: '2025-01-01T00:00:00Z', result: 'done', message: 'fine' });
  expect(index.runs()).toMatchObject([
    { id: run(2).id, ended: null },
    { id: run(1).id, result: 'done' },
  ]);
  expect(index.runs({ project: 'other' })).toEqual([]);
  expect(index.runById('run-000000000002')).toEqual(run(2));
  expect(() => {
    index.finishRun('run-000000000009', { ended: null, result: null, message: null });
  }).toThrow(expect.objectContaining({ code: 'no-such-run' }));

  const record = { at: '2025-01-01T00:00:00Z', user: 'root', project: 'shop', action: 'create' };
  const rest = { subjects: [pointId(1)], result: 'done' as const, message: '' };
  const lines = [10, 20].map((position) => ({
    position,
    record: { ...record, ...rest, message: `${position}` },
  }));
  index.appendAudit(lines);
  index.appendAudit(lines);
  expect(index.audit().map(({ message }) => message)).toEqual(['20', '10']);
  expect(index.audit({ project: 'shop', limit: 1 })).toHaveLength(1);
  expect(index.auditPosition()).toBe(20);
});

it('is not written by readers, nor has side files', async () => {
  const store = await newStore();
  (await store.writeIndex()).insertPoint(makeSummary(1));
  store.close();
  const before = [
    await readFile(store.dir.indexFile),
    await readdir(store.path),
    await stat(store.dir.indexFile),
  ];
  await chmod(store.path, 0o500);
  onTestFinished(() => chmod(store.path, 0o700));
  const reader = await Store.open(store.path);
  const index = await reader.readIndex();
  expect(index?.points()).toHaveLength(1);
  expect(await readdir(store.path)).toEqual(before[1]);
  expect(() => index?.deletePoint(pointId(1))).toThrow(expect.objectContaining({ code: 'failed' }));
  reader.close();
  const { mtimeMs, mode } = await stat(store.dir.indexFile);
  expect([await readFile(store.dir.indexFile), await readdir(store.path)]).toEqual(before.slice(0, 2));
  expect({ mtimeMs, mode: mode & 0o777 }).toMatchObject({ mode: 0o600 });
  expect(before[2]).toMatchObject({ mtimeMs });
});

it('reads as nothing where nothing was stored, and makes nothing', async () => {
  const store = await newStore();
  expect(await store.readIndex()).toBeUndefined();
  expect(await readdir(join(store.path, '..'))).toEqual([]);
});

it.each([
  ['no database', (file: string) => writeFile(file, 'x'.repeat(9000))],
  [
    'torn pages',
    async (file: string) => {
      const bytes = await readFile(file);
      await writeFile(file, bytes.fill(0xff, 4096));
    },
  ],
  [
    'empty documents',
    async (file: string) => {
      const db = new SqliteDatabase(file);
      db.exec("UPDATE point_documents SET document = '{'");
      db.close();
      return Promise.resolve();
    },
  ],
  [
    'missing tables',
    async (file: string) => {
      const db = new SqliteDatabase(file);
      db.exec('DROP TABLE point_documents');
      db.close();
      return Promise.resolve();
    },
  ],
])('says what to do when it is damaged: %s', async (_, harm) => {
  const store = await newStore();
  (await store.writeIndex()).insertPoint(makeSummary(1));
  store.close();
  await harm(store.dir.indexFile);
  const reading = Store.open(store.path).then(async (again) => (await again.readIndex())?.points());
  await expect(reading).rejects.toMatchObject({ code: 'damaged', hint: expect.stringContaining('reindex') });
});

it('refuses an index that is newer, to read and to write, and leaves it alone', async () => {
  const store = await newStore();
  await store.writeIndex();
  store.close();
  const db = new SqliteDatabase(store.dir.indexFile);
  db.pragma('user_version = 99');
  db.close();
  const before = await readFile(store.dir.indexFile);
  const newer = { code: 'not-supported', message: expect.stringContaining('newer compose-rollback') };
  const again = await Store.open(store.path);
  await expect(again.readIndex()).rejects.toMatchObject(newer);
  await expect(again.writeIndex()).rejects.toMatchObject(newer);
  expect(await readFile(store.dir.indexFile)).toEqual(before);
});

it('refuses an index that is a link', async () => {
  const store = await Store.open(await temporaryDirectory());
  await symlink('/etc/hostname', store.dir.indexFile);
  await expect(store.readIndex()).rejects.toMatchObject({ code: 'unsafe' });
  await expect(store.writeIndex()).rejects.toMatchObject({ code: 'unsafe' });
});

it('brings an older file up to date when it is written, and only a copy of it when it is read', async () => {
  const file = join(await temporaryDirectory(), 'index.db');
  await writeFile(file, '');
  (await IndexDb.openToRead(file)).close();
  expect(await readFile(file, 'utf8')).toBe('');
  (await IndexDb.openToWrite(file)).close();
  const db = new SqliteDatabase(file);
  expect(schemaVersion(db)).toBe(MIGRATIONS.length);
  db.close();
});

it('puts what an index had before the counter before everything that has a place, by its time', async () => {
  const file = join(await temporaryDirectory(), 'index.db');
  const old = new SqliteDatabase(file);
  migrate(old, MIGRATIONS.slice(0, 1));
  for (const number of [2, 1]) {
    const { sequence: _, ...summary } = makeSummary(number);
    const values = { ...summary, created: number, document: JSON.stringify(summary) };
    old
      .prepare(
        "INSERT INTO points VALUES (@id, 'shop', 'manual', NULL, 0, @created, @timestamp, '', '[]', 0, 0, 0, NULL)",
      )
      .run({ id: values.id, created: values.created, timestamp: values.timestamp });
    old.prepare('INSERT INTO point_documents VALUES (@id, @document)').run({
      id: values.id,
      document: values.document,
    });
  }
  old.close();
  const index = await IndexDb.openToWrite(file);
  index.insertPoint(makeSummary(3, { sequence: index.takePlace(), timestamp: '1970-01-01T00:00:00.000Z' }));
  expect(index.points().map(({ id, sequence }) => [id, sequence])).toEqual([
    [pointId(3), 1],
    [pointId(2), 0],
    [pointId(1), 0],
  ]);
  index.close();
});

it('no service of a point in an older index is known to be failing', async () => {
  const file = join(await temporaryDirectory(), 'index.db');
  await writeFile(file, '');
  const db = new SqliteDatabase(file);
  migrate(db, MIGRATIONS.slice(0, 2));
  db.exec(`
    INSERT INTO points VALUES ('rb-000000000001', 'shop', 'manual', NULL, 0, 1, '', '', '[]', 0, 0, 0, NULL, 0);
    INSERT INTO point_documents VALUES ('rb-000000000001', '{"id":"rb-000000000001"}');
  `);
  db.close();
  const index = await IndexDb.openToRead(file);
  expect(index.pointLines().map(({ failing }) => failing)).toEqual([[]]);
  expect(index.points()).toEqual([{ id: 'rb-000000000001', failing: [] }]);
  index.close();
});

it('applies each migration once, in order, whole or not at all', () => {
  const db = new SqliteDatabase(':memory:');
  const first = 'CREATE TABLE a (x); INSERT INTO a VALUES (1)';
  migrate(db, [first]);
  migrate(db, [first, 'INSERT INTO a VALUES (2)']);
  migrate(db, [first, 'INSERT INTO a VALUES (2)']);
  expect(db.prepare('SELECT x FROM a').pluck().all()).toEqual([1, 2]);
  expect(() => {
    migrate(db, [first, '', 'INSERT INTO a VALUES (3); nonsense']);
  }).toThrow('nonsense');
  expect([schemaVersion(db), db.prepare('SELECT count(*) FROM a').pluck().get()]).toEqual([2, 2]);
});
