import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readAudit } from '../../src/store/audit.js';
import { openBackupDir } from '../../src/store/backup-dir.js';
import { readJournal } from '../../src/store/journal.js';
import { listPointDirs, readPoint } from '../../src/store/point-reader.js';
import { PointWriter } from '../../src/store/point-writer.js';
import { sweep } from '../../src/store/sweep.js';
import { Store } from '../../src/store/store.js';
import {
  compiledStore,
  makeBegin,
  makePoint,
  makeSummary,
  pointId,
  removeCompiledStore,
  startChild,
  temporaryDirectory,
  writePoint,
} from '../support/store.js';

afterAll(removeCompiledStore);

const newPath = async () => join(await temporaryDirectory(), 'backups');

it('never lists a point whose writer was killed, and sweeps it once that is dead', async () => {
  const dir = await openBackupDir(await newPath());
  const script = `
    const { PointWriter } = await store('point-writer');
    const { BackupDir } = await store('backup-dir');
    const writer = await PointWriter.begin(BackupDir.at(argv[0]), argv[1]);
    await writer.addFile('configs/hostname', '/etc/hostname');
    console.log('written');
    await forever();`;
  const child = await startChild(script, [dir.path, pointId(1)]);
  expect(await child.line).toBe('written');
  expect(await listPointDirs(dir)).toEqual([]);
  expect(await sweep(dir)).toEqual([]);
  child.process.kill('SIGKILL');
  expect(await child.ended).toBe('SIGKILL');
  expect(await listPointDirs(dir)).toEqual([]);
  expect(await sweep(dir)).toHaveLength(1);
  expect(await readdir(dir.path)).toEqual(['.gitignore']);
});

it('has whole points only, at whatever instant writers are killed', async () => {
  const dir = await openBackupDir(await newPath());
  const script = `
    const { PointWriter } = await store('point-writer');
    const { BackupDir } = await store('backup-dir');
    const point = JSON.parse(argv[1]);
    for (let number = Number(argv[2]); ; number += 1) {
      const id = 'rb-' + number.toString(16).padStart(12, '0');
      const writer = await PointWriter.begin(BackupDir.at(argv[0]), id);
      const model = await writer.addJson('model.json', {});
      await writer.commit({ ...point, id, model: { stored: 'model.json', ...model } });
      if (number % 8 === 0) console.log(id);
    }`;
  for (let round = 1; round <= 5; round += 1) {
    const child = await startChild(script, [
      dir.path,
      JSON.stringify(makePoint(0)),
      String(round * 4096 + 1),
    ]);
    await child.line;
    child.process.kill('SIGKILL');
    await child.ended;
  }
  const ids = await listPointDirs(dir);
  expect(ids.length).toBeGreaterThanOrEqual(5 * 8);
  for (const id of ids) await expect(readPoint(dir, id)).resolves.toMatchObject({ id });
  await sweep(dir);
  expect((await readdir(dir.path)).filter((name) => name !== '.gitignore').toSorted()).toEqual(ids);
});

it('has every journal record on the disk before append returns', async () => {
  const dir = await openBackupDir(await newPath());
  const run = 'run-0123456789ab';
  const script = `
    const { Journal } = await store('journal');
    const { BackupDir } = await store('backup-dir');
    const journal = await Journal.begin(BackupDir.at(argv[0]), JSON.parse(argv[1]));
    await journal.append({ type: 'doing', at: new Date().toISOString(), phase: 'forward', step: 0 });
    process.kill(process.pid, 'SIGKILL');`;
  const child = await startChild(script, [dir.path, JSON.stringify(makeBegin(run))]);
  child.line.catch(() => undefined);
  expect(await child.ended).toBe('SIGKILL');
  expect(await readJournal(dir.journalFile(run))).toMatchObject([
    { type: 'begin', run },
    { type: 'doing', step: 0 },
  ]);
});

/** An index whose writer was killed after a part of its transaction had reached the file. */
async function halfWritten(): Promise<{ store: Store; before: Buffer }> {
  const store = await Store.open(await newPath());
  (await store.writeIndex()).insertPoint(makeSummary(1));
  store.close();
  const before = await readFile(store.dir.indexFile);
  // More than SQLite keeps in memory: the file itself is changed, and its journal is needed to read it.
  const script = `
    const { IndexDb } = await store('index-db');
    const index = await IndexDb.openToWrite(argv[0]);
    const summary = JSON.parse(argv[1]);
    index.transaction(() => {
      index.deletePoint(summary.id);
      const description = 'x'.repeat(20_000);
      for (let number = 2; number < 1000; number += 1) {
        index.insertPoint({ ...summary, description, id: 'rb-' + String(number).padStart(12, '0') });
      }
      process.kill(process.pid, 'SIGKILL');
    });`;
  const child = await startChild(script, [store.dir.indexFile, JSON.stringify(makeSummary(1))]);
  expect(await child.ended).toBe('SIGKILL');
  expect((await readFile(store.dir.indexFile)).length).toBeGreaterThan(before.length);
  return { store, before };
}

