import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Environment } from './endpoint.js';

/** Where a program is, by PATH; undefined where there is none. */
export function findProgram(name: string, env: Environment): Promise<string | undefined> {
  return firstExecutable(searchPath(env), name);
}

function searchPath(env: Environment): string[] {
  // An empty or relative entry means the current directory: nothing of a project is run for that.
  return (env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
}

/** The first of these folders that has it, as something that can be run. */
export async function firstExecutable(folders: string[], name: string): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch (thrown) {
    if (
      thrown instanceof Error &&
      'code' in thrown &&
      ['ENOENT', 'ENOTDIR', 'EACCES'].includes(String(thrown.code))
    ) {
      return false;
    }
    throw thrown;
  }
}
