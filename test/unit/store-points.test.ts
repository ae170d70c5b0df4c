import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { openBackupDir } from '../../src/store/backup-dir.js';
import { IndexDb } from '../../src/store/index-db.js';
import {
  listPointDirs,
  openStored,
  readPoint,
  readPointModel,
  readRecord,
  removePoint,
  rewriteRecord,
  storedFiles,
} from '../../src/store/point-reader.js';
import { checksumLine } from '../../src/store/point-files.js';
import { verifyPoint } from '../../src/store/point-verify.js';
import { PointWriter } from '../../src/store/point-writer.js';
import { reconcile } from '../../src/store/reindex.js';
import { Store } from '../../src/store/store.js';
import { sweep } from '../../src/store/sweep.js';
import {
  inMode,
  makePoint,
  makeSummary,
  MODES,
  pointId,
  sha256,
  temporaryDirectory,
  writePoint,
} from '../support/store.js';

const backups = async () => openBackupDir(join(await temporaryDirectory(), 'backups'));
const inode = async (path: string) => (await stat(path)).ino;

it.each(['manual', 'deploy', 'guard', 'heal', 'safety', 'migration'] as const)(
  'reads back a point of kind %s',
  async (kind) => {
    const dir = await backups();
    const point = await writePoint(await PointWriter.begin(dir, pointId(1)), makePoint(1, { kind }));
    expect(await readPoint(dir, pointId(1))).toEqual(point);
  },
);

it.each(MODES)('stores a point privately, and reads back what was stored: %s', async (mode) => {
  const { options, identity } = await inMode(mode);
  const dir = await backups();
  const writer = await PointWriter.begin(dir, pointId(1), options);
  expect(await listPointDirs(dir)).toEqual([]);
  const point = await writePoint(writer, makePoint(1), {
    'compose.yaml': 'a',
    'deploy/x/prometheus.yml': 'b',
  });
  expect(await readPoint(dir, pointId(1), identity)).toEqual(point);
  expect(await readPointModel(dir, point, identity)).toMatchObject({ variables: [] });
  expect(point.entries[0]).toMatchObject({ size: 1, sha256: sha256('a') });
  expect(await textOf(await openStored(dir, point, { stored: 'configs/compose.yaml' }, identity))).toBe('a');
  expect(await verifyPoint(dir, point, identity)).toEqual([]);
  expect(await readdir(dir.path)).toEqual(['.gitignore', pointId(1)]);
  for (const item of await readdir(dir.pointDir(pointId(1)), { recursive: true, withFileTypes: true })) {
    const found = await stat(join(item.parentPath, item.name));
    expect(found.mode & 0o7777).toBe(item.isDirectory() ? 0o700 : 0o600);
  }
  const sidecar = await readFile(join(dir.pointDir(point.id), 'point.json.sha256'), 'utf8');
  expect(sidecar).toMatch(/^[0-9a-f]{64} {2}point\.json\n$/);
});

it.each(MODES)('leaves nothing when it is abandoned, before the commit or after: %s', async (mode) => {
  const { options } = await inMode(mode);
  const dir = await backups();
  const writer = await PointWriter.begin(dir, pointId(1), options);
  await writer.addJson('model.json', {});
  await writer.abandon();
  const committed = await PointWriter.begin(dir, pointId(2), options);
  await writePoint(committed, makePoint(2));
  await committed.abandon();
  expect(await readdir(dir.path)).toEqual(['.gitignore']);
});

it('shares identical files with earlier points', async () => {
  const dir = await backups();
  const first = await writePoint(await PointWriter.begin(dir, pointId(1)), makePoint(1), {
    a: 'same',
    b: 'old',
  });
  const findStored = await storedFiles(dir, [pointId(9), pointId(1)]);
  const writer = await PointWriter.begin(dir, pointId(2), { findStored });
  const second = await writePoint(writer, makePoint(2), { a: 'same', b: 'new', 'a.link': 'same' });
  const path = (number: number, name: string) => join(dir.pointDir(pointId(number)), 'configs', name);
  expect(await inode(path(2, 'a'))).toBe(await inode(path(1, 'a')));
  expect(await inode(path(2, 'a.link'))).toBe(await inode(path(1, 'a')));
  expect(await inode(path(2, 'b'))).not.toBe(await inode(path(1, 'b')));
  await removePoint(dir, first.id);
  expect(await verifyPoint(dir, second)).toEqual([]);
});

