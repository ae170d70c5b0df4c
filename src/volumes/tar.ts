import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { damaged, type Head, paxSize, readHead, readPax, untilZero, writePax } from './tar-header.js';

/**
 * Tar archives as GNU tar and Go write them (ustar, pax, GNU), read as bytes. Stricter than either: what two readers could take for
 * different things is damage.
 */

export type TarType = 'file' | 'link' | 'symlink' | 'device' | 'directory' | 'fifo' | 'other';

export interface TarEntry {
  /** As it stands there, `./` at its start and `/` at its end included. */
  name: Buffer;
  type: TarType;
  /** Of a file, in bytes, holes included; else 0. */
  size: number;
  /** What a link or symlink points to. */
  link: Buffer | undefined;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Extended attributes and ACLs, by their pax keys. */
  attributes: ReadonlyMap<string, Buffer>;
}

/** An entry as it begins: all raw blocks before its data; of these its own, without metadata before them; and the pax records. */
interface Beginning {
  entry: TarEntry;
  head: Buffer;
  own: Buffer;
  pax: ReadonlyMap<string, Buffer>;
}

/** Some of an entry's data comes with its padding. */
type Part = Beginning | { data: Buffer };

const BLOCK = 512;
const SLASH = 0x2f;
const SPARSE_NAME = 'GNU.sparse.name';
const ATTRIBUTE = /^(?:SCHILY\.(?:xattr|acl)|RHT)\./;
const SELINUX = ['SCHILY.xattr.security.selinux', 'RHT.security.selinux'];
/** What one entry may need before its data: names, links, extended attributes. */
const MAX_METADATA = 8 * 1024 * 1024;
const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'device',
  '4': 'device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
};

/** Every entry of a tar archive that is not compressed. Throws `damaged` for anything that is not a whole, plain archive. */
export async function* inspectTar(source: Readable): AsyncGenerator<TarEntry> {
  const scanner = new TarScanner();
  for await (const chunk of chunksOf(source)) {
    for (const part of scanner.scan(chunk)) if ('entry' in part) yield part.entry;
  }
  scanner.end();
}

/** Every entry, and of each file the SHA-256 of its data as it stands there (hex). Throws `damaged` as `inspectTar` does. */
export async function* digestTar(source: Readable): AsyncGenerator<TarEntry & { sha256: string }> {
  const scanner = new TarScanner();
  let open: { entry: TarEntry; left: number; hash: Hash } | undefined;
  const close = ({ entry, hash }: NonNullable<typeof open>) => ({ ...entry, sha256: hash.digest('hex') });
  for await (const chunk of chunksOf(source)) {
    for (const part of scanner.scan(chunk)) {
      if ('entry' in part) {
        if (open) yield close(open);
        open = { entry: part.entry, left: part.entry.size, hash: createHash('sha256') };
      } else if (open) {
        const data = part.data.subarray(0, open.left); // what follows is padding
        open.hash.update(data);
        open.left -= data.length;
      }
    }
  }
  scanner.end();
  if (open) yield close(open);
}

/** The same archive with only the entries that `keep` says yes to. Throws `damaged` as `inspectTar` does. */
export function filterTar(source: Readable, keep: (entry: TarEntry) => boolean): AsyncGenerator<Buffer> {
  return rewritten(source, ({ entry, head }) => (keep(entry) ? head : undefined));
}

/**
 * The same archive with all its entries, and what its hard links point to, below `directory`; without what SELinux said, which belongs to
 * the machine. `check` sees every entry before it goes out, and may throw. Throws `damaged` as `inspectTar` does.
 */
export function movedTar(
  source: Readable,
  directory: string,
  check: (entry: TarEntry) => void,
): AsyncGenerator<Buffer> {
  const below = (name: Buffer) => {
    const start = name.indexOf('./') === 0 ? 2 : 0;
    return Buffer.concat([Buffer.from(`${directory}/`), name.subarray(start)]);
  };
  return rewritten(source, ({ entry, own, pax }) => {
    check(entry);
    const records = new Map(pax);
    records.set(pax.has(SPARSE_NAME) ? SPARSE_NAME : 'path', below(entry.name));
    if (entry.link) records.set('linkpath', entry.type === 'link' ? below(entry.link) : entry.link);
    for (const key of SELINUX) records.delete(key);
    return Buffer.concat([writePax(records), own]);
  });
}

/** `headOf` says what stands before an entry's data; undefined drops both. */
async function* rewritten(
  source: Readable,
  headOf: (beginning: Beginning) => Buffer | undefined,
): AsyncGenerator<Buffer> {
  const scanner = new TarScanner();
  let kept = true;
  for await (const chunk of chunksOf(source)) {
    const pieces: Buffer[] = [];
    for (const part of scanner.scan(chunk)) {
      if ('data' in part) {
        if (kept) pieces.push(part.data);
        continue;
      }
      const head = headOf(part);
      kept = head !== undefined;
      if (head) pieces.push(head);
    }
    if (pieces.length > 0) yield pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  }
  scanner.end();
  yield Buffer.alloc(2 * BLOCK);
}

async function* chunksOf(source: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a tar archive is read as bytes');
    yield chunk;
  }
}

/** What stood before an entry's own header and belongs to it. */
interface Metadata {
  pax: Map<string, Buffer> | undefined;
  longName: Buffer | undefined;
  longLink: Buffer | undefined;
}

