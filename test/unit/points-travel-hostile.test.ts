import { readdir } from 'node:fs/promises';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import type { Point } from '../../src/model/point.js';
import { verifyPoints } from '../../src/points/verify.js';
import type { Store } from '../../src/store/store.js';
import { rawTar, type RawEntry } from '../support/tars.js';
import {
  assembled,
  consistent,
  exported,
  importInto,
  namesIn,
  partsOf,
  pathsIn,
  pointIn,
  travellers,
  type Parts,
} from '../support/travel.js';

/** `FUZZ_CASES=10000` tries more. */
const CASES = Number(process.env['FUZZ_CASES'] ?? 2000);

let folder: string;
let here: Store;
let there: Store;
let point: Point;
let archive: Buffer;

beforeEach(async () => {
  ({ folder, here, there, point, archive } = await travellers());
});

describe('hostile archives, with all checksums right', () => {
  const configs = 'configs/compose.yaml';
  const sized = (entry: RawEntry | undefined, more: Partial<RawEntry>): RawEntry => ({
    path: '',
    ...entry,
    ...more,
  });
  const changed = (parts: Parts, path: string, more: Partial<RawEntry>): Parts => ({
    ...parts,
    entries: parts.entries.map((entry) => (entry.path.endsWith(path) ? sized(entry, more) : entry)),
  });
  /** In the record, in the manifest and in the name of the entry. */
  const renamed = (parts: Parts, to: string): Parts => {
    const texts = parts.entries.map((entry) =>
      entry.path.endsWith('point.json')
        ? {
            ...entry,
            content: Buffer.from(String(entry.content).replaceAll(configs, JSON.stringify(to).slice(1, -1))),
          }
        : entry,
    );
    return consistent(
      changed({ ...parts, entries: texts }, configs, { path: `${parts.manifest.point}/${to}` }),
    );
  };
  const ways: Record<string, [(parts: Parts) => Parts, code?: string]> = {
    'a path that leaves': [(parts) => renamed(parts, '../../escaped'), 'unsafe'],
    'an absolute path': [(parts) => renamed(parts, '/tmp/escaped'), 'unsafe'],
    'a path with empty parts': [(parts) => renamed(parts, 'configs//x'), 'unsafe'],
    'a file and a directory of one name': [(parts) => renamed(parts, 'configs/.env/x'), 'failed'],
    'a name as long as a header': [(parts) => renamed(parts, `configs/${'n'.repeat(300)}`), 'failed'],
    'another place than the manifest says': [(parts) => changed(parts, configs, { path: '../../escaped' })],
    'a symlink': [(parts) => changed(parts, configs, { type: 'SymbolicLink', linkpath: '/etc/passwd' })],
    'a hard link': [(parts) => changed(parts, configs, { type: 'Link', linkpath: '/etc/passwd' })],
    'a device': [(parts) => changed(parts, configs, { type: 'CharacterDevice' })],
    'a pipe': [(parts) => changed(parts, configs, { type: 'FIFO' })],
    'a directory': [(parts) => changed(parts, configs, { type: 'Directory' })],
    'headers for all that follows': [
      (parts) => ({
        ...parts,
        entries: [
          { path: 'g', type: 'GlobalExtendedHeader', content: Buffer.from('9 path=b\n') },
          ...parts.entries,
        ],
      }),
    ],
    'other contents': [(parts) => changed(parts, configs, { content: Buffer.from('services: []\n') })],
    'a file twice': [
      (parts) => consistent({ ...parts, entries: [...parts.entries, ...parts.entries.slice(-1)] }),
    ],
    'a file more': [
      (parts) => ({
        ...parts,
        entries: [...parts.entries, { path: `${parts.manifest.point}/configs/more` }],
      }),
    ],
    'a file more, in the manifest too': [
      (parts) =>
        consistent({
          ...parts,
          entries: [...parts.entries, { path: `${parts.manifest.point}/configs/more` }],
        }),
    ],
    'a file less': [(parts) => ({ ...parts, entries: parts.entries.slice(0, -1) })],
    'a file less, in the manifest too': [
      (parts) => consistent({ ...parts, entries: parts.entries.slice(0, -1) }),
    ],
    'another order': [(parts) => ({ ...parts, entries: parts.entries.toReversed() })],
    'more than there is space for': [
      (parts) => ({
        ...parts,
        manifest: {
          ...parts.manifest,
          files: parts.manifest.files.map((file) => ({ ...file, size: 2 ** 52 / 16 })),
        },
      }),
      'failed',
    ],
    'an id that is a path': [(parts) => ({ ...parts, manifest: { ...parts.manifest, point: '../../rb-1' } })],
    'a newer format': [
      (parts) => ({ ...parts, manifest: { ...parts.manifest, format: 2 } }),
      'not-supported',
    ],
    'a record of another point': [
      (parts) =>
        consistent(
          changed(parts, 'point.json', {
            content: Buffer.from(String(parts.entries[0]?.content).replace(/rb-\w+/, 'rb-00000000000f')),
          }),
        ),
    ],
    'a record of another project': [
      (parts) =>
        consistent(
          changed(parts, 'point.json', {
            content: Buffer.from(
              String(parts.entries[0]?.content).replace('"name": "shop"', '"name": "store"'),
            ),
          }),
        ),
    ],
    'a record that is none': [
      (parts) => consistent(changed(parts, 'point.json', { content: Buffer.from('{"format":1}') })),
    ],
    'a record of a newer version': [
      (parts) => consistent(changed(parts, 'point.json', { content: Buffer.from('{"format":99}') })),
      'not-supported',
    ],
    'no record': [(parts) => consistent({ ...parts, entries: parts.entries.slice(2) })],
    'a sidecar of something else': [
      (parts) => {
        const { manifest, entries } = changed(parts, '.sha256', { content: Buffer.from('0') });
        return { manifest: consistent({ manifest, entries }).manifest, entries };
      },
    ],
  };
  for (const [what, [tamper, code = 'damaged']] of Object.entries(ways)) {
    test(`${what}: told, and refused`, async () => {
      const parts = await partsOf(archive);
      expect(assembled(consistent(parts)).length).toBeGreaterThan(0);
      await there.tidy(); // makes the index
      const before = await pathsIn(folder);
      await expect(importInto(there, assembled(tamper(parts)))).rejects.toMatchObject({ code });
      expect(await pathsIn(folder)).toEqual(before);
      expect(await namesIn(there)).toEqual([]);
    });
  }

  test('a checksum of something else', async () => {
    const bytes = assembled(await partsOf(archive));
    const at = bytes.length - 2048 + 512;
    bytes[at] = bytes[at] === 0x30 ? 0x31 : 0x30;
    await expect(importInto(there, bytes)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('its checksum is wrong'),
    });
    expect(await namesIn(there)).toEqual([]);
  });

  test('more after the checksum', async () => {
    const bytes = assembled(await partsOf(archive));
    const more = rawTar([{ path: `${point.id}/configs/more` }]);
    await expect(importInto(there, Buffer.concat([bytes.subarray(0, -1024), more]))).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('goes on after its checksum'),
    });
    expect(await namesIn(there)).toEqual([]);
  });

  test('the same parts without tampering are a point', async () => {
    expect(await importInto(there, assembled(consistent(await partsOf(archive))))).toMatchObject({
      id: point.id,
    });
  });
});

