import { mkdir } from 'node:fs/promises';
import type { ComposeModel } from '../../model/compose.js';
import { RollbackError } from '../../model/errors.js';
import { quoted } from '../../model/names.js';
import { isDenied, hasCode, locateInside, resolveSafely } from '../../project/paths.js';
import { lookAtSources } from '../bind-sources.js';

/** What `--fix-issues` does by itself: nothing that could take anything away, and nothing outside the project. */

/** Makes the missing sources inside the project, as the directories that Docker would make of them; what it made, relative. */
export async function makeMissingSources(directory: string, model: ComposeModel): Promise<string[]> {
  const made: string[] = [];
  for (const source of (await lookAtSources(model)).missing) {
    const path = await locateInside(directory, source);
    if (path === undefined) continue;
    await makeDirectory(await resolveSafely(directory, path));
    made.push(path);
  }
  return made;
}

export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if (!isDenied(error) && !hasCode(error, 'EROFS', 'ENOSPC', 'EEXIST', 'ENOTDIR')) throw error;
    throw new RollbackError('failed', `the directory ${quoted(path)} cannot be made`, {
      hint: 'look at the permissions of the project directory and the space left there',
      cause: error,
    });
  }
}
