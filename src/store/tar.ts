import { createHash, type Hash } from 'node:crypto';
import { RollbackError } from '../model/errors.js';

/** Tar archives, a piece at a time: the library knows the formats of headers, here is the way through a stream, both ways. */

const BLOCK = 512;
const END = Buffer.alloc(2 * BLOCK);
const PIECE = 256 * 1024;
/** Longest extended header that is read, in bytes: names are much shorter. */
const MAX_EXTENDED = 64 * 1024;

export interface TarEntry {
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'other';
  /** Bytes. */
  size: number;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Where a symlink leads, as it is written there. */
  target: string;
  /** Hash (hex) of the whole stream up to this entry's header, when that was asked for. */
  preceding: string | undefined;
  /** Its bytes, to be read before the next entry is asked for; what is left over is skipped. */
  content: AsyncIterable<Buffer>;
}

/**
 * The entries of a tar, read to its very end. `what` is how errors call it. Throws `damaged` for anything that is not a sound tar, with bytes
 * after its end too, and what `source` throws. `sum` is given all bytes before they are handed on, for `preceding`.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  what: string,
  sum?: Hash,
): AsyncGenerator<TarEntry> {
  const bytes = new Bytes(source, what, sum);
  try {
    for (;;) {
      const preceding = sum?.copy().digest('hex');
      const header = await nextHeader(bytes);
      if (!header) break;
      const content = bytes.part(header.size);
      yield { ...header, preceding, content };
      for await (const _ of content); // what was not read
      await bytes.skipZeros((BLOCK - (header.size % BLOCK)) % BLOCK);
    }
    await bytes.skipZeros(BLOCK); // the second of the two blocks that end a tar
    while (await bytes.skipZeros(PIECE, { end: true }));
  } finally {
    await bytes.close();
  }
}

type EntryHeader = Omit<TarEntry, 'preceding' | 'content'>;

/** Undefined at the first block of zeros. */
async function nextHeader(bytes: Bytes): Promise<EntryHeader | undefined> {
  const plain = await decodeHeader(bytes);
  if (plain?.kind !== 'ExtendedHeader') return plain && entryOf(plain, bytes);
  if (plain.size > MAX_EXTENDED) throw bytes.damaged('an extended header is too long');
  const extended = extendedFields(await bytes.exactly(plain.size), bytes);
  await bytes.skipZeros((BLOCK - (plain.size % BLOCK)) % BLOCK);
  const header = await decodeHeader(bytes, extended);
  if (!header || header.kind === 'ExtendedHeader')
    throw bytes.damaged('an extended header belongs to nothing');
  return entryOf(header, bytes);
}

type Decoded = Omit<EntryHeader, 'type'> & { kind: string };

async function decodeHeader(bytes: Bytes, extended?: Extended): Promise<Decoded | undefined> {
  const block = await bytes.exactly(BLOCK);
  if (block.every((byte) => byte === 0)) return undefined;
  const { Header } = await import('tar');
  const header = decoded(() => new Header(block, 0, extended), bytes);
  const { cksumValid, type, size } = header;
  // The library puts the short name's prefix in front of the long one.
  const path = extended?.path ?? header.path;
  if (!cksumValid) throw bytes.damaged('the checksum of a header is wrong');
  if (path === undefined || path === '' || size === undefined || !Number.isSafeInteger(size)) {
    throw bytes.damaged('a header does not make sense');
  }
  const { mode = 0, uid = 0, gid = 0 } = header;
  const target = extended?.linkpath ?? header.linkpath ?? '';
  // Docker 20.10 adds the bits of the file's type to those of its permissions (measured).
  return { kind: type, path, size, mode: mode & 0o7777, uid, gid, target };
}

function decoded<T>(decode: () => T, bytes: Bytes): T {
  try {
    return decode();
  } catch (error) {
    throw bytes.damaged('a header does not make sense', error);
  }
}

const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'directory',
  SymbolicLink: 'symlink',
};

function entryOf({ kind, ...header }: Decoded, bytes: Bytes): EntryHeader {
  // They change how all that follows is read; neither engines nor we write them.
  if (['GlobalExtendedHeader', 'NextFileHasLongPath', 'NextFileHasLongLinkpath'].includes(kind)) {
    throw bytes.damaged('it has headers that no archive of this kind has');
  }
  return { ...header, type: TYPES[kind] ?? 'other' };
}