test(`${CASES} archives out of order: a typed error or a sound point, and nothing anywhere else`, async () => {
  const { id: small } = await pointIn(here, 2);
  await here.tidy();
  archive = await exported(here, small);
  const parts = await partsOf(archive);
  await there.tidy();
  const around = async () => [await readdir(folder), await readdir(there.path)];
  const before = await around();
  const index = fc.nat(parts.entries.length - 1);
  const path = fc.oneof(
    fc.constantFrom(
      '../x',
      '/x',
      `${small}/../x`,
      `${small}/configs/../../x`,
      `${small}/configs`,
      'checksum.sha256',
      'a\nb',
      '',
    ),
    fc.string({ maxLength: 12 }),
  );
  const type = fc.constantFrom(
    'File',
    'Directory',
    'SymbolicLink',
    'Link',
    'CharacterDevice',
    'FIFO',
  ) satisfies fc.Arbitrary<RawEntry['type']>;
  const step: fc.Arbitrary<(parts: Parts) => Parts> = fc.oneof(
    fc.tuple(index, path).map(([at, to]) => edit(at, (entry) => [{ ...entry, path: to }])),
    fc
      .tuple(index, type)
      .map(([at, to]) => edit(at, (entry) => [{ ...entry, type: to, linkpath: '../../x' }])),
    fc
      .tuple(index, fc.uint8Array({ maxLength: 40 }))
      .map(([at, bytes]) => edit(at, (entry) => [{ ...entry, content: Buffer.from(bytes) }])),
    fc.tuple(index, fc.nat(70_000)).map(([at, size]) => edit(at, (entry) => [{ ...entry, size }])),
    index.map((at) => edit(at, () => [])),
    index.map((at) => edit(at, (entry) => [entry, entry])),
    fc.tuple(index, fc.jsonValue({ maxDepth: 1 })).map(([at, value]) => (all: Parts) => ({
      ...all,
      manifest: { ...all.manifest, [Object.keys(all.manifest)[at % 6] ?? '']: value },
    })),
    fc.constant(consistentIfPossible),
  );
  const structured = fc
    .array(step, { minLength: 1, maxLength: 3 })
    .map((steps) => assembled(steps.reduce((all, act) => act(all), parts)));
  const flipped = fc
    .array(fc.record({ at: fc.nat(archive.length - 1), byte: fc.nat(255) }), { minLength: 1, maxLength: 3 })
    .map((changes) => {
      const bytes = Buffer.from(archive);
      for (const { at, byte } of changes) bytes[at] = byte;
      return bytes;
    });
  const cut = fc
    .tuple(fc.nat(archive.length), fc.nat(archive.length))
    .map(([from, to]) => Buffer.concat([archive.subarray(0, from), archive.subarray(to)]));
  let imported = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        { weight: 8, arbitrary: structured },
        { weight: 1, arbitrary: flipped },
        { weight: 1, arbitrary: cut },
      ),
      async (bytes) => {
        try {
          const { id } = await importInto(there, bytes);
          imported += 1;
          expect(await verifyPoints(there, 'shop', id)).toMatchObject([{ sound: true }]);
          await there.remove(id);
        } catch (error) {
          if (!(error instanceof RollbackError)) throw error;
        }
        expect(await around()).toEqual(before);
      },
    ),
    { numRuns: CASES },
  );
  expect(imported).toBeGreaterThan(0);
}, 120_000);

function edit(at: number, change: (entry: RawEntry) => RawEntry[]) {
  return ({ manifest, entries }: Parts): Parts => ({
    manifest,
    entries: entries.flatMap((entry, index) => (index === at ? change(entry) : [entry])),
  });
}

/** Some steps leave parts behind that are no archive any more: those are tried as they are. */
function consistentIfPossible(parts: Parts): Parts {
  return typeof parts.manifest.point === 'string' ? consistent(parts) : parts;
}
