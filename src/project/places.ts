import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { nameOfDirectory } from './locate.js';
import type { LabelledPlace } from './labels.js';
import type { Origin } from '../model/ownership.js';
import { hasCode, isMissing } from './paths.js';
import { readText, topLevelText } from './yaml.js';

/** Where directories are that labels and points name, seen from a project's. */

const MAX_COMPOSE_FILE_BYTES = 1_048_576;

/** The same directory, under whatever path. A path that cannot be looked at is another one. */
export async function isSameDirectory(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  const [first, second] = await Promise.all([identityOf(one), identityOf(other)]);
  return first !== undefined && first === second;
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await statIfThere(path);
  return found === 'unreadable' || found === undefined ? undefined : `${found.dev}:${found.ino}`;
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    return isMissing(error) ? undefined : 'unreadable';
  }
}

/**
 * Where a directory is, seen from the project's.
 * @param files compose files that it is known for
 */
export async function whereIs(
  directory: string,
  files: readonly string[],
  project: string,
): Promise<Origin['place']> {
  if (await isSameDirectory(directory, project)) return 'here';
  const found = await statIfThere(directory);
  if (found === 'unreadable') return 'elsewhere';
  if (!found?.isDirectory()) return 'gone';
  return (await isLeftOver(directory, files)) ? 'gone' : 'elsewhere';
}

/** Docker makes directories of what it is to mount and does not find: a folder that was moved comes back with nothing but those. */
async function isLeftOver(directory: string, files: readonly string[]): Promise<boolean> {
  const found = await Promise.all(files.map(isFile));
  if (found.includes(true)) return false;
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.every((entry) => entry.isDirectory());
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM', 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Is there anything but an empty directory? */
export async function holdsSomething(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length > 0;
  } catch (error) {
    return !isMissing(error) || (await isFile(path));
  }
}

/** A labelled path may be anything, a pipe that nobody writes to included. */
async function isFile(path: string): Promise<boolean> {
  const found = await statIfThere(path);
  return found !== undefined && found !== 'unreadable' && found.isFile();
}

/** Those of the paths that are readable files of an honest size. */
export async function existingFiles(paths: readonly string[]): Promise<string[]> {
  const there = await Promise.all(paths.map(isFile));
  return paths.filter((_, index) => there[index]);
}

/** Was the project that runs from there named on purpose? Else it is called after its folder. */
export async function isNamedThere(name: string, { directory, files }: LabelledPlace): Promise<boolean> {
  if (name !== nameOfDirectory(directory)) return true;
  const texts = await Promise.all([...files.map(readHonestFile), readHonestFile(join(directory, '.env'))]);
  const env = texts.pop();
  if (env !== undefined && /^\s*(?:export\s+)?COMPOSE_PROJECT_NAME=/m.test(env)) return true;
  const written = await Promise.all(
    texts.map(async (text) => (text === undefined ? undefined : topLevelText(text, 'name'))),
  );
  return written.some((value) => value !== undefined && value !== '');
}

async function readHonestFile(path: string): Promise<string | undefined> {
  const found = await statIfThere(path);
  if (found === undefined || found === 'unreadable') return undefined;
  if (!found.isFile() || found.size > MAX_COMPOSE_FILE_BYTES) return undefined;
  return readText(path);
}
