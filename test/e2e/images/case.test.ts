import { execa } from 'execa';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createGunzip, gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import type { Plan } from '../../../src/model/plan.js';
import type { Point } from '../../../src/model/point.js';
import { loadImage } from '../../../src/operations/images.js';
import { Store } from '../../../src/store/store.js';
import {
  aStack,
  cli,
  create,
  docker,
  imageId,
  json,
  ok,
  snapshot,
  until,
  type Stack,
} from '../../support/e2e.js';
import { buildsIndexes, connectTestEngine, PODMAN } from '../../support/engine.js';
import { containerOf, SLEEPER } from '../../support/round-trip.js';
import { scratch } from '../../support/volumes.js';

/** In a layer, to be found there. */
const MARK = 'the bytes of a layer';

/** Images outlive the engine: they are in the point, once however many points and services have them. */

let stack: Stack;
let engine: Engine;
let store: Store;

const composeFile = (name: string) => `
name: ${name}
services:
  api: { image: '${name}-api:latest' }
  worker: { image: '${name}-api:latest' }
  idle: { ${SLEEPER} }
`;

beforeAll(async () => {
  stack = await aStack('e2e-images', (name) => ({ 'compose.yaml': composeFile(name) }));
  engine = await connectTestEngine();
  store = await Store.open(stack.path('rollback/backups'));
  await build(`${stack.name}-api:latest`, 'v1');
  await stack.compose('up', '--detach');
});

// A test that failed may have left nothing of it.
beforeEach(async () => {
  const tag = `${stack.name}-api:latest`;
  if ((await engine.image(tag)) === undefined) await build(tag, 'v1');
  if ((await stack.ids('api')).length === 0) await stack.compose('up', '--detach');
});

/** An image that no registry has; its id. */
async function build(tag: string, text: string): Promise<string> {
  await stack.write({
    'image/Dockerfile':
      'FROM busybox:latest\nCOPY text /text\nSTOPSIGNAL SIGKILL\nCMD ["sleep", "infinity"]\n',
    'image/text': `${MARK} ${stack.name} ${text}`,
  });
  await docker('build', '--quiet', '--tag', tag, stack.path('image'));
  return await imageId(tag);
}

const stored = (point: string, file: string) => stack.path(`rollback/backups/${point}/${file}`);
const archiveOf = (id: string) => `images/${id.replace('sha256:', '').slice(0, 12)}.tar.gz`;

async function recordOf(point: string): Promise<Point> {
  return JSON.parse(await readFile(stored(point, 'point.json'), 'utf8'));
}

/** Nothing of the image is left on the engine. */
async function forget(id: string): Promise<void> {
  await stack.compose('down', '--timeout', '1');
  await docker('image', 'rm', '--force', id);
  expect(await engine.image(id)).toBeUndefined();
}

test('--save-images always: each image once, as `docker load` takes it, and counted', async () => {
  const { image: api } = await containerOf(stack, 'api');
  const point = await recordOf(await create(stack, '--save-images', 'always'));
  const { image: idle } = await containerOf(stack, 'idle');
  expect(point.image_archives.map(({ image }) => image).toSorted()).toEqual([api, idle].toSorted());
  const sizes = await Promise.all(
    point.image_archives.map(async ({ stored: file }) => (await stat(stored(point.id, file))).size),
  );
  expect(point.sizes.images).toBe(sizes.reduce((sum, size) => sum + size));
  expect(point.sizes.total).toBeGreaterThan(point.sizes.images);
  const archive = stored(point.id, archiveOf(api));
  // Podman takes none that is compressed.
  if (PODMAN !== undefined) await execa('gunzip', ['--keep', archive]);
  const file = PODMAN === undefined ? archive : archive.replace(/\.gz$/, '');
  expect(await docker('load', '--input', file)).toContain(api);
});

