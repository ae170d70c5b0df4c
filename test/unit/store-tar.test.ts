import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import { one, readTar, writeTar, type TarFile } from '../../src/store/tar.js';
import { isMissing } from '../support/needs.js';
import { temporaryDirectory } from '../support/store.js';
import { hex, pieces, rawEntry, rawTar } from '../support/tars.js';

const run = promisify(execFile);

async function all(bytes: Buffer, length?: number) {
  const found: { path: string; type: string; text: string; preceding: string | undefined; target: string }[] =
    [];
  for await (const { content, size, ...rest } of readTar(
    pieces(bytes, length),
    'the tar',
    createHash('sha256'),
  )) {
    const text = (await buffer(content)).toString('latin1');
    expect(text).toHaveLength(size);
    found.push({ ...rest, text });
  }
  return found;
}

function file(path: string, text: string): TarFile {
  const bytes = Buffer.from(text);
  return { path, size: bytes.length, content: one(bytes) };
}

const checksum = (preceding: string) => ({ path: 'sum', text: preceding });

/** Short ones, those that need the long form, and those that break naive readers of it. */
const PATHS = [
  'a',
  `${'d/'.repeat(60)}end`,
  'n'.repeat(250),
  `${'long '.repeat(30)}\n12 path=x`,
  'ünï/cödé',
  'a=b',
  `${'x'.repeat(99)}/${'y'.repeat(140)}`,
];

test('permissions are told without the type of the file, which Docker 20.10 writes beside them', async () => {
  const tar = rawTar([
    { path: 'a', mode: 0o100640 },
    { path: 'b', mode: 0o104755 },
  ]);
  const modes: number[] = [];
  for await (const { mode } of readTar(pieces(tar), 'the tar')) modes.push(mode);
  expect(modes).toEqual([0o640, 0o4755]);
});

test.skipIf(isMissing('tar'))('what is written is what GNU tar reads, whatever the names', async () => {
  const directory = await temporaryDirectory();
  const texts = PATHS.map((path, index) => file(path, `${index}`.repeat(index * 300)));
  const bytes = await buffer(writeTar(texts, checksum));
  await writeFile(join(directory, 'a.tar'), bytes);
  await mkdir(join(directory, 'out'));
  await run('tar', ['-xf', 'a.tar', '-C', 'out'], { cwd: directory });
  for (const [index, path] of PATHS.entries()) {
    expect(await readFile(join(directory, 'out', path), 'utf8')).toBe(`${index}`.repeat(index * 300));
  }
  const found = await all(bytes);
  expect(found.slice(0, -1).map(({ path }) => path)).toEqual(PATHS);
  const last = found.at(-1);
  expect(last).toMatchObject({ path: 'sum', text: last?.preceding });
  expect(last?.text).toBe(hex(bytes.subarray(0, bytes.length - 1024 - 1024)));
});

test.skipIf(isMissing('tar')).each(['gnu', 'pax', 'ustar'])(
  'what GNU tar writes is read: %s',
  async (format) => {
    const directory = await temporaryDirectory();
    const short = PATHS.filter((path) => path.length < 99);
    for (const path of short) {
      await mkdir(join(directory, 'in', path, '..'), { recursive: true });
      await writeFile(join(directory, 'in', path), `of ${path}`);
    }
    await symlink('../a', join(directory, 'in/link'));
    await run('tar', [`--format=${format}`, '-cf', 'a.tar', '-C', 'in', ...short, 'link'], {
      cwd: directory,
    });
    const found = await all(await readFile(join(directory, 'a.tar')));
    expect(found.map(({ path, type, text }) => [path, type, text])).toEqual([
      ...short.map((path) => [path, 'file', Buffer.from(`of ${path}`).toString('latin1')]),
      ['link', 'symlink', ''],
    ]);
    expect(found.at(-1)?.target).toBe('../a');
  },
);