it('does not spread damage: an earlier file is shared only while it is sound', async () => {
  const dir = await backups();
  await writePoint(await PointWriter.begin(dir, pointId(1)), makePoint(1), {
    a: 'same',
    b: 'gone',
    c: 'link',
  });
  const configs = join(dir.pointDir(pointId(1)), 'configs');
  const findStored = await storedFiles(dir, [pointId(1)]);
  await writeFile(join(configs, 'a'), 'sane');
  await rm(join(configs, 'b'));
  await rm(join(configs, 'c'));
  await symlink('/etc/hostname', join(configs, 'c'));
  const writer = await PointWriter.begin(dir, pointId(2), { findStored });
  const second = await writePoint(writer, makePoint(2), { a: 'same', b: 'gone', c: 'link' });
  expect(await verifyPoint(dir, second)).toEqual([]);
});

it.each(MODES)('stores regular files only, and only inside the point: %s', async (mode) => {
  const { options } = await inMode(mode);
  const dir = await backups();
  const scratch = await temporaryDirectory();
  await symlink('/etc/hostname', join(scratch, 'link'));
  const writer = await PointWriter.begin(dir, pointId(1), options);
  for (const source of [join(scratch, 'link'), '/dev/zero', scratch]) {
    await expect(writer.addFile('configs/x', source)).rejects.toMatchObject({ code: 'unsafe' });
  }
  for (const stored of ['../x', '/tmp/x', 'a/../../x', '']) {
    await expect(writer.addFile(stored, '/etc/hostname')).rejects.toMatchObject({ code: 'unsafe' });
  }
  await expect(writer.addFile('x', join(scratch, 'none'))).rejects.toMatchObject({ code: 'failed' });
  await writer.addFile('configs/x', '/etc/hostname');
  await expect(writer.addFile('configs/x', '/etc/hostname')).rejects.toMatchObject({ code: 'failed' });
  await expect(PointWriter.begin(dir, '../rb-000000000001')).rejects.toMatchObject({ code: 'unsafe' });
});

it.each(MODES)('does not replace a point that is there: %s', async (mode) => {
  const { options, identity } = await inMode(mode);
  const dir = await backups();
  const [one, two] = [
    await PointWriter.begin(dir, pointId(1), options),
    makePoint(1, { description: 'two' }),
  ];
  await writePoint(one, makePoint(1));
  await expect(writePoint(await PointWriter.begin(dir, pointId(1), options), two)).rejects.toMatchObject({
    code: 'failed',
  });
  expect(await readPoint(dir, pointId(1), identity)).toMatchObject({ description: 'point 1' });
});

it('sweeps what dead processes left, never what a living one writes', async () => {
  const dir = await backups();
  const writer = await PointWriter.begin(dir, pointId(1));
  const living = (await readdir(dir.path)).find((name) => name.startsWith('.tmp-'));
  const mark = living?.slice(`.tmp-${pointId(1)}-`.length) ?? '';
  const [pid, start, place] = mark.split('-');
  const reusedPid = `.tmp-${pointId(2)}-${pid}-${Number(start) + 1}-${place}`;
  const deadPid = `.tmp-${pointId(3)}-4194305-${start}-${place}`;
  const otherHost = `.tmp-${pointId(4)}-${pid}-${start}-00000000`;
  const otherHostOld = `.tmp-${pointId(5)}-${pid}-${start}-00000000`;
  for (const name of [reusedPid, deadPid, otherHost, otherHostOld, `.trash-${pointId(6)}`]) {
    await mkdir(join(dir.path, name));
  }
  await utimes(join(dir.path, otherHostOld), 0, 0);
  await writeFile(join(dir.path, 'notes.txt'), '');
  expect((await sweep(dir)).toSorted()).toEqual(
    [reusedPid, deadPid, otherHostOld, `.trash-${pointId(6)}`].toSorted(),
  );
  await writePoint(writer, makePoint(1));
  expect((await readdir(dir.path)).toSorted()).toEqual(
    ['.gitignore', otherHost, 'notes.txt', pointId(1)].toSorted(),
  );
});

const RECORD_HARM: [string, (path: string) => Promise<void>, string][] = [
  ['a changed record', async (path) => writeFile(join(path, 'point.json'), '{}'), 'damaged'],
  [
    'a record that fits and is not the one that was written',
    async (path) => {
      const text = await readFile(join(path, 'point.json'), 'utf8');
      await writeFile(join(path, 'point.json'), text.replace('"point 1"', '"point one"'));
    },
    'damaged',
  ],
  ['no record', async (path) => rm(join(path, 'point.json')), 'damaged'],
  ['no checksum', async (path) => rm(join(path, 'point.json.sha256')), 'damaged'],
  ['a record that does not fit', async (path) => rewrite(path, '{"format":1}'), 'damaged'],
  ['a record that is not JSON', async (path) => rewrite(path, 'x'), 'damaged'],
  ['a newer record', async (path) => rewrite(path, '{"format":2}'), 'not-supported'],
  [
    'a linked record',
    async (path) => {
      await rename(join(path, 'point.json'), join(path, 'x'));
      await symlink('x', join(path, 'point.json'));
    },
    'unsafe',
  ],
  [
    'a linked point',
    async (path) => {
      await rename(path, `${path}.x`);
      await symlink(`${path}.x`, path);
    },
    'unsafe',
  ],
  [
    'the record of another point',
    async (path) => {
      await rename(path, `${path.slice(0, -1)}2`);
      await rename(`${path.slice(0, -1)}2`, path);
      const text = (await readFile(join(path, 'point.json'), 'utf8')).replace(pointId(1), pointId(2));
      await rewrite(path, text);
    },
    'damaged',
  ],
  ['no point', async (path) => rm(path, { recursive: true }), 'no-such-point'],
];

