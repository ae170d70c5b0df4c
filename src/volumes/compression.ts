import type { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import type { Compression } from '../model/point.js';
import { answerOf, throughProgram } from './child.js';

export const ARCHIVE_SUFFIX: Readonly<Record<Compression, string>> = {
  zstd: '.tar.zst',
  gzip: '.tar.gz',
};

/** As fast as a disk where there is zstd; gzip takes several times as long, so it is told to be quick. (Told to be quiet, it calls a closed pipe a warning.) */
export const COMPRESSORS: Readonly<Record<Compression, string[]>> = {
  zstd: ['zstd', '-q', '-3', '-T2'],
  gzip: ['gzip', '-1'],
};

/** zstd where the program is there: Node's own library has it from 22.15 on only. */
export async function availableCompression(): Promise<Compression> {
  return (await answerOf(['zstd', '--version'])) === undefined ? 'gzip' : 'zstd';
}

/** Fails with what `source` failed with, `failed` when there is no such program, the signal's own reason when aborted. */
export function compressed(source: Readable, compression: Compression, signal: AbortSignal): Readable {
  return throughProgram(
    [...COMPRESSORS[compression], '-c'],
    source,
    signal,
    (words) => new RollbackError('failed', `cannot compress: ${words}`),
  );
}

/** Fails as `compressed` does, and with `damaged` when the bytes are none of that compression or end too early. */
export function decompressed(source: Readable, compression: Compression, signal: AbortSignal): Readable {
  return throughProgram(
    [...COMPRESSORS[compression], '-d', '-c'],
    source,
    signal,
    (words) => new RollbackError('damaged', `the archive cannot be decompressed: ${words}`),
  );
}