/** Takes an archive apart while it comes in, in pieces of any length. */
class TarScanner {
  /** The blocks collected so far for what is read next, and how many bytes that needs. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #wanted = BLOCK;
  #next: (block: Buffer) => Iterable<Part> = (block) => this.#header(block);
  /** Data of the current entry still to come, padding included. */
  #data = 0;
  /** Raw blocks before the entry's data. */
  #head: Buffer[] = [];
  #headBytes = 0;
  /** Where the entry's own blocks start among them. */
  #ownAt = 0;
  #metadata: Metadata = { pax: undefined, longName: undefined, longLink: undefined };
  #zeroBlocks = 0;

  *scan(chunk: Buffer): Generator<Part> {
    let at = 0;
    while (at < chunk.length && this.#zeroBlocks < 2) {
      if (this.#data > 0) {
        const data = chunk.subarray(at, at + this.#data);
        this.#data -= data.length;
        at += data.length;
        yield { data };
        continue;
      }
      const piece = chunk.subarray(at, at + this.#wanted - this.#heldBytes);
      at += piece.length;
      this.#heldBytes += piece.length;
      this.#held.push(piece);
      if (this.#heldBytes < this.#wanted) continue;
      const block = this.#held.length === 1 ? piece : Buffer.concat(this.#held);
      this.#held = [];
      this.#heldBytes = 0;
      yield* this.#next(block);
    }
  }

  /** Throws `damaged` unless the archive was whole. */
  end(): void {
    if (this.#zeroBlocks < 2) throw damaged('it ends too early');
  }

  *#header(block: Buffer): Iterable<Part> {
    if (isZero(block)) {
      if (this.#headBytes > 0) throw damaged('metadata without an entry');
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) throw damaged('a lone block of zeros');
    const head = readHead(block);
    this.#ownAt = this.#head.length;
    this.#keep(block);
    if ('xgLK'.includes(head.type)) this.#expectMetadata(head);
    else if (head.type === 'S' && head.extended) this.#expect(BLOCK, (more) => this.#sparseMap(more, head));
    else yield this.#entry(head);
  }

  /** GNU's old way of telling holes: more blocks before the data, which the size does not count. */
  *#sparseMap(block: Buffer, head: Head): Iterable<Part> {
    this.#keep(block);
    if (block[504] !== 0) return;
    this.#expect(BLOCK, (next) => this.#header(next));
    yield this.#entry(head);
  }

  #expectMetadata({ type, size }: Head): void {
    if (size === 0 || size > MAX_METADATA) throw damaged(`${size} bytes of metadata`);
    this.#expect(padded(size), (body) => {
      this.#keep(body);
      this.#take(type, body.subarray(0, size));
      this.#expect(BLOCK, (next) => this.#header(next));
      return [];
    });
  }

  #take(type: string, body: Buffer): void {
    const metadata = this.#metadata;
    if (type === 'g') {
      const decisive = [...readPax(body).keys()].find(
        (key) => /^(?:path|linkpath|size)$/.test(key) || key.startsWith('GNU.sparse.'),
      );
      if (decisive !== undefined) throw damaged(`${decisive} for all entries`);
    } else if (type === 'x') {
      if (metadata.pax) throw damaged('metadata twice');
      metadata.pax = readPax(body);
    } else {
      const key = type === 'L' ? 'longName' : 'longLink';
      if (metadata[key]) throw damaged('metadata twice');
      metadata[key] = untilZero(body);
    }
  }

  #entry(head: Head): Part {
    const { pax, longName, longLink } = this.#metadata;
    const paxName = pax?.get(SPARSE_NAME) ?? pax?.get('path');
    const paxLink = pax?.get('linkpath');
    if ((paxName && longName) || (paxLink && longLink)) throw damaged('a name twice');

    const name = paxName ?? longName ?? head.name;
    const link = paxLink ?? longLink ?? head.link;
    if (name.length === 0 || name.includes(0) || link.includes(0)) throw damaged('a name that cannot be');
    // Before ustar a directory was a file with a slash.
    const plain = head.type === '\0' || head.type === '0';
    const type = plain && name.at(-1) === SLASH ? 'directory' : (TYPES[head.type] ?? 'other');
    const stored = paxSize(pax, 'size') ?? head.size;
    if (stored > 0 && type !== 'file' && type !== 'other') throw damaged(`a ${type} with data`);
    const real =
      paxSize(pax, 'GNU.sparse.realsize') ?? paxSize(pax, 'GNU.sparse.size') ?? head.realSize ?? stored;

    const entry: TarEntry = {
      name,
      type,
      size: type === 'file' ? real : 0,
      link: type === 'link' || type === 'symlink' ? link : undefined,
      mode: head.mode,
      uid: paxSize(pax, 'uid') ?? head.uid,
      gid: paxSize(pax, 'gid') ?? head.gid,
      attributes: new Map([...(pax ?? [])].filter(([key]) => ATTRIBUTE.test(key))),
    };
    const beginning = {
      entry,
      head: Buffer.concat(this.#head),
      own: Buffer.concat(this.#head.slice(this.#ownAt)),
      pax: pax ?? new Map<string, Buffer>(),
    };
    this.#head = [];
    this.#headBytes = 0;
    this.#metadata = { pax: undefined, longName: undefined, longLink: undefined };
    this.#data = padded(stored);
    return beginning;
  }

  #keep(block: Buffer): void {
    this.#head.push(block);
    this.#headBytes += block.length;
    if (this.#headBytes > 2 * MAX_METADATA) throw damaged('too much metadata');
  }

  #expect(bytes: number, next: (block: Buffer) => Iterable<Part>): void {
    this.#wanted = bytes;
    this.#next = next;
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
