import { ReadStream } from 'node:fs';
import { mkdir, rename, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import { explained, syncDirectory } from '../store/files.js';
import { feed, heard, runTool, startChild } from './child.js';
import { type Encoding, inside, type Place } from './driver.js';
import { ATTRIBUTES, throughCompressor } from './host-archive.js';
import { discardSibling, siblingPath } from './host-siblings.js';

const MAX_PROBLEMS = 20;
const COMPARE = ['tar', '--compare', '--same-owner', '--warning=no-timestamp', ...ATTRIBUTES];
const EXTRACT = [
  'tar',
  '--extract',
  '--same-owner',
  '--same-permissions',
  '--delay-directory-restore',
  '--warning=no-timestamp',
  ...ATTRIBUTES,
];

/**
 * Unpacks an archive beside the place, where `swapPlace` finds it; afterwards it is on the disk, with exactly the recorded owners,
 * modes and times, its own included. Begins afresh. Failing or aborted it leaves nothing. Throws `damaged`, `unsafe` for what would leave the
 * directory or is a device, `failed`, what `archive` failed with, or the signal's own reason.
 */
export async function stagePlace(
  place: Place,
  run: string,
  archive: Readable,
  compression: Encoding,
  signal: AbortSignal,
): Promise<void> {
  heard(archive);
  try {
    await explained(`stage data beside ${place.path}`, async () => {
      await discardSibling(place, run, 'staged');
      await discardSibling(place, run, 'unpacking');
      // Inside a directory that only we may enter: the data's own directory has its recorded mode before all is checked.
      const unpacking = siblingPath(place, run, 'unpacking');
      const data = join(unpacking, 'data');
      await mkdir(unpacking, { mode: 0o700 });
      await mkdir(data);
      const unpacked = { ...place, path: data };
      await unpack(unpacked, run, archive, compression, signal);
      await assertPlain(unpacked, signal);
      await runTool(`write ${data} to the disk`, inside(place, 'sync', '--file-system', '--', data), signal);
      const staged = siblingPath(place, run, 'staged');
      // Who may not write in a directory may not move it to another either.
      if (place.through === undefined) await rename(data, staged);
      else await runTool(`rename ${data}`, inside(place, 'mv', '-T', '--', data, staged));
      await rmdir(unpacking);
      await syncDirectory(dirname(place.path));
    });
  } catch (thrown) {
    await discardSibling(place, run, 'unpacking');
    throw thrown;
  } finally {
    archive.destroy();
  }
}

/**
 * The staged copy against the archive that it was unpacked from: names, bytes, modes, owners and times.
 * @throws RollbackError `damaged` naming the first difference; `failed`; what `archive` failed with, or the signal's own reason
 */
export async function compareStaged(
  place: Place,
  run: string,
  archive: Readable,
  compression: Encoding,
  signal: AbortSignal,
): Promise<void> {
  heard(archive);
  try {
    await explained(`compare the data beside ${place.path}`, async () => {
      const staged = { ...place, path: siblingPath(place, run, 'staged') };
      await runTar(COMPARE, staged, run, archive, compression, signal);
    });
  } finally {
    archive.destroy();
  }
}

function unpack(
  place: Place,
  run: string,
  archive: Readable,
  compression: Encoding,
  signal: AbortSignal,
): Promise<void> {
  return runTar(EXTRACT, place, run, archive, compression, signal);
}

async function runTar(
  words: string[],
  place: Place,
  run: string,
  archive: Readable,
  compression: Encoding,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const problems: string[] = [];
  const note = (line: string) => {
    if (problems.length < MAX_PROBLEMS) problems.push(line);
  };
  const from = descriptorOf(archive);
  const file = `--file=${from === undefined ? '-' : '/dev/fd/0'}`;
  // It would close its end where the archive ends, which a stream takes for a failure: a decompressor reads on, and so does this.
  const decoding = compression === 'none' ? ['--ignore-zeros'] : throughCompressor(compression);
  const argv = inside(place, ...words, ...decoding, file);
  const tar = startChild(argv, place.path, note, { from, run });
  // Differences are its answer, not its complaint.
  createInterface({ input: tar.stdout }).on('line', (line) => note(`differs: ${line}`));
  signal.addEventListener('abort', tar.kill);
  try {
    const [unpacked] = await Promise.all([tar.ended, from === undefined && feed(archive, tar)]);
    if (unpacked !== 0 || problems.length > 0) throw judged(problems);
  } catch (thrown) {
    tar.kill();
    await Promise.allSettled([tar.ended]);
    signal.throwIfAborted();
    throw thrown;
  } finally {
    signal.removeEventListener('abort', tar.kill);
  }
}

/** Of a file that is open already: the program opens it anew by this, and reads it itself. */
function descriptorOf(archive: Readable): number | undefined {
  return archive instanceof ReadStream && 'fd' in archive && typeof archive.fd === 'number'
    ? archive.fd
    : undefined;
}

/** tar makes whatever an archive says; ours say nothing but files, directories and symbolic links. */
async function assertPlain(place: Place, signal: AbortSignal): Promise<void> {
  const kinds = ['!', '-type', 'f', '!', '-type', 'd', '!', '-type', 'l'];
  const argv = inside(place, 'find', place.path, ...kinds, '-printf', '%y', '-quit');
  if ((await runTool(`look through ${place.path}`, argv, signal)) !== '') {
    throw new RollbackError('unsafe', 'the archive holds devices or pipes');
  }
}

/** tar goes on after most problems: the gravest decides, not the first. */
function judged(problems: string[]): RollbackError {
  const said = (pattern: RegExp) => problems.find((line) => pattern.test(line));
  const leaving = said(/: Removing leading |: Member name contains '\.\.'/);
  if (leaving !== undefined) {
    return new RollbackError('unsafe', `the archive would leave its directory: ${leaving}`);
  }
  const full = said(/: No space left on device$|: Disk quota exceeded$/);
  if (full !== undefined) {
    return new RollbackError('failed', `cannot unpack the archive: ${full}`, {
      hint: 'free some space there, then try again',
    });
  }
  const differing = said(/^differs: |: Warning: Cannot stat: /);
  if (differing !== undefined) {
    return new RollbackError(
      'damaged',
      `the unpacked data is not what was recorded: ${differing.replace(/^(?:differs|tar): (?:\.\/)?/, '')}`,
    );
  }
  const broken = said(
    /^(?:zstd|gzip): |^tar: (?:Unexpected EOF|This does not look like|Skipping to next|A lone zero|Archive contains)/,
  );
  const [first = 'tar was killed'] = problems;
  return broken === undefined
    ? new RollbackError('failed', `cannot unpack the archive: ${first}`, { details: problems.slice(1) })
    : new RollbackError('damaged', `the archive is damaged: ${broken}`);
}
