import type { Readable } from 'node:stream';
import { quoted } from '../model/names.js';
import type { Place, VolumeReader } from './driver.js';
import { printable } from './driver.js';
import { digestTar, type TarEntry } from './tar.js';

/** What is in a place, file by file, as containers see it: to tell whether two places hold the same. */

/** Path (bytes as latin1) to everything that counts there, as text: type, mode, owners, size, hash, link, attributes. */
export type Manifest = ReadonlyMap<string, string>;

/** Reads all of a place. Nobody may write there meanwhile. Throws what reading throws, `damaged`. */
export async function manifestOf(reader: VolumeReader, place: Place, signal: AbortSignal): Promise<Manifest> {
  const { stream } = await reader.archive(place, { compression: 'none', filled: true, signal });
  return await manifestFrom(stream);
}

async function manifestFrom(stream: Readable): Promise<Manifest> {
  const manifest = new Map<string, string>();
  const linked = new Map<string, string[]>();
  for await (const entry of digestTar(stream)) {
    const path = plainPath(entry.name);
    if (entry.type === 'link' && entry.link) {
      const first = plainPath(entry.link);
      linked.set(first, [...(linked.get(first) ?? []), path]);
    } else manifest.set(path, factsOf(entry));
  }
  // Which of several names is the file, and which the links to it, is up to who reads.
  for (const [first, others] of linked) {
    const group = [first, ...others].toSorted();
    const facts = `${manifest.get(first)} with ${group.join(' ')}`;
    for (const path of group) manifest.set(path, facts);
  }
  return manifest;
}

const plainPath = (name: Buffer): string =>
  name.toString('latin1').replace(/^\.\//, '').replace(/\/$/, '') || '.';

function factsOf({
  type,
  mode,
  uid,
  gid,
  size,
  link,
  attributes,
  sha256,
}: TarEntry & { sha256: string }): string {
  const permissions = type === 'symlink' ? '' : mode.toString(8);
  const extended = [...attributes].map(([key, value]) => `${key}=${value.toString('base64')}`).toSorted();
  const content = type === 'file' ? `${size} ${sha256}` : (link?.toString('latin1') ?? '');
  return [type, permissions, `${uid}:${gid}`, content, ...extended].join(' ');
}

/** For a person, the first few of what is not the same; empty when both hold the same. */
export function manifestDifferences(one: Manifest, other: Manifest): string[] {
  const paths = [...new Set([...one.keys(), ...other.keys()])].toSorted();
  return paths
    .filter((path) => one.get(path) !== other.get(path))
    .slice(0, MAX_DIFFERENCES)
    .map((path) => {
      const what = one.has(path) ? (other.has(path) ? 'differs' : 'is missing') : 'is too many';
      return `${quoted(printable(Buffer.from(path, 'latin1')))} ${what}`;
    });
}

const MAX_DIFFERENCES = 5;
