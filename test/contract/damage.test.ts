import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type * as Library from '../../src/index.js';
import { Store } from '../../src/store/store.js';
import { builtCli } from '../support/cli.js';
import { chooseFlips, describeFlip, filesBelow, flipBit, FLIPS, reportedName } from '../support/flips.js';
import { skipWithout } from '../support/needs.js';
import { makePoint, sha256 } from '../support/store.js';
import { imageTar, LAYER_IDS, rawTar } from '../support/tars.js';

/**
 * One bit of a point's files is another than it was written: `verify` finds it, whichever it is. `FLIPS=N` tries so many. That a rollback is
 * refused then: test/faults/damage.test.ts.
 */

skipWithout('gzip');

const cli = builtCli();
const library: typeof Library = await import(fileURLToPath(new URL('../../dist/index.js', import.meta.url)));

let shop = '';
let point = '';
let manager: Library.RollbackManager;

beforeAll(async () => {
  shop = await mkdtemp(join(tmpdir(), 'damage-'));
  await writeFile(join(shop, 'compose.yaml'), 'name: shop\nservices: { redis: { image: redis } }\n');
  await writeFile(join(shop, '.env'), 'COLOUR=blue\n');
  const store = await Store.open(join(shop, 'rollback/backups'), { create: true });
  point = await storePoint(store);
  store.close();
  manager = new library.RollbackManager({ projectRoot: shop });
});
afterAll(async () => {
  await rm(shop, { recursive: true, force: true });
});

const directory = () => join(shop, 'rollback/backups', point);

/** A point with every kind of file that there is; its id. */
async function storePoint(store: Store): Promise<string> {
  const base = makePoint(1);
  const redis = base.images['redis'] ?? expect.fail('no image');
  const writer = await store.begin(base.id);
  const addFile = async (path: string) => {
    const stored = `configs/${path}`;
    const file = { path, type: 'file' as const, mode: 0o644, stored };
    return { ...file, ...(await writer.addFile(stored, join(shop, path))) };
  };
  const addArchive = async (stored: string, bytes: Buffer) => {
    const written = await writer.addStream(stored, Readable.from([gzipSync(bytes)]));
    return { stored, compression: 'gzip' as const, ...written };
  };
  const content = Buffer.from('precious');
  const volume = rawTar([
    { path: './', type: 'Directory' },
    { path: './file', content },
  ]);
  const model = { format: 1, model: null, model_error: null, variables: [] };
  await writer.commit({
    ...base,
    entries: [await addFile('.env'), await addFile('compose.yaml')],
    model: { stored: 'model.json', ...(await writer.addJson('model.json', model)) },
    images: { redis: { ...redis, diff_ids: LAYER_IDS } },
    image_archives: [
      { image: sha256('redis'), ...(await addArchive('images/0123456789ab.tar.gz', imageTar())) },
    ],
    volume_data: [
      {
        name: 'data',
        kind: 'volume',
        services: ['redis'],
        driver: 'host',
        consistency: 'pause',
        entries: 1,
        bytes: content.length,
        listing: null,
        skipped: [],
        ...(await addArchive('volumes/data.tar.gz', volume)),
      },
    ],
    dumps: [{ service: 'redis', ...(await addArchive('dumps/redis.sql.gz', Buffer.from('SELECT 1;\n'))) }],
  });
  await store.tidy();
  return base.id;
}

test('the point is sound, and holds every kind of file', async () => {
  expect(await manager.verify(point)).toMatchObject([{ sound: true }]);
  const kinds = new Set((await filesBelow(directory())).map((file) => file.split('/')[0] ?? ''));
  expect([...kinds]).toEqual([
    'configs',
    'dumps',
    'images',
    'model.json',
    'point.json',
    'point.json.sha256',
    'volumes',
  ]);
});

test(
  `${FLIPS} flipped bits: each is found`,
  async () => {
    for (const flip of await chooseFlips(directory())) {
      await flipBit(directory(), flip);
      const [verified] = await manager.verify(point);
      expect(verified?.sound, describeFlip(flip)).toBe(false);
      const paths = verified?.problems.map(({ path }) => path);
      expect(paths, describeFlip(flip)).toContain(reportedName(flip.file));
      await flipBit(directory(), flip);
    }
    expect(await manager.verify(point)).toMatchObject([{ sound: true }]);
  },
  FLIPS * 10_000,
);

test('the command says so with its exit code', async () => {
  const [flip = expect.fail('no flip')] = await chooseFlips(directory());
  await flipBit(directory(), flip);
  const { code, stdout } = await cli.run(['verify', point, '--json'], { cwd: shop });
  await flipBit(directory(), flip);
  expect([code, stdout]).toEqual([1, expect.stringContaining(reportedName(flip.file))]);
});
