import { createHash } from 'node:crypto';
import { Header, Pax } from 'tar';

/** Tars made by hand, sound ones and others: entry by entry, with the library's headers and none of our code. */

export interface RawEntry {
  path: string;
  type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO' | 'GlobalExtendedHeader';
  linkpath?: string;
  content?: Buffer;
  /** What the header claims. */
  size?: number;
  /** 0644 when absent. */
  mode?: number;
}

const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);

export function rawEntry({
  path,
  type = 'File',
  linkpath,
  content = Buffer.alloc(0),
  size,
  mode = 0o644,
}: RawEntry): Buffer {
  const facts = {
    path,
    type,
    size: size ?? content.length,
    mode,
    ...(linkpath === undefined ? {} : { linkpath }),
  };
  const block = Buffer.alloc(512);
  const long = new Header(facts).encode(block);
  return Buffer.concat([long ? new Pax(facts).encode() : Buffer.alloc(0), block, padded(content)]);
}

export function rawTar(entries: readonly RawEntry[], end = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...entries.map(rawEntry), end]);
}

export const hex = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The one layer of the image in `imageTar`, and its id. */
export const LAYER = Buffer.alloc(3000, 'a layer ');
export const LAYER_IDS = [`sha256:${hex(LAYER)}`];

/** An image of one layer as `docker save` writes it; `listed` are the layers that its configuration names. */
export function imageTar({
  tags = null as string[] | null,
  listed = LAYER_IDS,
  content = LAYER,
} = {}): Buffer {
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  return rawTar([
    { path: 'l', content },
    { path: 'c', content: json({ rootfs: { diff_ids: listed } }) },
    { path: 'manifest.json', content: json([{ Config: 'c', RepoTags: tags, Layers: ['l'] }]) },
  ]);
}

/** In pieces of odd lengths, as a network gives them. */
export async function* pieces(bytes: Buffer, length = 777): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}
