import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { bindPlace, scratch } from './volumes.js';

/** Archives that somebody made to get out of the directory they are unpacked in. */

const HEADER = 512;

function entry(name: string, type: string, { link = '', data = '' } = {}): Buffer {
  const header = Buffer.alloc(HEADER);
  header.write(name, 0, 'latin1');
  header.write('0000644\0' + '0000000\0'.repeat(2), 100);
  header.write(`${data.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        `, 124);
  header.write(type, 156);
  header.write(link, 157, 'latin1');
  header.write('ustar\u000000', 257);
  if (type === '3') header.write('0000001\u00000000003\0', 329);
  const sum = header.reduce((total, value) => total + value, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, Buffer.from(data), Buffer.alloc(-data.length & (HEADER - 1))]);
}

/** By what they try; `outside` is the directory that they must not reach. */
export const HOSTILE: Record<string, (outside: string) => Buffer[]> = {
  'an absolute name': (outside) => [entry(`${outside}/made`, '0', { data: 'x' })],
  'a name upwards': () => [entry('../../outside/made', '0', { data: 'x' })],
  'a name down and upwards': () => [entry('a/', '5'), entry('a/../../../outside/made', '0', { data: 'x' })],
  'a file through an absolute link': (outside) => [
    entry('./link', '2', { link: outside }),
    entry('./link/made', '0', { data: 'x' }),
  ],
  'a file through a link upwards': () => [
    entry('./link', '2', { link: '../../outside' }),
    entry('./link/made', '0', { data: 'x' }),
  ],
  'a file through two links': (outside) => [
    entry('./one', '2', { link: outside }),
    entry('./two', '2', { link: 'one' }),
    entry('./two/made', '0', { data: 'x' }),
  ],
  'a file over a link to a file': (outside) => [
    entry('./link', '2', { link: `${outside}/victim` }),
    entry('./link', '0', { data: 'overwritten' }),
  ],
  'a hard link to the outside': (outside) => [entry('./link', '1', { link: `${outside}/victim` })],
  'a hard link upwards': () => [
    entry('./link', '1', { link: '../../outside/victim' }),
    entry('./link', '0', { data: 'overwritten' }),
  ],
  'a hard link through a link': (outside) => [
    entry('./out', '2', { link: outside }),
    entry('./link', '1', { link: './out/victim' }),
  ],
  'a directory through a link': (outside) => [
    entry('./link', '2', { link: outside }),
    entry('./link/', '5'),
    entry('./link/made', '0', { data: 'x' }),
  ],
  'a device': () => [entry('./null', '3')],
  'a pipe': () => [entry('./pipe', '6')],
};

/** What is refused because it could do harm; the rest because it makes no sense. */
export const UNSAFE = [
  'an absolute name',
  'a name upwards',
  'a name down and upwards',
  'a hard link upwards',
  'a device',
  'a pipe',
];

/** Such an archive, a place to unpack it in, and a directory beside it. All gone when the test ends. */
export async function situation(name: string) {
  const base = await scratch();
  const outside = join(base, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'victim'), 'victim');
  const place = bindPlace(join(base, 'here', 'data'));
  await mkdir(place.path, { recursive: true });
  const entries = HOSTILE[name]?.(outside) ?? [];
  const archive = gzipSync(Buffer.concat([entry('./', '5'), ...entries, Buffer.alloc(2 * HEADER)]));
  return { outside, place, archive: () => Readable.from([archive]) };
}

/** `done`, or the code of the error. */
export const outcome = (work: Promise<void>) =>
  work.then(
    () => 'done',
    (thrown: { code: string }) => thrown.code,
  );
