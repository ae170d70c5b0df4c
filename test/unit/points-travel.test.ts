import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Point } from '../../src/model/point.js';
import { exportPoint } from '../../src/points/export.js';
import { verifyPoints } from '../../src/points/verify.js';
import type { Store } from '../../src/store/store.js';
import { filesOf } from '../support/e2e.js';
import { isMissing } from '../support/needs.js';
import { pointId } from '../support/store.js';
import { exported, importInto, namesIn, pathsIn, pointIn, storeAt, travellers } from '../support/travel.js';

const run = promisify(execFile);

let folder: string;
let here: Store;
let there: Store;
let point: Point;
let archive: Buffer;

beforeEach(async () => {
  ({ folder, here, there, point, archive } = await travellers());
});

test('a point that went to another store is the same to the byte, and goes on from there', async () => {
  expect(await importInto(there, archive)).toEqual({
    id: point.id,
    project: 'shop',
    already: false,
    files: 7,
    bytes: expect.any(Number),
    images: [],
  });
  const records = { 'point.json': expect.any(String), 'point.json.sha256': expect.any(String) };
  expect(await filesOf(there.pointDir(point.id))).toEqual({
    ...(await filesOf(here.pointDir(point.id))),
    ...records,
  });
  expect(await there.read(point.id)).toEqual({ ...point, sequence: 0 });
  expect(await namesIn(there)).toEqual([point.id]);
  expect(await verifyPoints(there, 'shop')).toMatchObject([{ sound: true, files: 5 }]);
  expect((await exported(there, 'stable')).equals(archive)).toBe(true);
});

test('an imported point stands where its time says: an old one does not become the newest, a younger one does', async () => {
  const ids = async () => (await there.readIndex())?.points().map(({ id }) => id);
  const at = (minute: number) => `2023-11-14T22:${minute}:00.000Z`;
  // The clock of this machine went back an hour between its points.
  await pointIn(there, 10, { sequence: 4, timestamp: at(50) });
  await pointIn(there, 11, { sequence: 5, timestamp: '2023-11-14T21:55:00.000Z' });
  await there.tidy();
  for (const [number, minute] of [
    [2, 40],
    [3, 55],
    [4, 30],
  ] as const) {
    const traveller = await pointIn(here, number, { sequence: 900 + number, timestamp: at(minute) });
    await here.tidy();
    await importInto(there, await exported(here, traveller.id));
  }
  // The last two are younger than the newest by the time it has, and stand by their time among themselves.
  const expected = [3, 2, 4, 11, 10].map(pointId);
  expect(await ids()).toEqual(expected);
  await there.reindex();
  expect(await ids()).toEqual(expected);
  expect((await there.writeIndex()).takePlace()).toBe(6);
});

test.skipIf(isMissing('tar'))('it is a plain tar that tells its own checksum', async () => {
  await writeFile(join(folder, 'a.tar'), archive);
  await mkdir(join(folder, 'out'));
  await run('tar', ['-xf', '../a.tar'], { cwd: join(folder, 'out') });
  expect(await readFile(join(folder, 'out', point.id, 'configs/.env'), 'utf8')).toBe('A=1\n');
  await run('sha256sum', ['-c', 'point.json.sha256'], { cwd: join(folder, 'out', point.id) });
  const sum = (await readFile(join(folder, 'out/checksum.sha256'), 'utf8')).trim();
  const { stdout } = await run('bash', ['-c', `head -c -2048 a.tar | sha256sum`], { cwd: folder });
  expect(stdout).toContain(sum);
});

