import { mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { answer, cli, create, type Stack } from '../../support/e2e.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** Stored bytes are not what was recorded. That is found before anything stops, and costs only the points that hold those bytes. */

const CONFIG = 'configs/app.conf';

let shop: Shop;
/** Two that share an app.conf of their own; that of `shop.point` is another. */
let sound: string;
let twin: string;

beforeAll(async () => {
  shop = await aShop('e2e-corrupt', {
    files: { 'app.conf': 'colour = blue\n', 'rollback.yaml': 'config_files: [app.conf]\n' },
  });
  await shop.write({ 'app.conf': 'colour = green\n' });
  sound = await create(shop, 'with v2');
  twin = await create(shop, 'with v2, again');
  await shop.write({ 'app.conf': 'colour = red\n' });
});

const stored = (file: string, point = shop.point) => shop.path(`rollback/backups/${point}/${file}`);

/** Each test damages one file of a point that is whole again for the next one. */
async function damages(file: string): Promise<void> {
  const bytes = await readFile(stored(file));
  onTestFinished(async () => {
    await rm(stored(file), { force: true, recursive: true });
    await writeFile(stored(file), bytes, { mode: 0o600 });
  });
}

async function verify(
  stack: Stack,
  ...argv: string[]
): Promise<{ exitCode: number | undefined; damaged: Record<string, string[]> }> {
  const { exitCode, stdout } = await leavesAllAsItWas(stack, () => cli(stack, 'verify', ...argv, '--json'));
  const { points }: { points: { id: string; problems: { path: string }[] }[] } = JSON.parse(stdout);
  const damaged = points.filter(({ problems }) => problems.length > 0);
  return {
    exitCode,
    damaged: Object.fromEntries(damaged.map(({ id, problems }) => [id, problems.map(({ path }) => path)])),
  };
}

describe('a stored file', () => {
  const ways: Record<string, (path: string) => Promise<void>> = {
    flipped: async (path) => writeFile(path, 'colour = bluf\n'),
    truncated: async (path) => truncate(path, 3),
    missing: async (path) => rm(path),
    'a link to the very same bytes': async (path) => {
      onTestFinished(() => rm(shop.path('elsewhere')));
      await rename(path, shop.path('elsewhere'));
      await symlink(shop.path('elsewhere'), path);
    },
    'a directory': async (path) => {
      await rm(path);
      await mkdir(path);
    },
  };

  for (const [way, damage] of Object.entries(ways)) {
    test(`${way}: refused with its name, nothing touched`, async () => {
      await damages(CONFIG);
      await damage(stored(CONFIG));
      const { exitCode, stderr } = await leavesOnlyATrace(shop, () =>
        cli(shop, 'rollback', shop.point, '--yes'),
      );
      expect([exitCode, stderr]).toEqual([3, expect.stringContaining(CONFIG)]);
      expect(await verify(shop, '--all')).toEqual({ exitCode: 1, damaged: { [shop.point]: [CONFIG] } });
    });
  }
});

test('bytes that points share are missed by each of them', async () => {
  const file = stored(CONFIG, sound);
  const text = await readFile(file);
  onTestFinished(() => writeFile(file, text));
  await writeFile(file, 'in place: the two points hold one file by two links\n');
  expect(await verify(shop)).toEqual({ exitCode: 1, damaged: { [sound]: [CONFIG], [twin]: [CONFIG] } });
});

describe('a file that the point itself is described by', () => {
  for (const file of ['model.json', 'point.json', 'point.json.sha256']) {
    test(`${file} changed: refused, nothing touched`, async () => {
      await damages(file);
      await writeFile(stored(file), (await readFile(stored(file), 'utf8')).replace(/[0-9a-f]/, '_'));
      for (const argv of [
        ['rollback', shop.point, '--yes'],
        ['rollback', shop.point, '--dry-run'],
      ]) {
        const { exitCode, stderr } = await leavesOnlyATrace(shop, () => cli(shop, ...argv));
        expect([exitCode, stderr]).toEqual([3, expect.stringContaining('nothing was touched')]);
        expect(stderr).toContain(file.replace('.sha256', ''));
      }
      const { exitCode, damaged } = await verify(shop, '--all');
      expect([exitCode, Object.keys(damaged)]).toEqual([1, [shop.point]]);
    });

    test(`${file} gone: refused, nothing touched`, async () => {
      await damages(file);
      await rm(stored(file));
      const { exitCode, stderr } = await leavesOnlyATrace(shop, () =>
        cli(shop, 'rollback', shop.point, '--yes'),
      );
      expect([exitCode, stderr]).toEqual([3, expect.stringContaining(file)]);
      expect((await verify(shop)).exitCode).toBe(1);
    });
  }
});

test('the other points can still be used while one is damaged', async () => {
  await damages('point.json');
  onTestFinished(async () => void (await shop.write({ 'app.conf': 'colour = red\n' })));
  await writeFile(stored('point.json'), 'not a record');
  const { exitCode } = await cli(shop, 'rollback', sound, '--yes');
  expect(exitCode).toBe(0);
  expect(await readFile(shop.path('app.conf'), 'utf8')).toBe('colour = green\n');
  expect(await answer(shop.port)).toBe('v2');
});

test('a damaged point can be deleted', async () => {
  const point = await create(shop, 'to be damaged');
  onTestFinished(() => rm(stored('', point), { force: true, recursive: true }));
  await writeFile(stored('point.json', point), 'not a record');
  expect((await cli(shop, 'delete', point, '--yes')).exitCode).toBe(0);
  expect((await verify(shop)).exitCode).toBe(0);
});