it('reads the index after a writer was killed with half a transaction in the file', async () => {
  const { store, before } = await halfWritten();
  expect((await store.readIndex())?.pointIds()).toEqual([pointId(1)]);
  expect(await readFile(store.dir.indexFile)).toEqual(before);
  store.close();
});

it('does not play the journal of a killed writer back into the index made again', async () => {
  const { store } = await halfWritten();
  expect(await store.reindex()).toEqual({ points: 0, runs: 0, audit: 0, damaged: [] });
  expect((await store.readIndex())?.points()).toEqual([]);
  store.close();
});

it('keeps the lines of processes that write the audit trail at once', async () => {
  const path = await newPath();
  await (await Store.open(path, { create: true })).writeIndex();
  const script = `
    const { Store } = await store('store');
    const audit = await Store.open(argv[0]);
    for (let number = 0; number < 50; number += 1) {
      await audit.audit({
        at: new Date().toISOString(), user: 'root', project: argv[1], action: 'create', subjects: [],
        result: 'done', message: number + 'x'.repeat(5000),
      });
    }
    audit.close();`;
  const children = await Promise.all(['a', 'b'].map((project) => startChild(script, [path, project])));
  expect(await Promise.all(children.map((child) => child.ended))).toEqual([0, 0]);
  const store = await Store.open(path);
  for (const project of ['a', 'b']) {
    const records = await readAudit(store.dir, { project });
    expect(records.map((record) => Number.parseInt(record.message, 10))).toEqual(
      Array.from({ length: 50 }, (_, number) => 49 - number),
    );
    expect((await store.readIndex())?.audit({ project })).toEqual(records);
  }
  store.close();
});

it('lets processes that make the first point at once both succeed', async () => {
  const path = await newPath();
  const script = `
    const { Store } = await store('store');
    const opened = await Store.open(argv[0]);
    const index = await opened.writeIndex();
    index.insertPoint(JSON.parse(argv[1]));
    opened.close();`;
  const children = await Promise.all(
    [1, 2, 3].map((number) => startChild(script, [path, JSON.stringify(makeSummary(number))])),
  );
  expect(await Promise.all(children.map((child) => child.ended))).toEqual([0, 0, 0]);
  const store = await Store.open(path);
  expect((await store.readIndex())?.pointIds().toSorted()).toEqual([1, 2, 3].map(pointId));
  store.close();
});

it('gives a copy in plain form: sha256sum agrees with the sidecar', async () => {
  const dir = await openBackupDir(await newPath());
  const point = await writePoint(await PointWriter.begin(dir, pointId(1)), makePoint(1));
  const { spawn } = await import('node:child_process');
  const check = spawn('sha256sum', ['-c', 'point.json.sha256'], {
    cwd: dir.pointDir(point.id),
    stdio: 'ignore',
  });
  expect(await once(check, 'exit')).toEqual([0, null]);
  const config = join(dir.pointDir(point.id), 'configs/compose.yaml');
  expect(await readFile(config, 'utf8')).toBe('services: {}\n');
  expect((await stat(config)).nlink).toBe(1);
});

it('lists without a schema library: only the database module is there to be found', async () => {
  const store = await Store.open(await newPath());
  (await store.writeIndex()).insertPoint(makeSummary(1));
  store.close();
  const place = await temporaryDirectory();
  await cp(await compiledStore(), place, { recursive: true });
  await mkdir(join(place, 'node_modules'));
  await symlink(
    join(process.cwd(), 'node_modules/better-sqlite3'),
    join(place, 'node_modules/better-sqlite3'),
  );
  const script = `
    const { Store } = await import(argv[1]);
    const opened = await Store.open(argv[0]);
    const points = (await opened.readIndex()).pointLines().length;
    await import('zod').catch((error) => console.log(points, error.code));`;
  const child = await startChild(script, [store.path, join(place, 'src/store/store.js')], { cwd: place });
  expect(await child.line).toBe('1 ERR_MODULE_NOT_FOUND');
  expect(await child.ended).toBe(0);
});
