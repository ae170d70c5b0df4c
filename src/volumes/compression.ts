import type { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import type { Compression } from '../model/point.js';
import { answerOf, throughProgram } from './child.js';
import type { Encoding } from './driver.js';

export const ARCHIVE_SUFFIX: Readonly<Record<Compression, string>> = {
  zstd: '.tar.zst',
  gzip: '.tar.gz',
};

/**
 * Services wait for it, so it is quick, for a few percent of size: zstd at level 1 takes half the time of level 3. (gzip, told to be quiet, would call a
 * closed pipe a warning.)
 */
const COMPRESSORS: Readonly<Record<Compression, string[]>> = {
  zstd: ['zstd', '-q', '-1', '-T1'],
  gzip: ['gzip', '-1'],
};
/** On two cores zstd keeps up with tar, given larger blocks than its own choice; they take 80 MB of memory. */
const TWO_CORES = ['-T2', '-B8MiB'];

/** The program that compresses, or with `-d` decompresses; `alone`, it may take two cores. */
export function compressor(compression: Compression, alone = false): string[] {
  return [...COMPRESSORS[compression], ...(alone && compression === 'zstd' ? TWO_CORES : [])];
}

let available: Promise<Compression> | undefined;

/** zstd where the program is there: Node's own library has it from 22.15 on only. Looked up once. */
export function availableCompression(): Promise<Compression> {
  available ??= answerOf(['zstd', '--version']).then((answer) => (answer === undefined ? 'gzip' : 'zstd'));
  return available;
}

/** Fails with what `source` failed with, `failed` when there is no such program, the signal's own reason when aborted. */
export function compressed(source: Readable, compression: Encoding, signal: AbortSignal): Readable {
  if (compression === 'none') return source;
  return throughProgram(
    [...compressor(compression), '-c'],
    source,
    signal,
    (words) => new RollbackError('failed', `cannot compress: ${words}`),
  );
}

/** Fails as `compressed` does, and with `damaged` when the bytes are none of that compression or end too early. */
export function decompressed(source: Readable, compression: Encoding, signal: AbortSignal): Readable {
  if (compression === 'none') return source;
  return throughProgram(
    [...compressor(compression), '-d', '-c'],
    source,
    signal,
    (words) => new RollbackError('damaged', `the archive cannot be decompressed: ${words}`),
  );
}
