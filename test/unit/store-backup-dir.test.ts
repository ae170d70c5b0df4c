import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findBackupDir, openBackupDir } from '../../src/store/backup-dir.js';
import { isMissing } from '../support/needs.js';
import { temporaryDirectory } from '../support/store.js';

const unsafe = expect.objectContaining({ code: 'unsafe' });

it('is made private, with a .gitignore of its own, and can be opened again', async () => {
  const path = join(await temporaryDirectory(), 'rollback/backups');
  const dir = await openBackupDir(path);
  expect(dir.path).toBe(path);
  expect((await stat(path)).mode & 0o7777).toBe(0o700);
  expect(await readFile(join(path, '.gitignore'), 'utf8')).toBe('*\n');
  await writeFile(join(path, '.gitignore'), 'mine\n');
  await openBackupDir(path);
  expect(await readFile(join(path, '.gitignore'), 'utf8')).toBe('mine\n');
});

it('is not made by looking', async () => {
  const parent = await temporaryDirectory();
  expect(await findBackupDir(join(parent, 'rollback/backups'))).toBeUndefined();
  expect(await readdir(parent)).toEqual([]);
});

it('is not a link, nor a file', async () => {
  const parent = await temporaryDirectory();
  await mkdir(join(parent, 'elsewhere'));
  await symlink('elsewhere', join(parent, 'link'));
  await writeFile(join(parent, 'file'), '');
  for (const name of ['link', 'file']) {
    await expect(openBackupDir(join(parent, name))).rejects.toEqual(unsafe);
    await expect(findBackupDir(join(parent, name))).rejects.toEqual(unsafe);
  }
  await expect(openBackupDir('a\0b')).rejects.toEqual(unsafe);
  expect(await readdir(join(parent, 'elsewhere'))).toEqual([]);
});

it.skipIf(isMissing('root'))('is refused when another user owns it and everybody may write', async () => {
  const path = join(await temporaryDirectory(), 'backups');
  await mkdir(path);
  await chown(path, 65534, 65534);
  await chmod(path, 0o755);
  await expect(findBackupDir(path)).resolves.toBeDefined();
  await chmod(path, 0o777);
  await expect(findBackupDir(path)).rejects.toEqual(unsafe);
});

it('is not put over things of other people, whom its .gitignore would hide from git', async () => {
  const path = await temporaryDirectory();
  await writeFile(join(path, 'compose.yaml'), '');
  await expect(openBackupDir(path)).rejects.toMatchObject({ code: 'usage' });
  expect(await readdir(path)).toEqual(['compose.yaml']);
});

it('may be a place that was kept for it, and may hold other things later', async () => {
  const path = await temporaryDirectory();
  await writeFile(join(path, '.gitkeep'), '');
  await openBackupDir(path);
  await writeFile(join(path, 'index.db'), '');
  await writeFile(join(path, 'notes.txt'), '');
  await expect(openBackupDir(path)).resolves.toBeDefined();
});
