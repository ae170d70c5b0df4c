import { rm, writeFile } from 'node:fs/promises';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { answer, cli, create, json, ok, type Stack } from '../../support/e2e.js';
import { begin } from '../../support/processes.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** A dry run tells what would be done and leaves everything as it is: containers, images, tags, files, points, index, to the byte. */

let shop: Shop;
/** Holds a rollback up for as long as the file `hold` is there. */
const HOOK = `services:
  api:
    before_rollback:
      - run: [sh, -c, 'while [ -e hold ]; do sleep 0.1; done']
`;

beforeAll(async () => {
  shop = await aShop('e2e-dry', { files: { '.env': 'COLOUR=blue\n', 'rollback.yaml': HOOK } });
});

// Of what is changed here no container knows yet.
beforeEach(async () => {
  for (const file of ['compose.override.yaml', 'hold']) await rm(shop.path(file), { force: true });
  await shop.deployV2();
  await shop.write({
    '.env': 'COLOUR=red\n',
    'compose.override.yaml': 'services: { idle: { labels: [a=b] } }\n',
  });
});

const dry = (...argv: string[]) => leavesAllAsItWas(shop, () => cli(shop, ...argv, '--dry-run'));

test('rollback: the numbered plan, each line with its cause', async () => {
  const { exitCode, stdout } = await dry('rollback', shop.point);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`Rollback plan: with v1 (${shop.point}`);
  expect(stdout).toMatch(/ 1\. Record the present as a safety point/);
  expect(stdout).toMatch(/\d\. Stop api: it runs image \w{12}, the point has \w{12}/);
  expect(stdout).toMatch(/- Remove compose\.override\.yaml: it was not there at the point/);
  expect(stdout).toMatch(/- Restore \.env: its content changed/);
  expect(stdout).toContain('Untouched: idle');
});

test('quick-rollback, rollback-service and cleanup', async () => {
  for (const argv of [['quick-rollback'], ['rollback-service', 'api'], ['cleanup', '--keep-last', '0']]) {
    const { exitCode, stdout } = await dry(...argv);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringContaining(argv[0] === 'cleanup' ? shop.point : 'api'),
    ]);
  }
});

test('the exit code tells whether there are changes, when asked to', async () => {
  const now = await create(shop, 'now');
  onTestFinished(async () => void (await ok(shop, 'delete', now, '--yes')));
  for (const [point, code] of [
    [shop.point, 5],
    [now, 0],
  ] as const) {
    const { exitCode } = await dry('rollback', point, '--detailed-exitcode');
    expect(exitCode).toBe(code);
  }
});

test('the plan as JSON is what the published schema says', async () => {
  const { exitCode, stdout } = await dry('rollback', shop.point, '--json');
  expect(exitCode).toBe(0);
  const plan: unknown = JSON.parse(stdout);
  const published = z.fromJSONSchema(await schemaOf(shop, 'plan'));
  expect(published.safeParse(plan)).toMatchObject({ success: true });
  expect(published.safeParse({ ...Object(plan), operations: [{ kind: 'guess' }] }).success).toBe(false);
});

async function schemaOf(stack: Stack, name: string): Promise<z.core.JSONSchema.JSONSchema> {
  return z.looseObject({}).parse(await json(stack, 'schema', name));
}

test('while a rollback runs a dry run is answered, and disturbs nothing; then undo, dry', async () => {
  await writeFile(shop.path('hold'), '');
  const rollback = begin(shop, 'rollback', shop.point, '--yes');
  await rollback.says('Running hook before rollback of api');
  expect((await dry('rollback', shop.point)).stdout).toContain('Stop api');
  await ok(shop, 'list');
  await rm(shop.path('hold'));
  expect((await rollback.ended).exitCode).toBe(0);
  expect(await answer(shop.port)).toBe('v1');

  const { exitCode, stdout } = await dry('undo');
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Stop api')]);
  expect(await answer(shop.port)).toBe('v1');
});