test('`save_images: auto` saves what no registry has; a second point shares the file, `list --sizes` tells', async () => {
  await stack.write({ 'rollback.yaml': 'save_images: auto\n' });
  onTestFinished(() => rm(stack.path('rollback.yaml')));
  const [first, second] = [await create(stack), await create(stack)];
  const file = archiveOf((await containerOf(stack, 'api')).image);
  const [one, two] = [await stat(stored(first, file)), await stat(stored(second, file))];
  expect(two.ino).toBe(one.ino);

  const {
    points,
    total,
  }: { points: { id: string; usage: { own: number; shared: number } }[]; total: number } = JSON.parse(
    (await ok(stack, 'list', '--sizes', '--json')).stdout,
  );
  const usage = points.find(({ id }) => id === second)?.usage;
  expect(usage?.shared).toBeGreaterThan(one.size);
  expect(usage?.own).toBeLessThan(100_000);
  const { stdout: du } = await execa('du', ['--apparent-size', '--block-size=1', '--summarize', store.path]);
  expect(total).toBeLessThan(Number.parseInt(du, 10));
  expect(total).toBeGreaterThan(one.size);
  expect((await ok(stack, 'list', '--sizes')).stdout).toMatch(
    /Size: \d.* [kM]?B, and \d+\.\d MB shared with other points\n/,
  );
});

test('without being asked no image is saved', async () => {
  const point = await recordOf(await create(stack));
  expect([point.image_archives, point.sizes.images]).toEqual([[], 0]);
});

test('an image that is gone comes back from the archive: a rollback loads it before anything stops', async () => {
  const { image: id } = await containerOf(stack, 'api');
  const point = await recordOf(await create(stack, '--save-images', 'auto'));
  const api = point.images['api'] ?? expect.fail('no image of api');
  await forget(id);

  const { operations }: Plan = JSON.parse(
    (await ok(stack, 'rollback', point.id, '--dry-run', '--json')).stdout,
  );
  expect(operations[0]).toMatchObject({ kind: 'load-image', image: id });
  await ok(stack, 'rollback', point.id, '--yes');
  expect(await containerOf(stack, 'api')).toMatchObject({ image: id, state: 'running' });
  expect((await engine.image(id))?.tags).toEqual(
    expect.arrayContaining([api.kept_tag, `${stack.name}-api:latest`]),
  );
  expect(await json(stack, 'verify', point.id)).toMatchObject({ points: [{ sound: true }] });
});

// Podman takes the containers of an image away with it.
const onDocker = PODMAN === undefined ? test : () => undefined;
onDocker('an image that the engine has no more is told of, and the others are saved', async () => {
  onTestFinished(async () => {
    await stack.write({ 'compose.yaml': composeFile(stack.name) });
    await stack.compose('up', '--detach', '--remove-orphans');
  });
  await stack.write({
    'compose.yaml': `${composeFile(stack.name)}  gone: { image: '${stack.name}-gone:1', command: ['true'] }\n`,
  });
  const id = await build(`${stack.name}-gone:1`, 'gone');
  await stack.compose('up', '--detach');
  await until(async () => (await containerOf(stack, 'gone')).state === 'exited', 'it has ended');
  await docker('image', 'rm', '--force', id);
  const point = await recordOf(await create(stack, '--save-images', 'always'));
  const short = id.replace('sha256:', '').slice(0, 12);
  expect(point.warnings).toContain(
    `gone runs image ${short} (${stack.name}-gone:1), which the engine no longer has: this point cannot make gone again. Make another one once it runs an image that is there`,
  );
  expect(point.images['gone']?.kept_tag).toBeNull();
  expect(point.image_archives).toHaveLength(2);
});

test('no space for the archives: refused before anything is written', async () => {
  await mkdir(stack.path('small'), { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', stack.path('small')]);
  try {
    const { exitCode, stderr } = await cli(
      stack,
      'create',
      '--save-images',
      'always',
      '--backup-dir',
      'small/points',
    );
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/no space for the image archives .*: \d+ MB needed, \d MB free/),
    ]);
    expect((await readdir(stack.path('small/points'))).filter((name) => /rb-/.test(name))).toEqual([]);
  } finally {
    await execa('umount', [stack.path('small')]);
  }
});

