import { RollbackError } from '../model/errors.js';
import { sqliteCode } from './sqlite.js';

export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translate(error);
  }
}

/** SQLite's errors in our words; anything else as it was. */
export function translate(error: unknown): unknown {
  const code = sqliteCode(error);
  if (error instanceof SyntaxError || /^SQLITE_(?:CORRUPT|NOTADB|ERROR|SCHEMA)/.test(code ?? '')) {
    return damagedIndex('the index is damaged', error);
  }
  if (code === undefined) return error;
  return new RollbackError('failed', `the index cannot be used: ${String(error)} (${code})`, {
    hint: 'check free space and permissions of index.db in the backup directory, then try again',
    cause: error,
  });
}

/** Nothing is lost with the index. */
export function damagedIndex(message: string, cause?: unknown): RollbackError {
  return new RollbackError('damaged', message, {
    hint: 'make it again from the points themselves with `compose-rollback reindex`',
    cause,
  });
}
