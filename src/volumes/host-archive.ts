import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { feed, startChild, vouched } from './child.js';
import { compressor } from './compression.js';
import {
  type Archive,
  type ArchiveOptions,
  type Contents,
  contentsOnceRead,
  type Encoding,
  inside,
  type Place,
  printable,
} from './driver.js';
import { findAll, unarchived } from './host-find.js';
import { FileList } from './host-listing.js';

/** tar's records are its unit of writing and of checkpoints: 64 KiB fill a pipe at once. */
const BLOCKS_PER_RECORD = 128;
const RECORD_BYTES = BLOCKS_PER_RECORD * 512;
const RECORDS_PER_CHECKPOINT = 64;
const MAX_PROBLEMS = 100;
const CHECKPOINT = /^tar: checkpoint (\d+)$/;

/** What is kept of files beside their data; what SELinux says belongs to the machine. */
export const ATTRIBUTES = [
  '--numeric-owner',
  '--acls',
  '--xattrs',
  '--xattrs-include=*',
  '--xattrs-exclude=security.selinux',
];

/** tar starts the program itself, behind a pipe. Node's own pipes are sockets, and cost more than the compression. */
export function throughCompressor(encoding: Encoding, alone?: boolean): string[] {
  if (encoding === 'none') return [];
  return [`--use-compress-program=${compressor(encoding, alone).join(' ')}`];
}

const CREATE = [
  '--create',
  '--format=posix',
  ...ATTRIBUTES,
  // No process ids in the archive: equal data, equal bytes.
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  `--blocking-factor=${BLOCKS_PER_RECORD}`,
  `--checkpoint=${RECORDS_PER_CHECKPOINT}`,
  '--checkpoint-action=echo=checkpoint %u',
  '--no-recursion',
  '--null',
  '--verbatim-files-from',
  '--files-from=-',
];

/** What tar says about files that somebody changes or removes meanwhile. */
const CHANGED = [
  /: file changed as we read it$/,
  /: File removed before we read it$/,
  /: File shrank by \d+ bytes?; padding with zeros$/,
  /: Cannot [a-z]+: No such file or directory$/,
  /^tar: Exiting with failure status due to previous errors$/,
];

/** The place as GNU tar archives it. */
export function archivePlace(place: Place, options: ArchiveOptions): Archive {
  const { compressed, contents, complete, cleanUp } = begin(place, options);
  const stream = vouched(compressed, { signal: options.signal, complete, cleanUp });
  return { stream, contents: contentsOnceRead(stream, () => contents) };
}

/** The same, written into an open file without a detour through here. Throws what the stream would fail with. */
export async function archivePlaceInto(
  file: FileHandle,
  place: Place,
  options: ArchiveOptions,
): Promise<Contents> {
  const { signal } = options;
  signal.throwIfAborted();
  const { contents, complete, cleanUp } = begin(place, options, file);
  const abort = () => void cleanUp();
  signal.addEventListener('abort', abort);
  try {
    await complete();
    return contents;
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    signal.removeEventListener('abort', abort);
    await cleanUp();
  }
}

/**
 * Starts tar, fed with an explicit list: no pattern, option or recursion of its own has a say. Only compressed bytes pass through here, or, with
 * a file to go to, none.
 */
function begin(place: Place, options: ArchiveOptions, into?: FileHandle) {
  const problems: string[] = [];
  const note = (line: string) => {
    if (problems.length < MAX_PROBLEMS) problems.push(line);
  };
  let told = 0;
  const tell = (bytes: number) => options.progress?.((told = bytes));
  const onLine = (line: string) => {
    const records = CHECKPOINT.exec(line)?.[1];
    if (records !== undefined) tell(Number(records) * RECORD_BYTES);
    else if (!(options.live && isChange(line))) note(line);
  };
  // Named, a regular file is what the compressor itself writes into. Not from inside the place: something there may be called `-`.
  const file = `--file=${into ? '/dev/fd/1' : '-'}`;
  const through = throughCompressor(options.compression, options.alone);
  const holes = options.filled ? [] : ['--sparse'];
  const argv = inside(place, 'tar', `--directory=${place.path}`, ...through, file, ...CREATE, ...holes);
  const tar = startChild(argv, '/', onLine, { into: into?.fd });
  const contents: Contents = { entries: 0, bytes: 0, skipped: [], listing: null };
  const listed = feed(Readable.from(names(place, contents, options), { objectMode: false }), tar);
  listed.catch(() => undefined); // `complete` looks at it, unless the stream fails before.
  const complete = async () => {
    const [exitCode] = await Promise.all([tar.ended, listed]);
    const failed = exitCode === undefined || (exitCode !== 0 && !options.live);
    const lost = exitCode === 0 ? problems.filter((line) => line.includes(': Warning: Cannot ')) : problems;
    if (failed || lost.length > 0) throw unreadable(place, lost);
    tell(Math.max(contents.bytes, told));
  };
  const cleanUp = async () => {
    tar.kill();
    await Promise.allSettled([tar.ended, listed]);
  };
  return { compressed: tar.stdout, contents, complete, cleanUp };
}

/** What tar is told to archive; `contents` is filled on the way. */
async function* names(
  place: Place,
  contents: Contents,
  { signal, live }: ArchiveOptions,
): AsyncGenerator<Buffer> {
  const list = new FileList();
  for await (const batch of findAll(place, { signal, live })) {
    const archived = batch.filter(({ type, path }) => {
      const reason = unarchived(type);
      if (reason !== undefined)
        contents.skipped.push({ path: printable(Buffer.from(path, 'latin1')), reason });
      return reason === undefined;
    });
    list.add(archived);
    if (archived.length > 0) yield Buffer.from(archived.map(({ path }) => `./${path}\0`).join(''), 'latin1');
  }
  const { digest, entries, bytes } = list.listing();
  Object.assign(contents, { entries, bytes, listing: digest });
}

function isChange(line: string): boolean {
  return CHANGED.some((pattern) => pattern.test(line));
}

function unreadable(place: Place, problems: string[]): RollbackError {
  const [first] = problems;
  if (problems.some((line) => /: No space left on device|: Disk quota exceeded/.test(line))) {
    return new RollbackError('failed', `cannot archive ${quoted(place.name)}: no space left`, {
      hint: 'free some space in the backup directory, then try again',
    });
  }
  if (first === undefined || !problems.every(isChange)) {
    return new RollbackError('failed', `cannot archive ${quoted(place.name)}: ${first ?? 'tar was killed'}`, {
      details: problems.slice(1, 10),
    });
  }
  return new RollbackError(
    'failed',
    `files in ${quoted(place.name)} changed while they were read: ${first}`,
    {
      hint: 'something besides the paused services writes there: stop it, or record the data live',
    },
  );
}
