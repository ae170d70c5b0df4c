import { gzipSync } from 'node:zlib';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { VolumeData } from '../../src/model/point.js';
import { verifyPoints, type Verification } from '../../src/points/verify.js';
import { Store } from '../../src/store/store.js';
import { skipWithout } from '../support/needs.js';
import { makePoint, sha256, temporaryDirectory } from '../support/store.js';
import { hex, imageTar, LAYER, LAYER_IDS, rawTar, type RawEntry } from '../support/tars.js';

/** Archives whose bytes are as recorded, and which would not bring back what the point says. */

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** The image of `imageTar`, and an OCI layout that names another or gives it a name. */
function layoutTar({ listed = LAYER_IDS, annotations = {} }): Buffer {
  const config = json({ rootfs: { diff_ids: listed } });
  const digest = (bytes: Buffer) => `sha256:${hex(bytes)}`;
  const manifest = json({ config: { digest: digest(config) }, layers: [{ digest: digest(LAYER) }] });
  const blobs = [LAYER, config, manifest].map((content) => ({
    path: `blobs/sha256/${hex(content)}`,
    content,
  }));
  return rawTar([
    ...blobs,
    { path: 'c', content: json({ rootfs: { diff_ids: LAYER_IDS } }) },
    { path: 'l', content: LAYER },
    { path: 'manifest.json', content: json([{ Config: 'c', RepoTags: null, Layers: ['l'] }]) },
    { path: 'index.json', content: json({ manifests: [{ digest: digest(manifest), annotations }] }) },
  ]);
}

let store: Store;

beforeEach(async () => {
  store = await Store.open(join(await temporaryDirectory(), 'backups'), { create: true });
});

/** A point with one image archive of these bytes, recorded as they are. */
async function withArchive(
  bytes: Buffer,
  compression: 'gzip' | 'none' = 'gzip',
  image = 'redis',
): Promise<Verification> {
  const base = makePoint(1);
  const writer = await store.begin(base.id);
  const stored = 'images/0123456789ab.tar.gz';
  const source = async function* () {
    yield bytes;
  };
  const archive = {
    image: sha256(image),
    stored,
    ...(await writer.addStream(stored, source())),
    compression,
  };
  const redis = base.images['redis'] ?? expect.fail('no image');
  const model = await writer.addJson('model.json', {
    format: 1,
    model: null,
    model_error: null,
    variables: [],
  });
  await writer.commit({
    ...base,
    images: { redis: { ...redis, diff_ids: LAYER_IDS } },
    image_archives: [archive],
    model: { stored: 'model.json', ...model },
  });
  await store.tidy();
  const [found] = await verifyPoints(store, 'shop');
  store.close();
  return found ?? expect.fail('no point');
}

test.each(['gzip', 'none'] as const)('a sound archive (%s) is sound', async (compression) => {
  const bytes = compression === 'gzip' ? gzipSync(imageTar()) : imageTar();
  expect(await withArchive(bytes, compression)).toEqual({
    id: makePoint(1).id,
    sound: true,
    files: 2,
    problems: [],
  });
});

test('a sound archive in the OCI layout is sound', async () => {
  expect(await withArchive(layoutTar({}), 'none')).toMatchObject({ sound: true, problems: [] });
});

describe('is told', () => {
  const named = { 'io.containerd.image.name': 'docker.io/library/redis:7' };
  const cases: Record<string, [Buffer, string]> = {
    'another image by its layout': [gzipSync(layoutTar({ listed: [sha256('x')] })), 'another image'],
    'a tag that it would move by its layout': [gzipSync(layoutTar({ annotations: named })), 'tags'],
    'another image': [gzipSync(imageTar({ listed: [sha256('x')] })), 'another image'],
    'other layers': [gzipSync(imageTar({ content: Buffer.from('other') })), 'its layers are not those'],
    'tags that it would move': [gzipSync(imageTar({ tags: ['redis:7'] })), 'tags'],
    'a compression that breaks off': [gzipSync(imageTar()).subarray(0, -20), 'does not decompress'],
    'a tar that breaks off': [gzipSync(imageTar().subarray(0, -1024)), 'ends too early'],
    'no compression where there should be one': [imageTar(), 'does not decompress'],
  };
  for (const [what, [bytes, problem]] of Object.entries(cases)) {
    test(`${what}: told, and refused`, async () => {
      expect(await withArchive(bytes)).toMatchObject({
        sound: false,
        problems: [{ path: 'images/0123456789ab.tar.gz', problem: expect.stringContaining(problem) }],
      });
    });
  }

  test('an archive of an image that no service has', async () => {
    expect((await withArchive(gzipSync(imageTar()), 'gzip', 'other')).problems).toMatchObject([
      { problem: expect.stringContaining('no service has its image') },
    ]);
  });
});

