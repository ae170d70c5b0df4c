import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Database, Options } from 'better-sqlite3';
import { RollbackError } from '../model/errors.js';

/** The database library is loaded on first use: it brings a native module. */
export async function openDatabase(file: string | Buffer, options: Options = {}): Promise<Database> {
  const { default: SqliteDatabase } = await import('better-sqlite3');
  try {
    return new SqliteDatabase(file, { nativeBinding: machineCode(), ...options });
  } catch (error) {
    // npm was told not to run install scripts, or it was installed for another Node.
    const unusable = error instanceof Error && /Cannot find module|NODE_MODULE_VERSION/.test(error.message);
    if (!unusable) throw error;
    throw new RollbackError('failed', 'the SQLite library of compose-rollback was not built for this Node', {
      hint: 'run `npm rebuild better-sqlite3` where compose-rollback is installed',
      cause: error,
    });
  }
}

/** Named, where the library would search for it: the library's own code may be bundled, its machine code is where npm put it. */
function machineCode(): string {
  const library = createRequire(import.meta.url).resolve('better-sqlite3/package.json');
  return join(dirname(library), 'build/Release/better_sqlite3.node');
}

/** `SQLITE_BUSY`, …; undefined when something else was thrown. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return error.code.startsWith('SQLITE_') ? error.code : undefined;
}
