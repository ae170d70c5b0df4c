import { readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RUN_ID } from '../model/names.js';
import { lstatIfThere, syncDirectory } from '../store/files.js';
import { runTool } from './child.js';
import { inside, type Place } from './driver.js';

/**
 * Directories that stand beside a place while a run works on it: on the same file system, so that renaming is all it takes, and under
 * names that tell whose they are.
 */

/**
 * `unpacking` becomes `staged` once complete, what `staged` replaces is `parked`, `clone` is a copy to archive from. `discarded` is on its way out.
 */
export const SIBLINGS = ['unpacking', 'staged', 'parked', 'clone', 'discarded'] as const;
export type Sibling = (typeof SIBLINGS)[number];

export interface Leftover {
  run: string;
  what: Sibling;
}

export function siblingPath(place: Place, run: string, what: Sibling): string {
  return join(dirname(place.path), `${prefixOf(place)}${run}.${what}`);
}

export async function isThere(path: string): Promise<boolean> {
  return (await lstatIfThere(path)) !== undefined;
}

/** What runs left beside the place, finished or not. */
export async function leftoversOf(place: Place): Promise<Leftover[]> {
  const prefix = prefixOf(place);
  return (await readdir(dirname(place.path))).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const [run = '', what] = name.slice(prefix.length).split('.');
    const known = SIBLINGS.find((sibling) => sibling === what);
    return RUN_ID.test(run) && known ? [{ run, what: known }] : [];
  });
}

/** Removes a sibling for good. A kill meanwhile leaves no half of it under its own name. Nothing there: nothing to do. */
export async function discardSibling(place: Place, run: string, what: Sibling): Promise<void> {
  const path = siblingPath(place, run, what);
  if (what !== 'discarded' && (await isThere(path))) {
    await discardDirectory(place, run, path);
  } else {
    await removeDiscarded(place, run);
  }
}

/** Renames a directory beside the place out of sight, then removes it. */
export async function discardDirectory(place: Place, run: string, path: string): Promise<void> {
  await removeDiscarded(place, run);
  await rename(path, siblingPath(place, run, 'discarded'));
  await syncDirectory(dirname(place.path));
  await removeDiscarded(place, run);
}

async function removeDiscarded(place: Place, run: string): Promise<void> {
  const path = siblingPath(place, run, 'discarded');
  // The program: names need not be text, and what is mounted there by now stays.
  if (await isThere(path))
    await runTool(`remove ${path}`, inside(place, 'rm', '-rf', '--one-file-system', '--', path));
}

function prefixOf(place: Place): string {
  return `.${basename(place.path)}.compose-rollback-`;
}
