import { open, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { numbers } from './random.js';

/** Single bits of stored files that are not what was written. */

const SEED = Number(process.env['FLIP_SEED'] ?? 1);
/** How many are tried, spread over all files, chosen by `FLIP_SEED`. */
export const FLIPS = Number(process.env['FLIPS'] ?? 60);

export interface Flip {
  file: string;
  byte: number;
  bit: number;
}

/** All files below a directory, sorted. */
export async function filesBelow(directory: string): Promise<string[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(directory, join(parentPath, name)))
    .toSorted();
}

/** The files in turn, each at random places. */
export async function chooseFlips(directory: string, count = FLIPS): Promise<Flip[]> {
  const files = await filesBelow(directory);
  const random = numbers(SEED);
  const below = (limit: number) => Math.floor((random.next().value / 2147483648) * limit);
  const chosen: Flip[] = [];
  for (let index = 0; index < count; index += 1) {
    const file = files[index % files.length] ?? '';
    const { size } = await stat(join(directory, file));
    chosen.push({ file, byte: below(size), bit: below(8) });
  }
  return chosen;
}

/** In place, where other points may hold the same bytes; done twice it is undone. */
export async function flipBit(directory: string, { file, byte, bit }: Flip): Promise<void> {
  await using handle = await open(join(directory, file), 'r+');
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, byte);
  await handle.write(Buffer.of((buffer[0] ?? 0) ^ (1 << bit)), 0, 1, byte);
}

/** As reports name the file. The sidecar has one purpose: it tells that the record is not what was written. */
export const reportedName = (file: string): string => file.replace('.sha256', '');

export const describeFlip = ({ file, byte, bit }: Flip): string => `bit ${bit} of byte ${byte} of ${file}`;