async function rewrite(path: string, record: string): Promise<void> {
  await writeFile(join(path, 'point.json'), record);
  await writeFile(join(path, 'point.json.sha256'), checksumLine(record));
}

const HARMS = MODES.flatMap((mode) => RECORD_HARM.map(([what, harm, code]) => ({ mode, what, harm, code })));

it.each(HARMS)('does not read $what: $mode', async ({ mode, harm, code }) => {
  const { options, identity } = await inMode(mode);
  const dir = await backups();
  await writePoint(await PointWriter.begin(dir, pointId(1), options), makePoint(1));
  await harm(dir.pointDir(pointId(1)));
  await expect(readPoint(dir, pointId(1), identity)).rejects.toMatchObject({
    code,
    hint: expect.any(String),
  });
});

it.each(MODES)('verifies every stored file: %s', async (mode) => {
  const { options, identity, named } = await inMode(mode);
  const dir = await backups();
  const names = ['changed', 'fifo', 'fine', 'linked', 'longer', 'missing'];
  const files = Object.fromEntries(names.map((name) => [name, `text of ${name}`]));
  const point = await writePoint(await PointWriter.begin(dir, pointId(1), options), makePoint(1), files);
  const at = (name: string) => join(dir.pointDir(point.id), named(`configs/${name}`));
  const model = join(dir.pointDir(point.id), named('model.json'));
  await writeFile(at('changed'), 'TEXT of changed');
  await rm(at('fifo'));
  await mkdir(at('fifo'));
  await rm(at('linked'));
  await symlink('fine', at('linked'));
  await writeFile(at('longer'), 'x', { flag: 'a' });
  await rm(at('missing'));
  await link(at('fine'), at('unexpected'));
  await writeFile(model, '{}');
  const problems = await verifyPoint(dir, point, identity);
  expect(problems.map(({ path }) => path)).toEqual(
    ['changed', 'fifo', 'linked', 'longer', 'missing', 'unexpected']
      .map((name) => `configs/${name}`)
      .concat('model.json')
      .map(named),
  );
  await expect(readPointModel(dir, point, identity)).rejects.toMatchObject({ code: 'damaged' });
  const fitting = { format: 1, model: null, model_error: 'another', variables: [] };
  await writeFile(model, JSON.stringify(fitting));
  await expect(readPointModel(dir, point, identity)).rejects.toMatchObject({ code: 'damaged' });
});

it.each(MODES)('pins: the record and its checksum change together: %s', async (mode) => {
  const { options, identity } = await inMode(mode);
  const dir = await backups();
  const point = await writePoint(await PointWriter.begin(dir, pointId(1), options), makePoint(1));
  const path = dir.pointDir(point.id);
  const before = await readFile(join(path, 'point.json'));
  // Without the key: of an encrypted point its outside is all that changes.
  await rewriteRecord(dir, { ...(await readRecord(dir, point.id)), pinned: true });
  expect(await readPoint(dir, point.id, identity)).toEqual({ ...point, pinned: true });
  expect(await verifyPoint(dir, point, identity)).toEqual([]);
  // Killed in between, either record stands with the sidecar of both.
  const after = await readFile(join(path, 'point.json'));
  await writeFile(join(path, 'point.json.sha256'), checksumLine(before) + checksumLine(after));
  expect((await readPoint(dir, point.id, identity)).pinned).toBe(true);
  await writeFile(join(path, 'point.json'), before);
  expect((await readPoint(dir, point.id, identity)).pinned).toBe(false);
});

it('says so when there is no space or no permission', async () => {
  const dir = await backups();
  await rm(dir.path, { recursive: true });
  await expect(PointWriter.begin(dir, pointId(1))).rejects.toMatchObject({
    code: 'failed',
    message: expect.stringContaining('cannot begin a point: ENOENT'),
  });
});