describe('export to a file', () => {
  const file = () => join(folder, 'point.tar');

  test('is there whole, for its owner alone', async () => {
    expect(await exportPoint(here, 'shop', 'latest', file(), false)).toMatchObject({
      id: point.id,
      file: file(),
    });
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect((await readFile(file())).equals(archive)).toBe(true);
    expect((await importInto(there, file())).id).toBe(point.id);
  });

  test('replaces a file only when told to, and never a directory', async () => {
    await writeFile(file(), 'mine');
    await expect(exportPoint(here, 'shop', 'latest', file(), false)).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('--force'),
    });
    expect(await readFile(file(), 'utf8')).toBe('mine');
    await exportPoint(here, 'shop', 'latest', file(), true);
    expect((await readFile(file())).equals(archive)).toBe(true);
    await expect(exportPoint(here, 'shop', 'latest', folder, true)).rejects.toMatchObject({ code: 'usage' });
  });

  test('of a damaged point fails and leaves nothing behind', async () => {
    for (const text of ['A=2\n', 'A=', 'A=1\nB=2\n']) {
      await writeFile(join(here.pointDir(point.id), 'configs/.env'), text);
      await expect(exportPoint(here, 'shop', 'latest', file(), false)).rejects.toMatchObject({
        code: 'damaged',
        message: expect.stringContaining('configs/.env'),
      });
    }
    await rm(join(here.pointDir(point.id), 'configs/.env'));
    await expect(exportPoint(here, 'shop', 'latest', file(), false)).rejects.toMatchObject({
      code: 'damaged',
    });
    expect(await pathsIn(folder)).not.toContainEqual(expect.stringContaining('.tar'));
  });

  test('fails where nothing can be written', async () => {
    await expect(exportPoint(here, 'shop', 'latest', join(folder, 'no/where'), false)).rejects.toMatchObject({
      code: 'failed',
    });
  });
});

describe('an id that is here already', () => {
  test('is fine when it is the same point, pinned or not', async () => {
    await here.setPinned(point.id, true);
    const before = await filesOf(here.pointDir(point.id));
    expect(await importInto(here, archive)).toMatchObject({ id: point.id, already: true });
    expect(await filesOf(here.pointDir(point.id))).toEqual(before);
  });

  test('is refused when its contents are others', async () => {
    await importInto(there, archive);
    await writeFile(join(there.pointDir(point.id), 'configs/.env'), 'B=1\n');
    await expect(importInto(there, archive)).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('delete'),
    });
    expect(await readFile(join(there.pointDir(point.id), 'configs/.env'), 'utf8')).toBe('B=1\n');
  });
});

describe('a point of another project, or with a name that is taken', () => {
  const other = async () => {
    const elsewhere = await storeAt(join(folder, 'elsewhere'));
    await pointIn(elsewhere, 2, { name: 'stable', project: { ...point.project, name: 'store' } });
    await elsewhere.tidy();
    const bytes = await exported(elsewhere, 'latest', 'store');
    elsewhere.close();
    return bytes;
  };

  test('is refused, unless it is told', async () => {
    const bytes = await other();
    for (const request of [{}, { fromProject: 'another' }]) {
      await expect(importInto(there, bytes, request)).rejects.toMatchObject({
        code: 'usage',
        message: expect.stringContaining('"store"'),
        hint: expect.stringContaining('--from-project'),
      });
    }
    expect(await importInto(there, bytes, { fromProject: 'store' })).toMatchObject({ project: 'shop' });
    expect(await verifyPoints(there, 'shop')).toMatchObject([{ sound: true }]);
    expect((await there.read((await namesIn(there))[0] ?? '')).project.name).toBe('shop');
  });

  test('takes another name', async () => {
    const bytes = await other();
    await expect(importInto(here, bytes, { fromProject: 'store' })).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('--name'),
    });
    await expect(importInto(here, bytes, { fromProject: 'store', name: '../x' })).rejects.toMatchObject({
      code: 'usage',
    });
    expect(await namesIn(here)).toEqual([point.id]);
    const { id } = await importInto(here, bytes, { fromProject: 'store', name: 'theirs' });
    expect((await here.read(id)).name).toBe('theirs');
  });
});

describe('what cannot be opened', () => {
  test('is no archive, a directory, or not there', async () => {
    await writeFile(join(folder, 'text'), 'hello\n');
    await expect(importInto(there, join(folder, 'text'))).rejects.toMatchObject({ code: 'damaged' });
    await expect(importInto(there, folder)).rejects.toMatchObject({ code: 'usage' });
    await expect(importInto(there, join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'failed' });
  });
});
