import { createHash } from 'node:crypto';
import { constants, readSync, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';

/** The few things we ask of a file system: never following links, and on the disk when we say so. */

export function hasErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}

/** What is at `path` itself, links not followed; undefined when nothing is. */
export async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Runs `act`; what the operating system refuses becomes `failed`: "cannot <doing>: <its reason>". */
export async function explained<T>(doing: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
    const full = hasErrno(error, 'ENOSPC', 'EDQUOT');
    throw new RollbackError('failed', `cannot ${doing}: ${error.message}`, {
      hint: full ? 'free some space there, then try again' : 'check the path and its permissions',
      cause: error,
    });
  }
}

/** Opens a regular file for reading; throws `unsafe` for a link, a pipe, a device: nothing that blocks or leads away. */
export async function openRegular(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw hasErrno(error, 'ELOOP', 'ENXIO') ? notRegular(path) : error;
    },
  );
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw notRegular(path);
}

/** Throws `unsafe` when the open file is not in `within` (absolute, without links): a directory on its way became a link after it was checked. */
export async function assertWithin(handle: FileHandle, path: string, within: string): Promise<void> {
  const real = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => realpath(path)); // only Linux has it
  const place = real.replace(/ \(deleted\)$/, '');
  if (place === within || place.startsWith(within === '/' ? '/' : `${within}/`)) return;
  throw new RollbackError('unsafe', `${quoted(path)} is somewhere else by now: it is not read`, {
    hint: 'a directory on its way became a link: try again, and see who changes it',
  });
}

function notRegular(path: string): RollbackError {
  return new RollbackError('unsafe', `${quoted(path)} is not a regular file`, {
    hint: 'put the file itself there: links, pipes and devices are not followed',
  });
}

/** Size in bytes, and `sha256:<hex>`. */
export interface Fingerprint {
  size: number;
  sha256: string;
}

export function fingerprintOf(bytes: Uint8Array): Fingerprint {
  return { size: bytes.byteLength, sha256: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

/** A fingerprint of bytes as they come. */
export class Digest {
  readonly #hash = createHash('sha256');
  size = 0;

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.size += chunk.byteLength;
  }

  /** Passes `source` on, taking its bytes in. */
  async *over<T extends Uint8Array>(source: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const chunk of source) {
      this.update(chunk);
      yield chunk;
    }
  }

  /** Once, at the end. */
  fingerprint(): Fingerprint {
    return { size: this.size, sha256: `sha256:${this.#hash.digest('hex')}` };
  }
}

/** Reads `source` to its end, hashing; each chunk is also given to `sink`. */
export async function fingerprint(
  source: FileHandle,
  sink?: (chunk: Uint8Array) => Promise<void>,
): Promise<Fingerprint> {
  const digest = new Digest();
  for await (const chunk of digest.over(chunksOf(source))) await sink?.(chunk);
  return digest.fingerprint();
}

/** Milliseconds between looks at a file that grows. */
const GLANCE = 20;
/** Bytes that may wait for the disk before it is told to begin. */
const WRITTEN_BEHIND = 64 * 1024 * 1024;

/**
 * Fingerprint of a file that something else writes until `written` resolves, hashed and sent to the disk as it grows; on the disk when this returns.
 * Throws what `written` throws.
 */
export async function fingerprintGrowing(
  source: FileHandle,
  written: Promise<unknown>,
): Promise<Fingerprint> {
  const digest = new Digest();
  const buffer = Buffer.allocUnsafe(128 * 1024);
  let ended = false;
  const end = written.then(() => (ended = true));
  end.catch(() => undefined); // It may fail while the file is read: told then.
  let syncing: Promise<unknown> | undefined;
  let synced = 0;
  let lost: unknown; // The system tells of bytes that it could not write once only, to whoever asks first.
  for (let last = false; !last;) {
    await Promise.race([end, setTimeout(GLANCE)]);
    last = ended;
    // Just written, it is in memory: quicker read here than by another thread.
    for (let read; (read = readSync(source.fd, buffer, 0, buffer.length, digest.size)) > 0;) {
      digest.update(buffer.subarray(0, read));
    }
    if (syncing || digest.size - synced < WRITTEN_BEHIND) continue;
    synced = digest.size;
    syncing = source.datasync().then(
      () => (syncing = undefined),
      (thrown: unknown) => (lost = thrown), // No further one: it could succeed.
    );
  }
  await syncing;
  if (lost) throw lost;
  await source.sync();
  return digest.fingerprint();
}

/** A file from its beginning to its end; each chunk is overwritten by the next. */
export async function* chunksOf(source: FileHandle): AsyncGenerator<Buffer> {
  let position = 0;
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Fingerprint of a stored file. Throws `unsafe` as `openRegular` does. */
export async function fingerprintFile(path: string): Promise<Fingerprint> {
  await using source = await openRegular(path);
  return await fingerprint(source);
}

export async function readRegular(path: string): Promise<Buffer> {
  await using source = await openRegular(path);
  return await source.readFile();
}

/** Makes a new 0600 file; its bytes are on the disk when this returns. */
export async function writeNewFile(path: string, data: string | Uint8Array): Promise<void> {
  await using target = await open(path, 'wx', 0o600);
  await target.writeFile(data);
  await target.sync();
}

/**
 * Puts `data` at `path` in one step, by way of `beside` on the same file system: a kill leaves the old or the new bytes, never a mixture.
 */
export async function replaceFile(path: string, data: string | Uint8Array, beside: string): Promise<void> {
  await writeNewFile(beside, data);
  await rename(beside, path);
  await syncDirectory(dirname(path));
}

/** Makes the names inside a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync();
}

/** The value of a JSON text; undefined, which no JSON text means, when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
