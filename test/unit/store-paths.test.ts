import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import { BackupDir } from '../../src/store/backup-dir.js';
import { insideOf, safeParts } from '../../src/store/paths.js';
import { storedPath } from '../../src/store/point-files.js';
import { makePoint, pointId, temporaryDirectory } from '../support/store.js';

const unsafe = expect.objectContaining({ code: 'unsafe' });
const part = fc.oneof(
  fc.constantFrom('..', '.', '', 'a', 'configs', '\0', '~', '-rf', 'x\ny', '…', '\\..'),
  fc.string(),
);
const hostile = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));

/** What became of a text: the path it means under /base, or the code of its refusal. */
function outcome(text: string): string {
  try {
    return resolve('/base', ...safeParts(text));
  } catch (error) {
    return error instanceof RollbackError ? error.code : 'another error';
  }
}

it('never leaves its directory, whatever the text', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const literally = !text.includes('\0') && resolve('/base', text) === `/base/${text}`;
      expect(outcome(text)).toBe(literally ? `/base/${text}` : 'unsafe');
    }),
    { numRuns: 10_000 },
  );
});

it.each(['../x', 'a/../../x', '/etc/passwd', '', 'a//b', './a', 'a/', 'a\0b', '..'])('refuses %j', (text) => {
  expect(() => safeParts(text)).toThrow(unsafe);
});

it.each(['configs/.env', 'configs/a b', 'configs/-rf', 'configs/x\\2d', 'configs/..a', 'configs/a…'])(
  'takes %j',
  (text) => {
    expect(safeParts(text).join('/')).toBe(text);
  },
);

it('refuses a link anywhere on the way, and takes what is not there yet', async () => {
  const root = await temporaryDirectory();
  await mkdir(join(root, 'real'));
  await writeFile(join(root, 'real/file'), '');
  await symlink('real', join(root, 'directory'));
  await symlink('file', join(root, 'real/link'));
  await expect(insideOf(root, 'real/file')).resolves.toBe(join(root, 'real/file'));
  await expect(insideOf(root, 'real/new/er')).resolves.toBe(join(root, 'real/new/er'));
  await expect(insideOf(root, 'directory/file')).rejects.toEqual(unsafe);
  await expect(insideOf(root, 'real/link')).rejects.toEqual(unsafe);
});

it('finds stored files under the point only, and no point outside', async () => {
  const dir = BackupDir.at(await temporaryDirectory());
  const point = makePoint(1);
  const found = await storedPath(dir, point, { stored: 'configs/.env' });
  expect(found).toBe(join(dir.path, pointId(1), 'configs/.env'));
  await expect(storedPath(dir, { id: '../etc' }, { stored: 'x' })).rejects.toEqual(unsafe);
  await expect(storedPath(dir, point, { stored: '../rb-000000000002/x' })).rejects.toEqual(unsafe);
  await symlink('/etc', dir.pointDir(point.id));
  await expect(storedPath(dir, point, { stored: 'passwd' })).rejects.toEqual(unsafe);
});

it('gives no path for an id that is none', () => {
  const dir = BackupDir.at('/base');
  fc.assert(
    fc.property(hostile, (text) => {
      expect(() => dir.pointDir(text)).toThrow(unsafe);
      expect(() => dir.journalFile(text)).toThrow(unsafe);
    }),
  );
});
