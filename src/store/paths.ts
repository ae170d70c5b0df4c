import type { Stats } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { lstatIfThere } from './files.js';

/** Where things are inside a directory that is ours; everything else is refused as `unsafe`. */

/** Parts of a relative path with "/" that stays inside; throws `unsafe` for any other text. */
export function safeParts(relative: string): string[] {
  const parts = relative.split('/');
  const leaves = parts.some((part) => part === '' || part === '.' || part === '..');
  if (leaves || relative.includes('\0') || isAbsolute(relative)) {
    throw new RollbackError('unsafe', `${quoted(relative)} does not stay inside its directory`, {
      hint: 'paths in a point are relative, without "..", "." or empty parts',
    });
  }
  return parts;
}

/** Absolute path of `relative` inside `root`. Throws `unsafe` when it would leave, by its text or through a link. */
export async function insideOf(root: string, relative: string): Promise<string> {
  let path = root;
  for (const part of safeParts(relative)) {
    path = join(path, part);
    await assertSafe(path);
  }
  return path;
}

/**
 * Whether something is at `path`. Throws `unsafe` when it is a link, belongs to someone else while everybody may write to it, or is not
 * what was `expected`.
 */
export async function assertSafe(path: string, expected?: 'file' | 'directory'): Promise<boolean> {
  const found = await lstatIfThere(path);
  if (!found) return false;
  const problem = problemWith(found, expected);
  if (problem === undefined) return true;
  throw new RollbackError('unsafe', `${quoted(path)} ${problem}`, {
    hint: 'look at what put it there; a backup directory elsewhere is chosen with --backup-dir and its real path',
  });
}

function problemWith(found: Stats, expected: 'file' | 'directory' | undefined): string | undefined {
  if (found.isSymbolicLink()) return 'is a symlink';
  if (found.uid !== process.geteuid?.() && (found.mode & 0o002) !== 0) {
    return 'belongs to another user and everybody may write to it';
  }
  if (expected === 'directory' && !found.isDirectory()) return 'is not a directory';
  if (expected === 'file' && !found.isFile()) return 'is not a regular file';
  return undefined;
}
