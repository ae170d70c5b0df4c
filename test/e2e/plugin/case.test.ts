import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answer, type CliResult } from '../../support/e2e.js';
import { dockerConfigWithPlugin } from '../../support/plugin.js';
import { starts, stateOf } from '../../support/round-trip.js';
import { aShop, type Shop } from '../../support/shop.js';

/** The program as the docker CLI's own: `docker rollback …`, linked into a plug-in folder. */

let shop: Shop;
let config: string;

beforeAll(async () => {
  shop = await aShop('e2e-plugin');
  config = await dockerConfigWithPlugin(shop.locks);
  const host = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  await docker(['context', 'create', 'here', '--docker', `host=${host}`]);
  await docker(['context', 'create', 'nowhere', '--docker', 'host=tcp://127.0.0.1:1']);
});

beforeEach(async () => {
  if ((await answer(shop.port)) === 'v2') return;
  await docker(['tag', shop.images.v2, shop.tag]);
  await shop.compose('up', '-d');
  await shop.serves('v2');
});

async function docker(argv: string[], env: Record<string, string | undefined> = {}): Promise<CliResult> {
  const { exitCode, stdout, stderr } = await execa('docker', argv, {
    cwd: shop.directory,
    env: { DOCKER_CONFIG: config, COMPOSE_ROLLBACK_LOCK_DIR: shop.locks, ...env },
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

test('docker knows it', async () => {
  expect((await docker(['--help'])).stdout).toMatch(/rollback\*\s+Rollback points for compose projects/);
  const { exitCode, stdout } = await docker(['rollback', '--help']);
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('docker rollback create')]);
});

test('docker rollback list, and a command that is called rollback too', async () => {
  const { exitCode, stdout } = await docker(['rollback', 'list']);
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining(shop.point)]);
  const before = await stateOf(shop);
  const dry = await docker(['rollback', 'rollback', 'latest', '--dry-run']);
  expect([dry.exitCode, dry.stdout]).toEqual([0, expect.stringContaining(`as ${shop.tag}`)]);
  expect(await stateOf(shop)).toEqual(before);
});

test('rolling back brings the old version back, and is undone likewise', async () => {
  const changed = await stateOf(shop);
  const rollback = () => docker(['rollback', 'rollback', shop.point, '--yes']);
  expect((await starts(shop, ['api'], rollback)).exitCode).toBe(0);
  expect(await answer(shop.port)).toBe('v1');

  const undo = () => docker(['rollback', 'undo', '--yes']);
  expect((await starts(shop, ['api'], undo)).exitCode).toBe(0);
  expect(await answer(shop.port)).toBe('v2');
  expect(await stateOf(shop)).toEqual(changed);
});

describe('flags of docker itself', () => {
  const without = { DOCKER_HOST: undefined };

  test('--context is honoured', async () => {
    const here = await docker(['--context', 'here', 'rollback', 'rollback', 'latest', '--dry-run'], without);
    expect([here.exitCode, here.stdout]).toEqual([0, expect.stringContaining(`as ${shop.tag}`)]);
    const nowhere = await docker(['--context', 'nowhere', 'rollback', 'status'], without);
    expect(nowhere.exitCode).toBe(1);
    expect(nowhere.stderr).toContain('127.0.0.1:1');
  });

  test('--host is honoured', async () => {
    const { exitCode, stderr } = await docker(['-H', 'tcp://127.0.0.1:1', 'rollback', 'status'], without);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('127.0.0.1:1');
  });
});
