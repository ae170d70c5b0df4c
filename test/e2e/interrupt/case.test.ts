import { readdir, readFile, rm } from 'node:fs/promises';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CTRL_C } from '../../support/cli.js';
import { answer, containersOf, docker, imageId, json, ok } from '../../support/e2e.js';
import { atTerminal, begin } from '../../support/processes.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesOnlyATrace } from '../../support/untouched.js';

/** Ctrl-C: the first one takes back what was done and ends with 130; the second one ends at once. */

let shop: Shop;

beforeAll(async () => {
  shop = await aShop('e2e-interrupt');
  await docker('tag', shop.images.v2, `${shop.name}-api:v2`);
});

beforeEach(async () => {
  await rm(shop.path('rollback.yaml'), { force: true });
  await ok(shop, 'abort'); // of a run that a failed test left
  if ((await answer(shop.port)) === 'v2') return;
  await docker('tag', shop.images.v2, shop.tag);
  await shop.compose('up', '-d');
  await shop.serves('v2');
});

/** Settings of the API: today's govern, the point has none. */
const configure = (lines: string) => shop.write({ 'rollback.yaml': `services:\n  api:\n${lines}\n` });

/** v2 runs by the tag, and so does everything else. */
async function isBack(): Promise<void> {
  expect(await answer(shop.port)).toBe('v2');
  expect(await imageId(shop.tag)).toBe(shop.images.v2);
  const states = Object.values(await containersOf(shop)).map(({ state }) => state);
  expect(states).toEqual(['running', 'running']);
}

interface Entry {
  type: string;
  phase?: string;
  step?: number;
  result?: string;
  plan?: { operations: { kind: string }[] };
}

/** What the newest run's journal says. */
async function journal(): Promise<Entry[]> {
  const { runs } = Object(await json(shop, 'runs'));
  const text = await readFile(shop.path(`rollback/backups/runs/${runs[0].id}.jsonl`), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} while a hook runs: nothing was stopped yet, and nothing is`, async () => {
    await configure('    before_rollback: [{ run: [sleep, "60"] }]');
    const before = await containersOf(shop);
    const run = begin(shop, 'rollback', shop.point, '--yes');
    await run.says('Running hook before rollback of api');
    run.signal(signal);
    expect(await run.ended).toMatchObject({
      exitCode: 130,
      stderr: expect.stringContaining('interrupted; the earlier state is back'),
    });
    expect(await containersOf(shop)).toEqual(before);
    await isBack();
  });
}

describe('while the new state is verified', () => {
  beforeEach(() =>
    configure('    probes: [{ exec: [sh, -c, "test $VERSION = v2"], retries: 500, interval: 100ms }]'),
  );

  test('the earlier state comes back', async () => {
    const run = begin(shop, 'rollback', shop.point, '--yes');
    await run.says('Verifying api');
    run.signal('SIGINT');
    const { exitCode, stderr } = await run.ended;
    expect([exitCode, stderr]).toEqual([
      130,
      expect.stringContaining('interrupted; the earlier state is back'),
    ]);
    expect((await journal()).at(-1)).toMatchObject({ type: 'end', result: 'returned' });
    await isBack();
  });

  test('a second one ends the program at once; the run stays unfinished, and abort takes it back', async () => {
    const run = begin(shop, 'rollback', shop.point, '--yes');
    await run.says('Verifying api');
    run.signal('SIGINT');
    await run.says('Ctrl-C again stops at once');
    const since = performance.now();
    run.signal('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
    expect(performance.now() - since).toBeLessThan(1000);
    const { runs } = Object(await json(shop, 'runs'));
    expect(runs[0]).toMatchObject({ result: null, ended: null });

    await rm(shop.path('rollback.yaml'));
    await ok(shop, 'abort');
    await isBack();
  });
});

test('Ctrl-C at a terminal leaves compose alone: what was begun is finished, then taken back', async () => {
  const terminal = atTerminal(shop, 'rollback', shop.point, '--yes');
  await terminal.sees('Starting api');
  terminal.type(CTRL_C);
  expect(await terminal.ended()).toBe(130);
  const records = await journal();
  const up = records[0]?.plan?.operations.findIndex(({ kind }) => kind === 'up');
  expect(records).toContainEqual(expect.objectContaining({ phase: 'forward', step: up, type: 'done' }));
  expect(records.at(-1)).toMatchObject({ type: 'end', result: 'returned' });
  await isBack();
});

test('before anything was begun it is over at once, and nothing was touched', async () => {
  await leavesOnlyATrace(shop, async () => {
    const run = begin(shop, 'rollback', shop.point, '--yes');
    await run.says('Looking at what runs');
    run.signal('SIGINT');
    expect(await run.ended).toMatchObject({
      exitCode: 130,
      stderr: expect.stringContaining('nothing was touched'),
    });
  });
  expect(await readdir(shop.path('rollback/backups'))).not.toContainEqual(expect.stringMatching(/^\.tmp-/));
});
