import { execa } from 'execa';
import * as fc from 'fast-check';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import { filterTar, inspectTar, type TarEntry } from '../../src/volumes/tar.js';
import { isMissing } from '../support/needs.js';
import { fill, scratch } from '../support/volumes.js';

/** The reader of tar archives against GNU tar, and against archives that somebody broke. */

const FORMATS = ['gnu', 'pax', 'ustar', 'v7', 'oldgnu'] as const;
const SPARSE = [
  '--format=gnu',
  '--format=pax --sparse-version=0.0',
  '--format=pax --sparse-version=0.1',
  '--format=pax',
];

async function tar(cwd: string, ...argv: string[]): Promise<Buffer> {
  const { stdout } = await execa('tar', argv, {
    cwd,
    encoding: 'buffer',
    env: { LC_ALL: 'C' },
    stderr: 'ignore',
  });
  return Buffer.from(stdout);
}

async function namesByTar(archive: Buffer): Promise<string> {
  const argv = ['--list', '--file=-', '--quoting-style=literal'];
  const { stdout } = await execa('tar', argv, {
    input: archive,
    encoding: 'buffer',
    stripFinalNewline: false,
    env: { LC_ALL: 'C' },
  });
  return Buffer.from(stdout).toString('latin1').replace(/\n$/, '');
}

/** In pieces of this length, as a network would. */
function pieces(archive: Buffer, length: number): Readable {
  const chunks: Buffer[] = [];
  for (let at = 0; at < archive.length; at += length) chunks.push(archive.subarray(at, at + length));
  return Readable.from(chunks);
}

async function inspect(archive: Buffer, pieceLength = 65_536): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const entry of inspectTar(pieces(archive, pieceLength))) entries.push(entry);
  return entries;
}

async function filtered(archive: Buffer, pieceLength: number, keep: (entry: TarEntry) => boolean) {
  const kept: Buffer[] = [];
  for await (const piece of filterTar(pieces(archive, pieceLength), keep)) kept.push(piece);
  return Buffer.concat(kept);
}

function namesOf(entries: TarEntry[]): string {
  return entries.map(({ name }) => name.toString('latin1')).join('\n');
}

/** A name of one to 120 bytes that a file system takes. */
const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f);
const name = fc
  .array(byte, { minLength: 1, maxLength: 120 })
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => !/^\.{1,2}$/.test(bytes.toString('latin1')));
type Leaf = { is: 'file'; name: Buffer; size: number } | { is: 'symlink'; name: Buffer; target: Buffer };
type Node = Leaf | { is: 'folder'; name: Buffer; leaves: Leaf[] };

const leaf: fc.Arbitrary<Leaf> = fc.oneof(
  fc.record({ is: fc.constant('file' as const), name, size: fc.integer({ min: 0, max: 2000 }) }),
  fc.record({ is: fc.constant('symlink' as const), name, target: name }),
);
const unique = { maxLength: 6, selector: (node: Node) => node.name.toString('latin1') };
const leaves = fc.uniqueArray(leaf, unique);
const folder: fc.Arbitrary<Node> = fc.record({ is: fc.constant('folder' as const), name, leaves });
const tree = fc.uniqueArray(fc.oneof(leaf, folder), unique);

async function grow(path: Buffer, nodes: Node[]): Promise<void> {
  for (const node of nodes) {
    const at = Buffer.concat([path, Buffer.from('/'), node.name]);
    if (node.is === 'file') await writeFile(at, Buffer.alloc(node.size, 7));
    else if (node.is === 'symlink') await symlink(node.target, at);
    else {
      await mkdir(at);
      await grow(at, node.leaves);
    }
  }
}