type Extended = { path?: string; linkpath?: string; size?: number };

/** Records are `LENGTH NAME=VALUE\n`; a value may have line breaks, so that only the length tells where it ends. */
function extendedFields(body: Buffer, bytes: Bytes): Extended {
  const fields: Extended = {};
  for (let at = 0; at < body.length;) {
    const length = /^(\d{1,6}) /.exec(body.toString('latin1', at, at + 7))?.[1];
    const end = at + Number(length);
    const text = body.toString('utf8', at + (length?.length ?? 0) + 1, end - 1);
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (value === undefined || end > body.length || body[end - 1] !== 0x0a) {
      throw bytes.damaged('an extended header does not make sense');
    }
    if (name === 'path') fields.path = value;
    if (name === 'linkpath') fields.linkpath = value;
    if (name === 'size') fields.size = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    at = end;
  }
  return fields;
}

/** A stream of bytes, taken in portions. */
class Bytes {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #what: string;
  readonly #sum: Hash | undefined;
  #ahead: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>, what: string, sum: Hash | undefined) {
    this.#source = source[Symbol.asyncIterator]();
    this.#what = what;
    this.#sum = sum;
  }

  /** At least one byte, `limit` at most; undefined at the end. */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#ahead.byteLength === 0) {
      const next = await this.#source.next();
      if (next.done) return undefined;
      this.#ahead = next.value;
    }
    const { buffer, byteOffset, byteLength } = this.#ahead;
    const piece = Buffer.from(buffer, byteOffset, Math.min(limit, byteLength));
    this.#ahead = this.#ahead.subarray(piece.byteLength);
    this.#sum?.update(piece);
    return piece;
  }

  async exactly(count: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.part(count)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** The next `count` bytes; whoever goes on with it later gets the rest of them. */
  part(count: number): AsyncIterable<Buffer> {
    let left = count;
    const take = async (): Promise<IteratorResult<Buffer, undefined>> => {
      if (left === 0) return { done: true, value: undefined };
      const piece = await this.some(Math.min(left, PIECE));
      if (!piece) throw this.damaged('it ends too early');
      left -= piece.byteLength;
      return { done: false, value: piece };
    };
    return { [Symbol.asyncIterator]: () => ({ next: take }) };
  }

  /** Whether there were any; throws `damaged` when they are no zeros, or, unless the end is as well, too few. */
  async skipZeros(count: number, { end = false } = {}): Promise<boolean> {
    const piece = end ? await this.some(count) : await this.exactly(count);
    if (piece?.some((byte) => byte !== 0)) throw this.damaged('there is something between its parts');
    return piece !== undefined;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  damaged(problem: string, cause?: unknown): RollbackError {
    return new RollbackError('damaged', `${this.#what} is damaged: ${problem}`, {
      hint: 'get another copy of it',
      cause,
    });
  }
}

/** A file to put into a tar; `content` gives exactly `size` bytes. */
export interface TarFile {
  path: string;
  size: number;
  content: AsyncIterable<Uint8Array>;
}

/** Writes files as a tar; owners, times and modes are no concern. The last file is `trailer`, given the hash (hex) of all that came before it. */
export async function* writeTar(
  files: Iterable<TarFile> | AsyncIterable<TarFile>,
  trailer: (preceding: string) => { path: string; text: string },
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const file of files) {
    for await (const piece of tarEntry(file)) {
      hash.update(piece);
      yield piece;
    }
  }
  const { path, text } = trailer(hash.digest('hex'));
  const bytes = Buffer.from(text);
  yield* tarEntry({ path, size: bytes.byteLength, content: one(bytes) });
  yield END;
}

/** Text as what `TarFile` takes. */
export async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* tarEntry({ path, size, content }: TarFile): AsyncGenerator<Uint8Array> {
  const { Header, Pax } = await import('tar');
  const facts = { path, size, mode: 0o600, type: 'File' as const, mtime: new Date(0) };
  const block = Buffer.alloc(BLOCK);
  if (new Header(facts).encode(block)) yield new Pax({ path, size }).encode();
  yield block;
  let written = 0;
  for await (const piece of content) {
    written += piece.byteLength;
    if (written > size) break;
    yield piece;
  }
  if (written !== size) {
    throw new RollbackError('damaged', `${JSON.stringify(path)} has other bytes than when it was recorded`, {
      hint: '`compose-rollback verify` tells what is damaged',
    });
  }
  yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