it('keeps index and directory in step', async () => {
  const store = await Store.open(join(await temporaryDirectory(), 'backups'));
  for (const number of [1, 2]) {
    const point = await writePoint(await store.begin(pointId(number)), makePoint(number), { a: 'same' });
    (await store.writeIndex()).insertPoint(makeSummary(number, { pinned: point.pinned }));
  }
  const stored = async (number: number) =>
    store.openFile(await store.read(pointId(number)), { path: 'a', outside: false });
  expect(await textOf(await stored(2))).toBe('same');
  const path = (number: number) => join(store.pointDir(pointId(number)), 'configs/a');
  expect(await inode(path(1))).toBe(await inode(path(2)));
  await expect(
    store.openFile(await store.read(pointId(1)), { path: 'a', outside: true }),
  ).rejects.toMatchObject({ code: 'no-such-point' });
  await store.setPinned(pointId(1), true);
  expect(await store.read(pointId(1))).toMatchObject({ pinned: true });
  expect((await store.readIndex())?.pointById(pointId(1))).toMatchObject({ pinned: true });
  await store.remove(pointId(1));
  expect((await store.readIndex())?.pointIds()).toEqual([pointId(2)]);
  expect(await listPointDirs(store.dir)).toEqual([pointId(2)]);
  await expect(store.remove(pointId(1))).rejects.toMatchObject({ code: 'no-such-point' });
  store.close();
});

it.each(MODES)(
  'learns from the directory what a killed process could not tell the index: %s',
  async (mode) => {
    const { options } = await inMode(mode);
    const dir = await backups();
    const index = await IndexDb.empty();
    for (const number of [1, 2])
      await writePoint(await PointWriter.begin(dir, pointId(number), options), makePoint(number));
    await chmod(join(dir.pointDir(pointId(2)), 'point.json'), 0o600);
    await writeFile(join(dir.pointDir(pointId(2)), 'point.json'), 'x');
    index.insertPoint(makeSummary(3));
    const report = await reconcile(dir, index);
    expect(report).toMatchObject({ points: 1, runs: 0, audit: 0, damaged: [{ what: pointId(2) }] });
    expect(index.points()).toMatchObject([{ id: pointId(1) }]);
    expect(await listPointDirs(dir)).toEqual([pointId(1), pointId(2)]);
  },
);

it('adds files to a point that is there, whole or not at all', async () => {
  const store = await Store.open(join(await temporaryDirectory(), 'backups'), { create: true });
  const point = makePoint(1);
  const writer = await store.begin(point.id);
  const model = await writer.addJson('model.json', {});
  await writer.commit({ ...point, entries: [], outside: [], model: { stored: 'model.json', ...model } });
  const before = await store.read(point.id);
  (await store.writeIndex()).insertPoint(makeSummary(1));

  const archive = { image: 'sha256:1', stored: 'images/1.tar', compression: 'none' as const };
  const bytes = Readable.from([Buffer.from('two '), Buffer.from('parts')]);
  const adding = store.amend(point.id, async (adder, now) => {
    const stored = await adder.addStream(archive.stored, bytes);
    return { ...now, image_archives: [{ ...archive, ...stored }] };
  });
  const after = await adding;
  expect(after.image_archives[0]).toMatchObject({ size: 9, sha256: sha256('two parts') });
  expect(await store.read(point.id)).toEqual(after);
  expect(await store.verify(after)).toEqual([]);
  expect(await textOf(await store.openStored(after, archive))).toBe('two parts');

  const failing = store.amend(point.id, async (adder) => {
    await adder.addStream('images/2.tar', Readable.from([Buffer.from('x')]));
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await store.read(point.id)).toEqual(after);
  expect(await store.verify(after)).toEqual([]);

  // Killed between the files and the record.
  await rewriteRecord(store.dir, before);
  expect(await store.verify(before)).toEqual([
    { path: 'images/1.tar', problem: 'it is not recorded in the point' },
  ]);
  await store.dropUnrecorded(before);
  expect(await store.verify(before)).toEqual([]);
  store.close();
});

it('links a large file without reading it, unless its size differs', async () => {
  const dir = await backups();
  const source = join(dir.path, '..', 'large');
  await writeFile(source, 'large');
  const writer = await PointWriter.begin(dir, pointId(1));
  expect(await writer.addLink('volumes/a.tar', source, { size: 4, sha256: sha256('larg') })).toBe(false);
  expect(await writer.addLink('volumes/a.tar', `${source}-gone`, { size: 5, sha256: sha256('large') })).toBe(
    false,
  );
  expect(await writer.addLink('volumes/a.tar', source, { size: 5, sha256: sha256('large') })).toBe(true);
  await writer.commit(makePoint(1));
  expect(await inode(join(dir.pointDir(pointId(1)), 'volumes/a.tar'))).toBe(await inode(source));
});
