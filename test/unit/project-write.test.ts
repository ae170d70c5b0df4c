import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { chown, lstat, mkdir, readdir, readFile, readlink, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { array, assert, asyncProperty, constantFrom, oneof, string } from 'fast-check';
import { expect, test } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import { isSafePath, temporaryName } from '../../src/project/paths.js';
import {
  discardUnfinished,
  type OpenBytes,
  removeEntry,
  restoreDirectory,
  restoreFile,
  restoreSymlink,
} from '../../src/project/write.js';
import { makeFolder, type Folder } from '../support/folder.js';
import { isMissing } from '../support/needs.js';

const anew = { mode: 0o640, inPlace: false };
const inPlace = { mode: 0o640, inPlace: true };

/** A folder to restore into, and a stored copy that says "stored". */
async function prepared(files: Record<string, string> = {}): Promise<Folder & { source: OpenBytes }> {
  const store = await makeFolder({ copy: 'stored' });
  return { ...(await makeFolder(files)), source: () => createReadStream(store.at('copy')) };
}

/** All that can be done to a path. */
const everyWay = (path: string, entry: string, source: OpenBytes) => [
  () => restoreFile(path, entry, source, anew),
  () => restoreFile(path, entry, source, inPlace),
  () => restoreSymlink(path, entry, 'x'),
  () => restoreDirectory(path, entry, 0o755),
  () => removeEntry(path, entry),
];

test.each([
  ['where nothing was', {}],
  ['over a file', { 'conf/app.ini': 'now' }],
  ['over what a killed run left', { 'conf/app.ini': 'now', [`conf/${temporaryName('app.ini')}`]: 'half' }],
])('a file is restored %s', async (_, files) => {
  const { path, at, source } = await prepared(files);
  for (let times = 0; times < 2; times += 1) {
    await restoreFile(path, 'conf/app.ini', source, anew);
    expect(await readFile(at('conf/app.ini'), 'utf8')).toBe('stored');
    expect((await lstat(at('conf/app.ini'))).mode & 0o7777).toBe(0o640);
    expect(await readdir(at('conf'))).toEqual(['app.ini']);
  }
});

test.each([anew, inPlace])('text is written as its bytes: %j', async (options) => {
  const { path, at } = await prepared({ 'app.ini': 'now' });
  await restoreFile(path, 'app.ini', () => Readable.from(['gr', 'ün']), options);
  expect(await readFile(at('app.ini'), 'utf8')).toBe('grün');
});

test('a source that fails at once leaves the file as it was, and nothing beside it', async () => {
  const { path, at } = await prepared({ 'app.ini': 'now' });
  const failing = () => Promise.reject(new Error('it is gone'));
  for (let times = 0; times < 20; times += 1) {
    await expect(restoreFile(path, 'app.ini', failing, anew)).rejects.toThrow(/it is gone/);
    expect(await readdir(path)).toEqual(['app.ini']);
  }
  expect(await readFile(at('app.ini'), 'utf8')).toBe('now');
});

test('what a killed run left beside a file is taken away, and nothing else', async () => {
  const left = temporaryName('app.ini');
  const { path, at } = await prepared({ 'conf/app.ini': 'now', [`conf/${left}`]: 'half', [left]: 'other' });
  for (let times = 0; times < 2; times += 1) await discardUnfinished(path, 'conf/app.ini');
  await discardUnfinished(path, 'gone/app.ini');
  expect(await readdir(at('conf'))).toEqual(['app.ini']);
  expect(await readFile(at(left), 'utf8')).toBe('other');
});

test('a restored file is another inode, except in place', async () => {
  const { path, at, source } = await prepared({ 'app.ini': 'much longer than what is stored' });
  const { ino } = await lstat(at('app.ini'));
  await restoreFile(path, 'app.ini', source, inPlace);
  expect(await readFile(at('app.ini'), 'utf8')).toBe('stored');
  expect(await lstat(at('app.ini'))).toMatchObject({ ino, size: 6 });
  expect((await lstat(at('app.ini'))).mode & 0o7777).toBe(0o640);
  await restoreFile(path, 'app.ini', source, anew);
  expect((await lstat(at('app.ini'))).ino).not.toBe(ino);
});

test.skipIf(isMissing('root'))(
  'owner and group are those of the file, else of its folder; set-id bits survive',
  async () => {
    const { path, at, source } = await prepared({ 'old.ini': '', 'dir/x': '' });
    await chown(at('old.ini'), 1234, 1235);
    await chown(at('dir'), 4321, 4322);
    await restoreFile(path, 'old.ini', source, { mode: 0o4755, inPlace: false });
    await restoreFile(path, 'dir/new/deep.ini', source, anew);
    const stats = await lstat(at('old.ini'));
    expect([stats.uid, stats.gid, stats.mode & 0o7777]).toEqual([1234, 1235, 0o4755]);
    expect(await lstat(at('dir/new'))).toMatchObject({ uid: 4321, gid: 4322 });
    expect(await lstat(at('dir/new/deep.ini'))).toMatchObject({ uid: 4321, gid: 4322 });
  },
);

test('a symlink is replaced by the file, not followed', async () => {
  const { path, at, source } = await prepared({ target: 'mine' });
  for (const options of [anew, inPlace]) {
    await promisify(execFile)('ln', ['-sfn', 'target', at('link')]);
    await restoreFile(path, 'link', source, options);
    expect((await lstat(at('link'))).isFile()).toBe(true);
    expect(await readFile(at('target'), 'utf8')).toBe('mine');
  }
});

test('an empty directory, as Docker makes one for a missing file, gives way; one with files does not', async () => {
  const { path, at, source } = await prepared({ 'full/x': '' });
  await mkdir(at('empty'));
  await restoreFile(path, 'empty', source, anew);
  expect(await readFile(at('empty'), 'utf8')).toBe('stored');
  await expect(restoreFile(path, 'full', source, anew)).rejects.toMatchObject({
    code: 'failed',
    message: expect.stringContaining('a directory with files in it is in the way'),
  });
  expect(await readdir(path)).toEqual(['empty', 'full']);
});

test('a stored copy that is gone leaves everything as it was', async () => {
  const { path, at } = await prepared({ 'a.ini': 'now' });
  for (const options of [anew, inPlace]) {
    const source = () => createReadStream('/none');
    await expect(restoreFile(path, 'a.ini', source, options)).rejects.toMatchObject({ code: 'failed' });
  }
  expect(await readFile(at('a.ini'), 'utf8')).toBe('now');
  expect(await readdir(path)).toEqual(['a.ini']);
});

test('symlinks and directories are restored, again and again', async () => {
  const { path, at } = await prepared({ link: 'a file', dir: 'a file', 'kept/x': 'inside' });
  for (let times = 0; times < 2; times += 1) {
    await restoreSymlink(path, 'link', '../elsewhere/$x');
    expect(await readlink(at('link'))).toBe('../elsewhere/$x');
    await restoreDirectory(path, 'dir', 0o2750);
    expect((await lstat(at('dir'))).mode & 0o7777).toBe(0o2750);
    await restoreDirectory(path, 'kept', 0o700);
    expect(await readFile(at('kept/x'), 'utf8')).toBe('inside');
  }
});

test('removing takes files, links and empty directories, and is done when there is nothing', async () => {
  const { path, at } = await prepared({ file: '', 'full/x': '', target: '' });
  await symlink('target', at('link'));
  await mkdir(at('empty'));
  for (const entry of ['file', 'link', 'empty', 'never/was']) await removeEntry(path, entry);
  await expect(removeEntry(path, 'full')).rejects.toMatchObject({ code: 'failed' });
  expect((await readdir(path)).toSorted()).toEqual(['full', 'target']);
});

test('pipes and sockets are not touched', async () => {
  const { path, at, source } = await prepared();
  await promisify(execFile)('mkfifo', [at('pipe')]);
  for (const attempt of everyWay(path, 'pipe', source)) {
    await expect(attempt()).rejects.toMatchObject({ code: 'unsafe' });
  }
  expect((await lstat(at('pipe'))).isFIFO()).toBe(true);
});

test('a parent that is a symlink out of the project is refused, one that stays inside is not', async () => {
  const outside = await makeFolder({ victim: 'untouched' });
  const { path, at, source } = await prepared({ 'real/x': '' });
  await symlink(outside.path, at('out'));
  await symlink('/nowhere/at/all', at('dangling'));
  await symlink('loop', at('loop'));
  await symlink('real', at('in'));
  for (const parent of ['out', 'out/deeper', 'dangling', 'loop']) {
    for (const attempt of everyWay(path, `${parent}/victim`, source)) {
      await expect(attempt()).rejects.toMatchObject({ code: 'unsafe' });
    }
  }
  expect(await readFile(outside.at('victim'), 'utf8')).toBe('untouched');
  expect(await readdir(outside.path)).toEqual(['victim']);
  await restoreFile(path, 'in/new', source, anew);
  expect(await readFile(at('real/new'), 'utf8')).toBe('stored');
});

test('a project directory that is gone is made again; the root of the file system takes outside paths', async () => {
  const { path, at, source } = await prepared();
  await restoreFile(at('gone/project'), 'compose.yaml', source, anew);
  expect(await readFile(at('gone/project/compose.yaml'), 'utf8')).toBe('stored');
  await restoreFile('/', join(path, 'by-root').slice(1), source, anew);
  expect(await readFile(at('by-root'), 'utf8')).toBe('stored');
});

test('a file where a folder should be is said in words', async () => {
  const { path, source } = await prepared({ note: '' });
  await expect(restoreFile(path, 'note/below', source, anew)).rejects.toMatchObject({
    message: '"note/below" could not be written: a file is in the way of its directory',
  });
});

/** The code of the error; undefined when there is none. */
async function refusalOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof RollbackError) return error.code;
    throw error;
  }
}

