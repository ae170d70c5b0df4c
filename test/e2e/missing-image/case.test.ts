import { readFile, writeFile } from 'node:fs/promises';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { cli, docker, snapshot } from '../../support/e2e.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** The recorded image is gone for good: no tag, no archive, no registry. Nothing may be touched on the way to finding out. */

let shop: Shop;

beforeAll(async () => {
  shop = await aShop('e2e-gone');
  const { tags } = await snapshot(shop);
  const kept = Object.keys(tags).filter((tag) => tags[tag] === shop.images.v1);
  expect(kept).toHaveLength(1);
  await docker('image', 'rm', '--force', ...kept);
});

test('a rollback is blocked, and names the service and the image', async () => {
  const { exitCode, stderr } = await leavesOnlyATrace(shop, () => cli(shop, 'rollback', 'latest', '--yes'));
  expect(exitCode).toBe(3);
  expect(stderr).toContain('nothing was touched');
  const id = shop.images.v1.replace('sha256:', '').slice(0, 12);
  expect(stderr).toContain(`api: image ${shop.tag} (${id}) is not on this engine any more`);
});

test('quick-rollback, rollback-service and the dry runs of all say so too', async () => {
  for (const argv of [
    ['quick-rollback', '--auto-confirm'],
    ['rollback-service', 'api', '--yes'],
  ]) {
    const { exitCode, stderr } = await leavesOnlyATrace(shop, () => cli(shop, ...argv));
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining(shop.tag)]);
  }
  for (const argv of [['rollback', 'latest'], ['quick-rollback'], ['rollback-service', 'api']]) {
    const { exitCode, stdout } = await leavesAllAsItWas(shop, () => cli(shop, ...argv, '--dry-run'));
    expect([exitCode, stdout]).toEqual([3, expect.stringContaining(shop.tag)]);
  }
});

test('with --config-only no image is needed', async () => {
  const { exitCode, stdout } = await cli(shop, 'rollback', 'latest', '--dry-run', '--config-only');
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Nothing to do')]);
});

test('all that stands in the way is named at once', async () => {
  const file = shop.path(`rollback/backups/${shop.point}/configs/compose.yaml`);
  const text = await readFile(file, 'utf8');
  onTestFinished(() => writeFile(file, text));
  await writeFile(file, `${text}# damaged\n`);
  const { exitCode, stderr } = await leavesOnlyATrace(shop, () => cli(shop, 'rollback', 'latest', '--yes'));
  expect(exitCode).toBe(3);
  expect(stderr).toContain(`api: image ${shop.tag}`);
  expect(stderr).toMatch(/configs\/compose\.yaml: \d+ bytes instead of \d+/);
});