describe.skipIf(isMissing('tar'))('archives of GNU tar', () => {
  it('agrees with tar on random trees, in every format, in pieces of any length', async () => {
    const base = await scratch();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        tree,
        fc.constantFrom(...FORMATS),
        fc.integer({ min: 1, max: 3000 }),
        async (nodes, format, length) => {
          const path = join(base, `${(round += 1)}`);
          await mkdir(path);
          await grow(Buffer.from(path), nodes);
          const archive = await tar(path, '--create', '--file=-', `--format=${format}`, '.').catch(
            () => undefined,
          );
          // v7 and ustar have no place for long names: tar says so.
          if (archive === undefined) return;
          expect(namesOf(await inspect(archive, length))).toBe(await namesByTar(archive));
          const again = await filtered(archive, length, () => true);
          expect(again.equals(archive.subarray(0, again.length))).toBe(true);
          await rm(path, { recursive: true });
        },
      ),
      { numRuns: 60 },
    );
  });

  it.skipIf(isMissing('root'))('reads one of everything, with types, sizes and links', async () => {
    const path = await scratch();
    await fill(path);
    const archive = await tar(
      path,
      '--create',
      '--file=-',
      '--format=pax',
      '--sparse',
      '--numeric-owner',
      '.',
    );
    const entries = await inspect(archive, 1000);
    expect(namesOf(entries)).toBe(await namesByTar(archive));
    const one = (wanted: string) => entries.find((entry) => entry.name.toString() === wanted);
    expect(one('./')).toMatchObject({ type: 'directory', size: 0, link: undefined });
    expect(one('./binary')).toMatchObject({ type: 'file', size: 70_001 });
    expect(one('./sparse')).toMatchObject({ type: 'file', size: 20 * 1024 * 1024 + 18 });
    expect(one('./pipe')).toMatchObject({ type: 'fifo' });
    expect(one('./long-target')).toMatchObject({ type: 'symlink', link: Buffer.from('t/'.repeat(150)) });
    expect(entries.filter(({ type }) => type === 'link')).toHaveLength(2);
  });

  it.each(SPARSE)('reads sparse files as %s has them', async (options) => {
    const path = await scratch();
    await execa('truncate', ['--size=9G', 'sparse'], { cwd: path });
    for (let at = 0; at < 40; at += 1) {
      await execa(
        'dd',
        ['if=/dev/zero', 'of=sparse', 'bs=4k', 'count=1', 'conv=notrunc', `seek=${at * 1000}`],
        {
          cwd: path,
        },
      );
    }
    await writeFile(join(path, 'zzz'), 'after');
    const archive = await tar(
      path,
      '--create',
      '--file=-',
      '--sparse',
      ...options.split(' '),
      'sparse',
      'zzz',
    );
    expect(await inspect(archive, 700)).toMatchObject([
      { name: Buffer.from('sparse'), type: 'file', size: 9 * 1024 ** 3, link: undefined },
      { name: Buffer.from('zzz'), type: 'file', size: 5, link: undefined },
    ]);
  });

  it.skipIf(isMissing('root'))('leaves out what is not wanted, with the metadata before it', async () => {
    const path = await scratch();
    await fill(path);
    const archive = await tar(path, '--create', '--file=-', '--format=pax', '--sparse', '.');
    const kept = await filtered(
      archive,
      4096,
      (entry) => !entry.name.includes('other-name') && entry.type !== 'fifo',
    );
    const before = (await namesByTar(archive)).split('\n');
    const after = (await namesByTar(kept)).split('\n');
    expect(after).toEqual(before.filter((line) => !line.includes('other-name') && line !== './pipe'));
  });
});