const hostile = oneof(
  string({ unit: 'binary', maxLength: 40 }),
  array(constantFrom('..', '.', '', 'a', 'out', 'in', 'x\n', '\0', '~', '-rf', 'C:', '\\', 'loop', ' '), {
    maxLength: 6,
  }).map((parts) => parts.join('/')),
  constantFrom('/etc/passwd', '//x', 'a/', './a', '.', '..', 'a/..', '\u202e', '%2e%2e/x', '..\\x'),
);

test('whatever the path, nothing outside of the project changes', { timeout: 60_000 }, async () => {
  const outside = await makeFolder({ victim: 'untouched' });
  const { path, at, source } = await prepared({ 'real/x': '' });
  await symlink(outside.path, at('out'));
  await symlink('real', at('in'));
  await symlink('loop', at('loop'));
  const around = async () => [
    await readdir(dirname(path)),
    await readdir(outside.path),
    await readdir(dirname(outside.path)),
  ];
  const before = await around();
  await assert(
    asyncProperty(hostile, async (stored) => {
      for (const work of everyWay(path, stored, source)) {
        const refusal = await refusalOf(work);
        const harmless = isSafePath(stored) && resolve(path, stored).startsWith(`${path}/`);
        expect(['unsafe', 'failed', harmless ? undefined : 'unsafe']).toContain(refusal);
      }
      expect(await around()).toEqual(before);
      expect(await readFile(outside.at('victim'), 'utf8')).toBe('untouched');
    }),
    { numRuns: 300 },
  );
});
