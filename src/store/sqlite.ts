import type { Database, Options } from 'better-sqlite3';

/** The database library is loaded on first use: it brings a native module. */
export async function openDatabase(file: string | Buffer, options: Options = {}): Promise<Database> {
  const { default: SqliteDatabase } = await import('better-sqlite3');
  return new SqliteDatabase(file, options);
}

/** `SQLITE_BUSY`, …; undefined when something else was thrown. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return error.code.startsWith('SQLITE_') ? error.code : undefined;
}