describe.skipIf(isMissing('tar'))('archives that are none', () => {
  const bases: Buffer[] = [];

  beforeAll(async () => {
    const path = await scratchForAll();
    await mkdir(join(path, 'folder'));
    await writeFile(join(path, 'folder', 'f'.repeat(200)), 'data');
    await writeFile(join(path, 'plain'), Buffer.alloc(700, 1));
    await symlink('l'.repeat(150), join(path, 'link'));
    await execa('truncate', ['--size=1M', 'sparse'], { cwd: path });
    for (const format of ['gnu', 'pax']) {
      bases.push(
        await tar(path, '--create', '--file=-', '--sparse', '--blocking-factor=1', `--format=${format}`, '.'),
      );
    }
    await rm(path, { recursive: true });
  });

  async function scratchForAll(): Promise<string> {
    const { stdout } = await execa('mktemp', ['--directory']);
    return stdout;
  }

  /** Reads whatever it is to the end: a typed error, or entries that can be. */
  async function survives(archive: Buffer, pieceLength = 1000): Promise<void> {
    try {
      for (const { name: found, size: bytes } of await inspect(archive, pieceLength)) {
        expect(found.length).toBeGreaterThan(0);
        expect(found.includes(0)).toBe(false);
        expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
      }
    } catch (thrown) {
      if (!(thrown instanceof RollbackError) || thrown.code !== 'damaged') throw thrown;
    }
  }

  it('never crashes on random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), (bytes) => survives(Buffer.from(bytes))),
      { numRuns: 3000 },
    );
  });

  /** Changes bytes and, half of the time, makes the checksum of that block right again: behind it lie the other checks. */
  const mutation = fc.record({
    base: fc.nat(1),
    changes: fc.array(fc.record({ block: fc.nat(40), offset: fc.nat(511), value: fc.nat(255) }), {
      minLength: 1,
      maxLength: 6,
    }),
    mended: fc.boolean(),
    cut: fc.option(fc.nat(20_000)),
  });

  it('never crashes on archives that were changed', async () => {
    await fc.assert(
      fc.asyncProperty(mutation, async ({ base, changes, mended, cut }) => {
        const archive = Buffer.from(bases[base] ?? expect.fail('no archive'));
        for (const { block, offset, value } of changes) {
          const start = (block * 512) % archive.length;
          archive[start + offset] = value;
          if (mended) mend(archive.subarray(start, start + 512));
        }
        await survives(cut === null ? archive : archive.subarray(0, cut));
      }),
      { numRuns: 7000 },
    );
  });

  it('calls everything that is cut off damaged', async () => {
    for (const base of bases) {
      const whole = await inspect(base);
      expect(whole.length).toBe(6);
      for (let length = 0; length < base.length - 512; length += 256) {
        await expect(inspect(base.subarray(0, length)), `cut at ${length}`).rejects.toMatchObject({
          code: 'damaged',
        });
      }
    }
  });

  const size = (octal: string) => (header: Buffer) => put(header, 124, Buffer.from(octal, 'latin1'));
  const type = (letter: string) => (header: Buffer) => put(header, 156, Buffer.from(letter));

  it.each<[string, (header: Buffer) => unknown]>([
    ['a wrong checksum', (header) => (header[0] = 1)],
    ['a size that cannot be', (header) => mend(size('\xff'.repeat(12))(header))],
    ['a size that cannot be', (header) => mend(size(`\x80${'\x7f'.repeat(11)}`)(header))],
    ['a size that cannot be', (header) => mend(size('0000000008x\0')(header))],
    ['a symlink with data', (header) => mend(type('2')(size('00000000017\0')(header)))],
    ['8589934591 bytes of metadata', (header) => mend(type('x')(size('77777777777\0')(header)))],
    ['a name that cannot be', (header) => mend(put(header, 0, Buffer.alloc(100)))],
  ])('refuses %s', async (what, change) => {
    const archive = Buffer.from(bases[0] ?? expect.fail('no archive'));
    change(archive.subarray(0, 512));
    await expect(inspect(archive)).rejects.toMatchObject({
      code: 'damaged',
      message: `the archive is damaged: ${what}`,
    });
  });

  function put(header: Buffer, at: number, bytes: Buffer): Buffer {
    bytes.copy(header, at);
    return header;
  }

  function mend(header: Buffer): void {
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, value) => total + value, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
});