test('any names and contents come back, in pieces of any length', async () => {
  const anyFile = fc.record({
    path: fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }),
    text: fc.string({ maxLength: 3000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyFile, { maxLength: 5 }),
      fc.integer({ min: 1, max: 2000 }),
      async (files, length) => {
        const named = files.filter(({ path }) => !path.includes('\0') && !path.endsWith('/'));
        const bytes = await buffer(
          writeTar(
            named.map(({ path, text }) => file(path, text)),
            checksum,
          ),
        );
        const found = (await all(bytes, length)).slice(0, -1);
        expect(found.map(({ path, text }) => ({ path, text }))).toEqual(
          named.map(({ path, text }) => ({ path, text: Buffer.from(text).toString('latin1') })),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('contents that nobody reads are skipped; sources are closed', async () => {
  let closed = false;
  const source = async function* () {
    try {
      yield* pieces(rawTar([{ path: 'a', content: Buffer.alloc(5000, 1) }, { path: 'b' }]));
    } finally {
      closed = true;
    }
  };
  const paths: string[] = [];
  for await (const { path } of readTar(source(), 'it')) paths.push(path);
  expect([paths, closed]).toEqual([['a', 'b'], true]);
  closed = false;
  for await (const _ of readTar(source(), 'it')) break;
  expect(closed).toBe(true);
});

describe('refused as damaged', () => {
  const sound = rawTar([{ path: 'a', content: Buffer.from('text') }]);
  const changed = (at: number) =>
    Buffer.concat([sound.subarray(0, at), Buffer.from([1]), sound.subarray(at + 1)]);
  const long = rawEntry({ path: 'n'.repeat(200) });
  const extended = (body: string) =>
    Buffer.concat([
      rawEntry({ path: 'x', content: Buffer.from(body) }).fill('x', 156, 157),
      rawEntry({ path: 'a' }),
    ]);
  const resummed = (bytes: Buffer) => {
    bytes.fill(' ', 148, 156);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return Buffer.concat([bytes, Buffer.alloc(1024)]);
  };
  const cases: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    'no end': sound.subarray(0, 1024),
    'half an end': sound.subarray(0, 1536),
    'a cut file': sound.subarray(0, 514),
    'a changed header': changed(3),
    'a changed padding': changed(600),
    'a changed end': changed(1100),
    'something behind the end': Buffer.concat([sound, Buffer.from('x')]),
    'a global header': rawTar([
      { path: 'g', type: 'GlobalExtendedHeader', content: Buffer.from('9 path=b\n') },
    ]),
    'an extended header that belongs to nothing': Buffer.concat([long.subarray(0, 1024), Buffer.alloc(1024)]),
    'two extended headers': Buffer.concat([long.subarray(0, 1024), long, Buffer.alloc(1024)]),
    'a record that is too long': resummed(extended('99 path=b\n')),
    'a record without a length': resummed(extended('path=b\n')),
    'a size that is none': resummed(extended('10 size=-1\n')),
  };
  for (const [what, bytes] of Object.entries(cases)) {
    test(`${what}: told, and refused`, async () => {
      await expect(all(bytes)).rejects.toMatchObject({
        code: 'damaged',
        message: expect.stringContaining('the tar is damaged'),
      });
    });
  }
});

test('contents that are not as long as they said make no tar', async () => {
  for (const size of [3, 5]) {
    const wrong = { path: 'a', size, content: one(Buffer.from('four')) };
    await expect(buffer(writeTar([wrong], checksum))).rejects.toMatchObject({ code: 'damaged' });
  }
});

test('10,000 broken tars: a typed error, or what was there', async () => {
  const sound = rawTar(PATHS.map((path) => ({ path, content: Buffer.from(path) })));
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 2048 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(fc.record({ at: fc.nat(sound.length - 1), byte: fc.nat(255) }), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = Buffer.from(sound);
        for (const { at, byte } of changes) bytes[at] = byte;
        return bytes;
      }),
    fc
      .tuple(fc.nat(sound.length), fc.nat(sound.length))
      .map(([from, to]) => Buffer.concat([sound.subarray(0, from), sound.subarray(to)])),
  );
  await fc.assert(
    fc.asyncProperty(anyBytes, async (bytes) => {
      try {
        await all(bytes, 5000);
      } catch (error) {
        expect(error).toBeInstanceOf(RollbackError);
        expect(error).toMatchObject({ code: 'damaged' });
      }
    }),
    { numRuns: 10_000 },
  );
}, 120_000);
