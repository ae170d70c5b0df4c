import { mkdir, symlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answer, docker, imageId, ok, type CliResult } from '../../support/e2e.js';
import { containerOf, starts, stateOf } from '../../support/round-trip.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** The scripts under the names that the reference gave them, called from the project's directory as it shows. */

const SCRIPTS = fileURLToPath(new URL('../../../rollback/scripts', import.meta.url));

let shop: Shop;

beforeAll(async () => {
  // v2 answers, and is not healthy.
  shop = await aShop('e2e-scripts', {
    api: `    volumes: ['./data:/data']`,
    files: { 'data/broken-v2': '', 'rollback.yaml': 'services: { api: { health_timeout: 3s } }\n' },
  });
  await mkdir(shop.path('rollback'), { recursive: true });
  await symlink(SCRIPTS, shop.path('rollback/scripts'));
});

beforeEach(async () => {
  await ok(shop, 'abort'); // of a run that a failed test left
  if ((await answer(shop.port)) !== 'v2') await release('v2');
});

async function bash(script: string): Promise<CliResult> {
  const { exitCode, stdout, stderr } = await execa('bash', ['-c', script], {
    cwd: shop.directory,
    env: { COMPOSE_ROLLBACK_LOCK_DIR: shop.locks },
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

const runs = (name: string, args = '') => bash(`./rollback/scripts/${name}.sh ${args}`);

interface Listing {
  points: { id: string; description: string }[];
}

async function points(): Promise<Listing['points']> {
  const listing: Listing = JSON.parse((await ok(shop, 'list', '--json')).stdout);
  return listing.points;
}

async function release(version: 'v1' | 'v2'): Promise<void> {
  await docker('tag', shop.images[version], shop.tag);
  await shop.compose('up', '--detach');
  await shop.serves(version);
}

describe('create, list, delete', () => {
  const description = '--yes this is   "the" $(one)';

  test('a description may look like an option; the list shows it, and confirmed it is deleted', async () => {
    const before = (await points()).map(({ id }) => id);
    const { exitCode, stdout } = await runs('create_rollback_point', `'${description}'`);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Created rollback point')]);
    const [newest] = await points();
    expect(newest?.description).toBe(description);

    const list = await runs('list_rollback_points');
    expect(list.exitCode).toBe(0);
    const found = `Found ${before.length + 1} rollback point(s)`;
    for (const text of [found, description, shop.point]) expect(list.stdout).toContain(text);

    const unasked = await leavesAllAsItWas(shop, () => runs('delete_rollback_point', newest?.id));
    expect([unasked.exitCode, unasked.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect((await runs('delete_rollback_point', `${newest?.id} --yes`)).exitCode).toBe(0);
    expect((await points()).map(({ id }) => id)).toEqual(before);
  });

  test('without arguments they tell how they are called', async () => {
    const { exitCode, stderr } = await runs('create_rollback_point');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('Usage: create_rollback_point.sh')]);
  });
});

describe('rollback', () => {
  test('dry: the plan, and nothing else', async () => {
    for (const [name, args] of [
      ['rollback', `${shop.point} --dry-run`],
      ['quick_rollback', '--dry-run'],
    ] as const) {
      const { exitCode, stdout } = await leavesAllAsItWas(shop, () => runs(name, args));
      expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Stop api')]);
    }
  });

  test('without a terminal and without --yes: refused', async () => {
    for (const [name, args] of [['rollback', shop.point], ['quick_rollback']] as const) {
      const { exitCode, stderr } = await leavesAllAsItWas(shop, () => runs(name, args));
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--yes')]);
    }
  });

  test('to a point, by rollback.sh', async () => {
    const { exitCode } = await starts(shop, ['api'], () => runs('rollback', `${shop.point} --yes`));
    expect([exitCode, await answer(shop.port, '/health')]).toEqual([0, 'v1']);
    expect((await containerOf(shop, 'api')).image).toBe(shop.images.v1);
  });

  test('of one service, by rollback_service.sh', async () => {
    const { exitCode } = await starts(shop, ['api'], () => runs('rollback_service', 'api --yes'));
    expect([exitCode, await answer(shop.port, '/health')]).toEqual([0, 'v1']);
    await docker('tag', shop.images.v2, `${shop.name}-api:two`);
    const unwell = await starts(shop, ['api'], () => runs('rollback_service', 'api two --yes'));
    expect([unwell.exitCode, await answer(shop.port)]).toEqual([20, 'v1']);
  });
});

test("the reference's deploy script takes a bad release back by itself", async () => {
  await release('v1');
  const before = await stateOf(shop);
  const { exitCode, stdout } = await starts(shop, ['api'], () =>
    bash(`
echo "Creating rollback point..."
./rollback/scripts/create_rollback_point.sh "Before automated deployment"

echo "Deploying..."
docker tag ${shop.images.v2} ${shop.tag} # what a pull would do
docker compose up -d

echo "Verifying deployment..."
until curl -s http://localhost:${shop.port}/; do sleep 0.2; done

if ! curl -f http://localhost:${shop.port}/health; then
    echo "Deployment failed, rolling back..."
    ./rollback/scripts/quick_rollback.sh --auto-confirm
    exit 1
fi

echo "Deployment successful"
`),
  );
  expect([exitCode, stdout]).toEqual([1, expect.stringContaining('Deployment failed')]);
  expect(await stateOf(shop)).toEqual(before);
  expect([await answer(shop.port, '/health'), await imageId(shop.tag)]).toEqual(['v1', shop.images.v1]);
});