describe('an archive of something else', () => {
  let point: Point;
  let restore = async () => {};
  afterEach(() => restore());

  beforeAll(async () => {
    point = await recordOf(await create(stack, '--save-images', 'auto'));
  });

  /** Puts other bytes in the archive's place, with a record that fits them: as if they had been stored like that. */
  async function forge(change: (tar: Buffer) => Promise<Buffer> | Buffer): Promise<Point> {
    const [archive] = point.image_archives;
    const path = stored(point.id, archive?.stored ?? '');
    const before = await readFile(path);
    restore = async () => writeFile(path, before);
    const bytes = gzipSync(await change(await buffer(createReadStream(path).pipe(createGunzip()))), {
      level: 1,
    });
    await writeFile(path, bytes);
    return point;
  }

  /** With one letter of a layer changed: a layer that is compressed, as containerd's store has them, is so again. */
  async function withOtherLayer(tar: Buffer): Promise<Buffer> {
    const folder = await scratch();
    await execa('tar', ['--extract'], { cwd: folder, input: tar });
    const names = await readdir(folder, { recursive: true, withFileTypes: true });
    let changed = 0;
    for (const { parentPath, name } of names.filter((entry) => entry.isFile())) {
      const bytes = await readFile(join(parentPath, name));
      const zipped = bytes.readUInt16BE(0) === 0x1f8b;
      const layer = zipped ? gunzipSync(bytes) : bytes;
      const at = layer.indexOf(MARK);
      if (at === -1) continue;
      layer.write('T', at);
      await writeFile(join(parentPath, name), zipped ? gzipSync(layer) : layer);
      changed += 1;
    }
    expect(changed).toBe(1);
    const archived = ['--create', ...(await readdir(folder))];
    return Buffer.from((await execa('tar', archived, { cwd: folder, encoding: 'buffer' })).stdout);
  }

  const isUntouched = async (act: () => Promise<unknown>, problem: string) => {
    const before = await snapshot(stack);
    await expect(act()).rejects.toMatchObject({ code: 'damaged', message: expect.stringContaining(problem) });
    expect(await snapshot(stack)).toEqual(before);
  };

  const load = (of: Point) => loadImage(engine, store, of, of.images['api']?.id ?? expect.fail('no image'));

  test('another image is refused before the engine sees it', async () => {
    const other = await forge(async () => buffer(await engine.saveImage('busybox:latest')));
    await isUntouched(() => load(other), 'another image');
  });

  test('tags are refused: loading them would move those that are there', async () => {
    const tagged = await forge(async () => buffer(await engine.saveImage(`${stack.name}-api:latest`)));
    await isUntouched(() => load(tagged), 'tags');
  });

  test('a changed layer is refused', async () => {
    const changed = await forge(withOtherLayer);
    expect(await cli(stack, 'verify', point.id)).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/its contents have changed|bytes instead of/),
    });
    await isUntouched(() => load(changed), 'its layers are not those');
  });

  test('what breaks off is refused', async () => {
    const cut = await forge((tar) => tar.subarray(0, tar.length - 2048));
    await isUntouched(() => load(cut), 'is damaged');
  });
});

test.runIf(await buildsIndexes())(
  'layers that were built with zstd are saved, checked and loaded',
  async () => {
    const tag = `${stack.name}-api:latest`;
    const before = await imageId(tag);
    await docker('tag', tag, `${stack.name}-api:before`);
    onTestFinished(async () => {
      await docker('tag', `${stack.name}-api:before`, tag);
      await stack.compose('up', '--detach');
    });
    await stack.write({ 'image/text': `${MARK} ${stack.name} zstd` });
    const output = `type=image,name=${tag},compression=zstd,force-compression=true,unpack=true`;
    await docker('buildx', 'build', '--output', output, stack.path('image'));
    await stack.compose('up', '--detach');
    const { image: id } = await containerOf(stack, 'api');
    expect(id).not.toBe(before);
    const point = await recordOf(await create(stack, '--save-images', 'auto'));
    const saved = await readFile(stored(point.id, archiveOf(id)));
    expect(gunzipSync(saved).includes(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))).toBe(true);
    expect(await json(stack, 'verify', point.id)).toMatchObject({ points: [{ sound: true }] });
    await forget(id);
    await ok(stack, 'rollback', point.id, '--yes');
    expect(await containerOf(stack, 'api')).toMatchObject({ image: id, state: 'running' });
  },
);
