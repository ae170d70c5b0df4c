import type { Readable } from 'node:stream';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Compression } from '../model/point.js';
import { heard } from './child.js';
import { decompressed } from './compression.js';
import { type Contents, printable } from './driver.js';
import { inspectTar, type TarEntry } from './tar.js';

/** What the entries of a stored archive may be, and what they come to. */

/** The entry of the directory that was archived. */
export function isItself(name: Buffer): boolean {
  return /^\.\/?$/.test(name.toString('latin1'));
}

/** Whoever unpacks does whatever an archive says. Throws `unsafe` for what would leave the directory, and for devices and pipes. */
export function assertSafe({ name, type, link }: TarEntry): void {
  const plain = type === 'file' || type === 'directory' || type === 'symlink' || type === 'link';
  if (!plain) throw unsafe('devices or pipes', name);
  if (leaves(name) || (type === 'link' && link && leaves(link))) {
    throw unsafe('names that lead out of it', name);
  }
}

/**
 * Reads a stored archive to its end and counts as those do who write them. Destroys it in any case. Throws `damaged`, `unsafe` as
 * `assertSafe`, `failed` when the program for its compression is not there, what `archive` failed with, or the signal's own reason.
 */
export async function countEntries(
  archive: Readable,
  compression: Compression,
  signal: AbortSignal,
): Promise<Pick<Contents, 'entries' | 'bytes'>> {
  heard(archive);
  const contents = { entries: 0, bytes: 0 };
  try {
    for await (const entry of inspectTar(decompressed(archive, compression, signal))) {
      assertSafe(entry);
      if (isItself(entry.name)) continue;
      contents.entries += 1;
      contents.bytes += entry.size;
    }
    return contents;
  } finally {
    archive.destroy();
  }
}

function leaves(name: Buffer): boolean {
  return name
    .toString('latin1')
    .split('/')
    .some((part, at) => part === '..' || (at === 0 && part === ''));
}

function unsafe(what: string, name: Buffer): RollbackError {
  return new RollbackError('unsafe', `the archive holds ${what}: ${quoted(printable(name))}`);
}
