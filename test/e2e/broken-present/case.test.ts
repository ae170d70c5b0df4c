import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answer, cli, cliWith, containersOf, docker, imageId, ok, snapshot } from '../../support/e2e.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesOnlyATrace } from '../../support/untouched.js';

/** A present that is broken is when people come: it is rolled back all the same, and undo brings the very same breakage back. */

let shop: Shop;
let v2Files: Record<string, string>;
const texts: Record<string, string> = {};

beforeAll(async () => {
  shop = await aShop('e2e-broken', { files: { '.env': 'COLOUR=blue\n' } });
  await docker('tag', shop.images.v2, `${shop.name}-api:v2`); // it is to outlive every point
  v2Files = (await snapshot(shop)).files;
  for (const file of ['compose.yaml', '.env']) texts[file] = await readFile(shop.path(file), 'utf8');
});

/** Whatever the test before left: v2 runs, and nothing is broken. */
beforeEach(async () => {
  await shop.write(texts);
  await docker('tag', shop.images.v2, shop.tag);
  await shop.compose('up', '-d');
  await shop.serves('v2');
});

/** v1 serves, by the files of the point. */
async function isBack(): Promise<void> {
  expect(await answer(shop.port)).toBe('v1');
  expect(await imageId(shop.tag)).toBe(shop.images.v1);
  expect((await snapshot(shop)).files).toEqual(v2Files);
  const states = Object.values(await containersOf(shop)).map(({ service, state }) => `${service} ${state}`);
  expect(states.toSorted()).toEqual(['api running', 'idle running']);
}

interface Breakage {
  make: () => Promise<unknown>;
  /** What runs then. */
  running: number;
  /** Files that define nothing cannot make v2's container again. */
  filesDefine?: false;
}

const breakages: Record<string, Breakage> = {
  'the compose file no longer parses': {
    make: () => shop.write({ 'compose.yaml': 'services:\n  api: [\n' }),
    running: 2,
    filesDefine: false,
  },
  'the compose file asks for what compose does not know': {
    make: () => shop.write({ 'compose.yaml': `name: ${shop.name}\nservices: { api: { colour: red } }\n` }),
    running: 2,
    filesDefine: false,
  },
  'every file of the project is gone': {
    make: async () => {
      await rm(shop.path('compose.yaml'));
      await rm(shop.path('.env'));
    },
    running: 2,
    filesDefine: false,
  },
  'the stack is down': { make: () => shop.compose('down'), running: 0 },
  'the stack is down with its volumes, the compose file gone': {
    make: async () => {
      await shop.compose('down', '--volumes');
      await rm(shop.path('compose.yaml'));
    },
    running: 0,
  },
  'the stack is down, and the compose file is empty': {
    make: async () => {
      await shop.compose('down');
      await shop.write({ 'compose.yaml': '' });
    },
    running: 0,
  },
};

for (const [what, { make, running, filesDefine = true }] of Object.entries(breakages)) {
  test(`${what}: rolled back, and undone to that very state`, async () => {
    await make();
    const broken = await snapshot(shop);
    await ok(shop, 'rollback', shop.point, '--yes');
    await isBack();

    if (!filesDefine) {
      const { exitCode, stderr } = await leavesOnlyATrace(shop, () => cli(shop, 'undo', '--yes'));
      expect([exitCode, stderr]).toEqual([3, expect.stringMatching(/api cannot be made.*add --config-only/)]);
    }
    await ok(shop, 'undo', '--yes', ...(filesDefine ? [] : ['--config-only']));
    const undone = await snapshot(shop);
    expect(undone.files).toEqual(broken.files);
    expect(Object.keys(undone.containers)).toEqual(Object.keys(broken.containers));
    expect(Object.keys(undone.containers)).toHaveLength(running);
  });
}

test('what compose left, killed while it made a container anew, is no obstacle, and gone afterwards', async () => {
  const [id = '', name = ''] = (await shop.compose('ps', '--format', '{{.ID}} {{.Name}}', 'api')).split(' ');
  const format = '{{range $key, $value := .Config.Labels}}{{printf "%s=%s\\n" $key $value}}{{end}}';
  const labels = (await docker('inspect', '--format', format, id)).split('\n');
  const words = labels.filter(Boolean).flatMap((label) => ['--label', label]);
  await docker('create', '--name', `${id.slice(0, 12)}_${name}`, ...words, shop.images.v2);
  await ok(shop, 'rollback', shop.point, '--yes');
  await isBack();
  await ok(shop, 'undo', '--yes');
  expect(await answer(shop.port)).toBe('v2');
});

test('one service cannot be made by files that are broken, and is left running', async () => {
  await shop.write({ 'compose.yaml': 'services: [' });
  const argv = ['rollback-service', 'api', '--yes'];
  const { exitCode, stderr } = await leavesOnlyATrace(shop, () => cli(shop, ...argv));
  expect([exitCode, stderr]).toEqual([
    3,
    expect.stringMatching(/files do not resolve, so api cannot be made/),
  ]);
  await ok(shop, 'rollback', shop.point, '--yes');
});

describe('found from elsewhere by its name', () => {
  let elsewhere: string;
  beforeAll(async () => {
    elsewhere = await mkdtemp(join(tmpdir(), `${shop.name}-elsewhere-`));
    return () => rm(elsewhere, { recursive: true });
  });

  test('while containers tell where it lives', async () => {
    await shop.write({ 'compose.yaml': 'services: [' });
    const argv = ['-p', shop.name, 'rollback', shop.point, '--yes'];
    const { exitCode, stderr } = await cliWith(shop, { cwd: elsewhere }, ...argv);
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    await isBack();
  });

  test('once nothing runs, by --project-directory', async () => {
    await shop.compose('down');
    await rm(shop.path('compose.yaml'));
    const argv = ['--project-directory', shop.directory, 'rollback', shop.point, '--yes'];
    const { exitCode, stderr } = await cliWith(shop, { cwd: elsewhere }, ...argv);
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    await isBack();
  });

  test('with nothing to go by, one clear line', async () => {
    const { exitCode, stderr } = await cliWith(shop, { cwd: elsewhere }, 'rollback', 'latest', '--yes');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('no compose file in');
  });
});
