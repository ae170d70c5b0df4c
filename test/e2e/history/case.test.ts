import { readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { cli, create, json, ok } from '../../support/e2e.js';
import { aShop, type Shop } from '../../support/shop.js';

/** Who did what, when, and how it ended: of every operation, the failed ones too. */

const historySchema = z.object({
  history: z.array(
    z.strictObject({
      at: z.iso.datetime(),
      user: z.literal(userInfo().username),
      project: z.string(),
      action: z.string(),
      subjects: z.array(z.string()),
      result: z.enum(['done', 'failed']),
      message: z.string(),
    }),
  ),
});

let shop: Shop;
let compose: string;

beforeAll(async () => {
  shop = await aShop('e2e-history');
  compose = await readFile(shop.path('compose.yaml'), 'utf8');
});

beforeEach(async () => {
  await shop.write({ 'compose.yaml': compose, 'rollback.yaml': '' });
  await shop.deployV2();
});

/** What was added to the trail meanwhile, oldest first. */
async function added(act: () => Promise<unknown>): Promise<z.infer<typeof historySchema>['history']> {
  const before = await trail();
  const since = new Date().toISOString();
  await act();
  const until = new Date().toISOString();
  const after = await trail();
  expect(after.slice(after.length - before.length)).toEqual(before);
  const records = after.slice(0, after.length - before.length).toReversed();
  for (const { at, project } of records) {
    expect(project).toBe(shop.name);
    expect(at >= since && at <= until).toBe(true);
  }
  return records;
}

/** Ids of all points, safety points included. */
async function points(): Promise<string[]> {
  const listed = z.object({ points: z.array(z.object({ id: z.string() })) });
  return listed.parse(await json(shop, 'list', '--safety')).points.map(({ id }) => id);
}

/** A `create` that records nothing. */
async function failToCreate(): Promise<void> {
  await shop.write({ 'compose.yaml': 'services: [' });
  await cli(shop, '-p', shop.name, 'create');
  await shop.write({ 'compose.yaml': compose });
}

async function trail() {
  return historySchema.parse(await json(shop, 'history')).history;
}

test('what was done, with its points and runs', async () => {
  let second = '';
  expect(await added(async () => (second = await create(shop, 'with v2')))).toMatchObject([
    { action: 'create', subjects: [second], result: 'done', message: '' },
  ]);
  const run = expect.stringMatching(/^run-[0-9a-f]{12}$/);
  expect(await added(() => ok(shop, 'rollback', shop.point, '--yes'))).toMatchObject([
    { action: 'rollback', subjects: [shop.point, run], result: 'done' },
  ]);
  const safety = expect.stringMatching(/^rb-[0-9a-f]{12}$/);
  expect(await added(() => ok(shop, 'undo', '--yes'))).toMatchObject([
    { action: 'undo', subjects: [safety, run], result: 'done' },
  ]);
  expect(await added(() => ok(shop, 'pin', second))).toMatchObject([
    { action: 'pin', subjects: [second], result: 'done' },
  ]);
  expect(await added(() => ok(shop, 'unpin', second))).toMatchObject([
    { action: 'unpin', subjects: [second] },
  ]);
  expect(await added(() => ok(shop, 'delete', second, '--yes'))).toMatchObject([
    { action: 'delete', subjects: [second], result: 'done' },
  ]);
  const before = await points();
  const [cleanup, ...others] = await added(() => ok(shop, 'cleanup', '--keep-last', '1', '--yes'));
  const after = await points();
  const gone = before.filter((id) => !after.includes(id));
  expect(gone).not.toEqual([]);
  expect([cleanup, others]).toMatchObject([{ action: 'cleanup', result: 'done' }, []]);
  expect(new Set(cleanup?.subjects)).toEqual(new Set(gone));
});

test('what failed, and why', async () => {
  await shop.write({
    'rollback.yaml': 'services: { api: { probes: [{ exec: [test, -e, /never], retries: 0 }] } }\n',
  });
  const [returned] = await added(() => cli(shop, 'rollback', shop.point, '--yes'));
  expect(returned).toMatchObject({
    action: 'rollback',
    result: 'failed',
    message: expect.stringMatching(/api is not healthy.*; the earlier state is back/),
  });
  await shop.write({ 'rollback.yaml': '' });

  const file = shop.path(`rollback/backups/${shop.point}/configs/compose.yaml`);
  const text = await readFile(file, 'utf8');
  onTestFinished(() => writeFile(file, text));
  await writeFile(file, `${text}# damaged\n`);
  const [blocked] = await added(() => cli(shop, 'rollback', shop.point, '--yes'));
  expect(blocked).toMatchObject({
    action: 'rollback',
    result: 'failed',
    message: expect.stringContaining('nothing was touched'),
  });

  const [unrecorded] = await added(failToCreate);
  expect(unrecorded).toMatchObject({
    action: 'create',
    result: 'failed',
    message: expect.stringContaining('nothing was recorded'),
  });
});

test('what only looks, or was never begun, leaves nothing', async () => {
  expect(
    await added(async () => {
      for (const argv of [
        ['list'],
        ['status'],
        ['verify'],
        ['rollback', 'latest', '--dry-run'],
        ['rollback', 'no-such-point', '--yes'],
      ]) {
        await cli(shop, ...argv);
      }
    }),
  ).toEqual([]);
});

test('--limit, and the lines a person reads', async () => {
  await failToCreate();
  const all = await trail();
  expect(all.length).toBeGreaterThan(2);
  expect(historySchema.parse(await json(shop, 'history', '--limit', '2')).history).toEqual(all.slice(0, 2));
  const { stdout } = await ok(shop, 'history', '--limit', '1');
  expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC {2}\S+ {2}create {2}failed {2}/);
});
