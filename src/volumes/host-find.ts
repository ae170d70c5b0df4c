import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { startChild } from './child.js';
import { inside, type Place } from './driver.js';

/** What one `find` tells of a directory and everything below it. */
export interface Found {
  /** Relative to the place, a character for each byte (latin1); empty for the place itself. */
  path: string;
  /** As find's `%y`: `f`, `d`, `l`, `s`, `p`, `b`, `c`. */
  type: string;
  /** Of a regular file, in bytes; each inode counts once. */
  bytes: number;
  /** Last change of the inode, in seconds since 1970. */
  changed: number;
  /** Everything that was told of it, a character for each byte. */
  record: string;
}

const FORMAT = String.raw`%y %n %i %s %C@ %T@ %m %U %G\0%P\0%l\0`;
const FIELDS_PER_RECORD = 3;

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

/** What programs say of a file that went away meanwhile. */
export const GONE = /: No such file or directory$/;

/** The place and all below it, directories before what they hold, in batches. Throws `failed` when something cannot be read. */
export async function* findAll(place: Place, options: FindOptions = {}): AsyncGenerator<Found[]> {
  const problems: string[] = [];
  const find = startChild(inside(place, 'find', place.path, '-printf', FORMAT), '/', (line) => {
    if (!(options.live && GONE.test(line))) problems.push(line);
  });
  options.signal?.addEventListener('abort', find.kill);
  if (options.signal?.aborted) find.kill();
  try {
    const linked = new Set<string>();
    let rest = '';
    for await (const chunk of find.stdout.setEncoding('latin1')) {
      const fields = `${rest}${chunk}`.split('\0');
      const whole = fields.length - 1 - ((fields.length - 1) % FIELDS_PER_RECORD);
      rest = fields.slice(whole).join('\0');
      const batch: Found[] = [];
      for (let at = 0; at < whole; at += FIELDS_PER_RECORD) {
        batch.push(toFound(fields[at] ?? '', fields[at + 1] ?? '', fields[at + 2] ?? '', linked));
      }
      yield batch;
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

function toFound(facts: string, path: string, target: string, linked: Set<string>): Found {
  const [type = '', links = '', inode = '', size = '', changed = ''] = facts.split(' ', 5);
  const counted = type === 'f' && !linked.has(inode);
  if (counted && links !== '1') linked.add(inode);
  const bytes = counted ? Number(size) : 0;
  return { type, path, bytes, changed: Number(changed), record: `${facts}\0${path}\0${target}\0` };
}
