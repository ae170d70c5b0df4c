import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answer, cli, docker, json, ok } from '../../support/e2e.js';
import { begin, type Running } from '../../support/processes.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** One change of a project at a time; the others are told at once who is at it. */

let shop: Shop;

/** Holds a rollback up for as long as the file `hold` is there. */
const HOOK = `services:
  api:
    before_rollback:
      - run: [sh, -c, 'while [ -e hold ]; do sleep 0.1; done']
`;

beforeAll(async () => {
  shop = await aShop('e2e-locked', { files: { 'rollback.yaml': HOOK } });
});

beforeEach(async () => {
  await ok(shop, 'abort'); // of a run that a failed test left
  if ((await answer(shop.port)) !== 'v2') {
    await docker('tag', shop.images.v2, shop.tag);
    await shop.compose('up', '-d');
    await shop.serves('v2');
  }
  await writeFile(shop.path('hold'), '');
});

/** A rollback that has begun and waits. */
async function heldRollback(): Promise<Running> {
  const running = begin(shop, 'rollback', shop.point, '--yes');
  await running.says('Running hook before rollback of api');
  return running;
}

test('a second change is refused at once with the name of the holder; the first one runs to its end', async () => {
  const first = await heldRollback();
  const others = [
    ['rollback', shop.point, '--yes'],
    ['create', 'meanwhile'],
    ['undo', '--yes'],
    ['delete', shop.point, '--yes'],
  ];
  for (const argv of others) {
    const { exitCode, stderr } = await leavesAllAsItWas(shop, () => cli(shop, ...argv));
    expect([exitCode, stderr]).toEqual([
      11,
      expect.stringMatching(new RegExp(`locked by process ${first.pid} \\("rollback.*"\\), since`)),
    ]);
  }
  await rm(shop.path('hold'));
  expect((await first.ended).exitCode).toBe(0);
  expect(await answer(shop.port)).toBe('v1');
});

test('what only looks is not kept waiting', async () => {
  const first = await heldRollback();
  for (const argv of [
    ['list'],
    ['show', shop.point],
    ['status'],
    ['diff', shop.point],
    ['history'],
    ['runs'],
    ['verify'],
  ]) {
    await leavesAllAsItWas(shop, () => ok(shop, ...argv));
  }
  await rm(shop.path('hold'));
  expect((await first.ended).exitCode).toBe(0);
});

describe('the holder was killed', () => {
  test('the next command gets the lock at once, and tells what to do with the unfinished run', async () => {
    const { runs: earlier } = Object(await json(shop, 'runs'));
    const first = await heldRollback();
    first.signal('SIGKILL');
    await first.ended;
    for (const argv of [['create'], ['rollback', shop.point, '--yes'], ['undo', '--yes']]) {
      expect(await cli(shop, ...argv)).toMatchObject({
        exitCode: 3,
        stderr: expect.stringMatching(
          /was killed halfway; nothing was touched\n.*resume finishes it.* abort/,
        ),
      });
    }
    const { runs } = Object(await json(shop, 'runs'));
    expect(runs).toEqual([expect.objectContaining({ result: null, ended: null }), ...earlier]);
    for (const look of ['list', 'status', 'runs', 'history']) {
      expect((await ok(shop, look)).stderr).toMatch(
        /was killed halfway: resume finishes it, abort takes it back/,
      );
    }

    await rm(shop.path('hold'));
    await ok(shop, 'resume');
    expect(await answer(shop.port)).toBe('v1');
    expect((await ok(shop, 'resume')).stdout).toContain('No run is unfinished');
    expect((await ok(shop, 'list')).stderr).toBe('');
  });

  test('services that it had stopped run again before anything is recorded or planned', async () => {
    await rm(shop.path('hold'));
    await ok(shop, 'rollback', shop.point, '--yes');
    const api = await idOfApi();
    await holdByDeadProcess(api);
    const { id } = Object(await json(shop, 'create'));
    const { containers } = Object(await json(shop, 'show', id));
    expect(containers.api).toMatchObject({ state: 'running', running: 1 });

    await holdByDeadProcess(api);
    expect((await ok(shop, 'rollback', shop.point, '--yes')).stdout).toContain('Nothing to do');
    expect(await idOfApi()).toBe(api);
    expect(await answer(shop.port)).toBe('v1');
  });
});

const idOfApi = async () => (await shop.compose('ps', '-aq', 'api')).trim();

/** As a process leaves it that stopped a container for a copy of its data, and was killed together with its watchdog. */
async function holdByDeadProcess(container: string): Promise<void> {
  const holds = shop.path('rollback/backups/holds');
  await mkdir(holds, { recursive: true, mode: 0o700 });
  await writeFile(
    join(holds, '4194305-1-00000000-00000000.json'),
    JSON.stringify({ containers: [container] }),
  );
  await docker('stop', '--time', '1', container);
}
