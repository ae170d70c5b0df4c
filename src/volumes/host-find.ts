import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { startChild } from './child.js';
import type { Place } from './driver.js';

/** What one `find` tells of a directory and everything below it. */
export interface Found {
  /** Relative to the place; empty for the place itself. */
  path: Buffer;
  /** As find's `%y`: `f`, `d`, `l`, `s`, `p`, `b`, `c`. */
  type: string;
  /** Of a regular file, in bytes; each inode counts once. */
  bytes: number;
  /** Last change of the inode, in seconds since 1970. */
  changed: number;
  /** Everything that was told of it, as bytes. */
  record: Buffer;
}

const FORMAT = String.raw`%y %n %i %s %C@ %T@ %m %U %G\0%P\0%l\0`;
const ZEROS_PER_RECORD = 3;

/** Why an entry is in no archive; undefined for what is. */
export function unarchived(type: string): string | undefined {
  if (type === 's') return 'a socket';
  if (type === 'p') return 'a pipe';
  return 'fdl'.includes(type) ? undefined : 'a device';
}

/** What goes away meanwhile is an error unless the place is `live`. */
export interface FindOptions {
  signal?: AbortSignal | undefined;
  live?: boolean | undefined;
}

const GONE = /: No such file or directory$/;

/** The place and all below it, directories before what they hold, in batches. Throws `failed` when something cannot be read. */
export async function* findAll(place: Place, options: FindOptions = {}): AsyncGenerator<Found[]> {
  const problems: string[] = [];
  const find = startChild(['find', '.', '-printf', FORMAT], place.path, (line) => {
    if (!(options.live && GONE.test(line))) problems.push(line);
  });
  options.signal?.addEventListener('abort', find.kill);
  if (options.signal?.aborted) find.kill();
  try {
    const linked = new Set<string>();
    let rest = Buffer.alloc(0);
    for await (const chunk of find.stdout) {
      const bytes = Buffer.concat([rest, chunk]);
      const { records, used } = cut(bytes);
      rest = bytes.subarray(used);
      yield records.map((record) => toFound(record, linked));
    }
    const exitCode = await find.ended;
    options.signal?.throwIfAborted();
    if (exitCode === undefined || problems.length > 0 || rest.length > 0) {
      throw new RollbackError(
        'failed',
        `cannot list ${quoted(place.name)}: ${problems[0] ?? 'find was killed'}`,
      );
    }
  } finally {
    options.signal?.removeEventListener('abort', find.kill);
    find.kill();
  }
}

function cut(bytes: Buffer): { records: Buffer[]; used: number } {
  const records: Buffer[] = [];
  let used = 0;
  for (;;) {
    let end = used - 1;
    for (let zero = 0; zero < ZEROS_PER_RECORD; zero += 1) {
      end = bytes.indexOf(0, end + 1);
      if (end === -1) return { records, used };
    }
    records.push(bytes.subarray(used, end + 1));
    used = end + 1;
  }
}

function toFound(record: Buffer, linked: Set<string>): Found {
  const factsEnd = record.indexOf(0);
  const path = record.subarray(factsEnd + 1, record.indexOf(0, factsEnd + 1));
  const [type = '', links = '', inode = '', size = '', changed = ''] = record
    .toString('latin1', 0, factsEnd)
    .split(' ');
  const counted = type === 'f' && !linked.has(inode);
  if (counted && links !== '1') linked.add(inode);
  return { path, type, bytes: counted ? Number(size) : 0, changed: Number(changed), record };
}