test('a changed archive is told once, as changed', async () => {
  await withArchive(gzipSync(imageTar()));
  const path = join(store.pointDir(makePoint(1).id), 'images/0123456789ab.tar.gz');
  await rm(path);
  expect(await verifyPoints(store, 'shop')).toMatchObject([{ problems: [{ problem: 'it is missing' }] }]);
  store.close();
});

describe('an archive of a volume', () => {
  skipWithout('gzip');

  const sound: RawEntry[] = [
    { path: './', type: 'Directory' },
    { path: './a', content: Buffer.from('12345') },
    { path: './again', type: 'Link', linkpath: './a' },
    { path: './over', type: 'SymbolicLink', linkpath: '../../elsewhere' },
  ];

  /** A point with this archive, recorded as 3 entries with 5 bytes unless it says otherwise. */
  async function withData(bytes: Buffer, facts: Partial<VolumeData> = {}): Promise<Verification> {
    const base = makePoint(1);
    const writer = await store.begin(base.id);
    const stored = 'volumes/data.tar.gz';
    const source = async function* () {
      yield bytes;
    };
    const file = await writer.addStream(stored, source());
    const data: VolumeData = {
      name: 'data',
      kind: 'volume',
      services: ['redis'],
      driver: 'host',
      consistency: 'pause',
      stored,
      ...file,
      compression: 'gzip',
      entries: 3,
      bytes: 5,
      listing: null,
      skipped: [],
      ...facts,
    };
    const text = { format: 1, model: null, model_error: null, variables: [] };
    const model = await writer.addJson('model.json', text);
    await writer.commit({ ...base, volume_data: [data], model: { stored: 'model.json', ...model } });
    await store.tidy();
    const [found] = await verifyPoints(store, 'shop');
    store.close();
    return found ?? expect.fail('no point');
  }

  test('is sound with as many entries and bytes as recorded; a symbolic link may lead anywhere', async () => {
    expect((await withData(gzipSync(rawTar(sound)))).problems).toEqual([]);
  });

  const cases: Record<string, [RawEntry[], string]> = {
    'an entry less': [sound.slice(0, -1), '2 entries with 5 bytes instead of 3 entries with 5 bytes'],
    'other bytes': [
      sound.with(1, { path: './a', content: Buffer.from('1') }),
      '3 entries with 1 bytes instead',
    ],
    'a name with ..': [[...sound.slice(1), { path: './x/../../y' }], 'lead out of it: "./x/../../y"'],
    'an absolute name': [[...sound.slice(1), { path: '/etc/passwd' }], 'lead out of it'],
    'a hard link that leads out': [
      sound.with(2, { path: './l', type: 'Link', linkpath: '/etc/passwd' }),
      'out of it',
    ],
    'a pipe': [sound.with(2, { path: './p', type: 'FIFO' }), 'devices or pipes'],
  };
  for (const [what, [entries, problem]] of Object.entries(cases)) {
    test(`${what} is told`, async () => {
      expect(await withData(gzipSync(rawTar(entries)))).toMatchObject({
        sound: false,
        problems: [{ path: 'volumes/data.tar.gz', problem: expect.stringContaining(problem) }],
      });
    });
  }

  test('that breaks off is told, by its compression or its end', async () => {
    const whole = rawTar(sound);
    for (const bytes of [gzipSync(whole).subarray(0, -9), gzipSync(whole.subarray(0, -1024)), whole]) {
      expect((await withData(bytes)).sound).toBe(false);
      store = await Store.open(join(await temporaryDirectory(), 'backups'), { create: true });
    }
  });

  test('of what was recorded live need not hold as much as was counted', async () => {
    const bytes = gzipSync(rawTar(sound.slice(0, -1)));
    expect((await withData(bytes, { consistency: 'live' })).sound).toBe(true);
  });
});
