import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import * as z from 'zod';
import { RollbackError } from '../model/errors.js';
import { parseJson } from '../store/files.js';
import { readTar, type TarEntry } from '../store/tar.js';
import { throughProgram } from '../volumes/child.js';
import { availableCompression, compressor } from '../volumes/compression.js';
import { INDEX, layoutImages } from './image-layout.js';

/** What is in an image archive, of `docker save` as engines up to 24 write it, and in the OCI layout of newer ones. */

export interface ArchivedImage {
  /** The names that loading it would give it, taking them from whatever has them. */
  tags: string[];
  /** Layers as its own configuration lists them: hashes of uncompressed tars. */
  diffIds: string[];
  /** Layers as they really are in the archive, in the same order. */
  layers: string[];
}

const MAX_ENTRIES = 10_000;
/** Documents are kept until the end, because the one that says what the others are may come last. Bytes. */
const MAX_DOCUMENT = 4 * 1024 * 1024;
const MAX_DOCUMENTS = 32 * 1024 * 1024;
const MAX_LINKS = 8;

const list = z.array(z.string()).nullish();
const manifestSchema = z.array(z.object({ Config: z.string(), RepoTags: list, Layers: list })).min(1);
const configSchema = z.object({ rootfs: z.object({ diff_ids: list }) });

/**
 * Reads an uncompressed archive to its end; every layer is decoded and hashed on the way. Returns what each of its lists names: `manifest.json`, and the index of
 * the OCI layout where there is one; engines load by one of them. `what` is how errors call it. Throws `damaged` for what no engine would load, `not-supported` for
 * layers that cannot be decoded here, and what `source` throws.
 */
export async function readImageArchive(
  source: AsyncIterable<Uint8Array>,
  what: string,
): Promise<ArchivedImage[][]> {
  const damaged = (problem: string) =>
    new RollbackError('damaged', `${what} is damaged: ${problem}`, { hint: 'get another copy of it' });
  const files = new Map<string, Part>();
  const links = new Map<string, string>();
  let entries = 0;
  let kept = 0;
  for await (const entry of readTar(source, what)) {
    if ((entries += 1) > MAX_ENTRIES) throw damaged(`it has more than ${MAX_ENTRIES} entries`);
    if (files.has(entry.path)) throw damaged(`it has ${JSON.stringify(entry.path)} twice`);
    if (entry.type === 'symlink') links.set(entry.path, entry.target);
    if (entry.type !== 'file') continue;
    const part = await readPart(entry, what);
    if ((kept += part.text?.length ?? 0) > MAX_DOCUMENTS) throw damaged('its documents are too large');
    files.set(entry.path, part);
  }

  const find = (path: string): Part | undefined => {
    let at = path;
    for (let hop = 0; links.has(at) && hop < MAX_LINKS; hop += 1) {
      at = posix.join(posix.dirname(at), links.get(at) ?? '');
    }
    return files.get(at);
  };
  const partAt = (path: string): Part => {
    const part = find(path);
    if (!part) throw damaged(`${JSON.stringify(path)} is not in it`);
    return part;
  };
  const document = <T>(path: string, schema: z.ZodType<T>): T => {
    const parsed = schema.safeParse(parseJson(partAt(path).text ?? ''));
    if (!parsed.success) throw damaged(`${JSON.stringify(path)} does not make sense`);
    return parsed.data;
  };
  const archived = (tags: string[], config: string, layers: string[]): ArchivedImage => ({
    tags,
    diffIds: document(config, configSchema).rootfs.diff_ids ?? [],
    layers: layers.map((path) => partAt(path).sha256),
  });
  const listed = document('manifest.json', manifestSchema).map(({ Config, RepoTags, Layers }) =>
    archived(RepoTags ?? [], Config, Layers ?? []),
  );
  if (!find(INDEX)) return [listed];
  const images = layoutImages((path, schema) => (find(path) ? document(path, schema) : undefined));
  // Those of other platforms may be there in part.
  const whole = images.filter(({ config, layers }) => [config, ...layers].every(find));
  return [listed, whole.map(({ names, config, layers }) => archived(names, config, layers))];
}

interface Part {
  /** Of what is left once it is decompressed. */
  sha256: string;
  /** Of what may be a document. */
  text: string | undefined;
}

async function readPart({ content, size, path }: TarEntry, what: string): Promise<Part> {
  const { start, all } = await beginning(content);
  const hash = createHash('sha256');
  const pieces: Uint8Array[] = [];
  const isDocument = size <= MAX_DOCUMENT && ['{', '['].includes(start.toString('latin1', 0, 1));
  for await (const piece of await plain(start, all, what, path)) {
    hash.update(piece);
    if (isDocument) pieces.push(Buffer.from(piece));
  }
  const text = isDocument ? Buffer.concat(pieces).toString('utf8') : undefined;
  return { sha256: `sha256:${hash.digest('hex')}`, text };
}

const GZIP = 0x1f8b;
const ZSTD = 0x28b52ffd;
const MAGIC_BYTES = 4;

/** Decompressed, by its first bytes. Engines save layers as they were pulled or built; Docker 28.5.2 those of zstd, too (measured). */
async function plain(
  start: Buffer,
  all: AsyncIterable<Uint8Array>,
  what: string,
  path: string,
): Promise<AsyncIterable<Uint8Array>> {
  if (start.readUInt16BE(0) === GZIP) return gunzipped(all, what);
  if (start.readUInt32BE(0) !== ZSTD) return all;
  if ((await availableCompression()) !== 'zstd') {
    throw new RollbackError(
      'not-supported',
      `${what} cannot be checked: ${JSON.stringify(path)} in it is compressed with zstd, and there is no program zstd`,
      { hint: 'install zstd' },
    );
  }
  return throughProgram(
    [...compressor('zstd'), '-d', '-c'],
    Readable.from(all),
    new AbortController().signal,
    (words) => undecodable(what, words),
  );
}

function undecodable(what: string, words: string, cause?: unknown): RollbackError {
  return new RollbackError('damaged', `${what} is damaged: it does not decompress (${words})`, {
    hint: 'get another copy of it',
    cause,
  });
}

/** The first bytes, padded with zeros, and all of them. */
async function beginning(
  content: AsyncIterable<Uint8Array>,
): Promise<{ start: Buffer; all: AsyncIterable<Uint8Array> }> {
  const pieces: Uint8Array[] = [];
  const rest = content[Symbol.asyncIterator]();
  let length = 0;
  while (length < MAGIC_BYTES) {
    const next = await rest.next();
    if (next.done) break;
    pieces.push(next.value);
    length += next.value.byteLength;
  }
  const all = async function* () {
    yield* pieces;
    yield* { [Symbol.asyncIterator]: () => rest };
  };
  return { start: Buffer.concat([...pieces, Buffer.alloc(MAGIC_BYTES)]), all: all() };
}

/** Throws `damaged` when it is no gzip or ends too early, and what `source` throws. */
export async function* gunzipped(
  source: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array> {
  const { pipeline } = await import('node:stream/promises');
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  const filled = pipeline(Readable.from(source), gunzip);
  filled.catch(() => undefined); // thrown by the reading below
  try {
    yield* gunzip;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))) throw error;
    throw undecodable(what, error.message, error);
  }
  await filled;
}
