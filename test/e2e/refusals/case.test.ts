import { beforeAll, beforeEach, expect, test } from 'vitest';
import { answer, cli, docker, ok } from '../../support/e2e.js';
import { CTRL_C, CTRL_D } from '../../support/cli.js';
import { atTerminal } from '../../support/processes.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** A person who does not say yes, and nobody who could say it: in neither case is anything touched. */

let shop: Shop;

beforeAll(async () => {
  shop = await aShop('e2e-refuse');
});

beforeEach(async () => {
  await ok(shop, 'abort'); // of a run that a failed test left
  if ((await answer(shop.port)) === 'v2') return;
  await docker('tag', shop.images.v2, shop.tag);
  await shop.compose('up', '-d');
  await shop.serves('v2');
});

const ANSWERS: Record<string, { keys: string; code: number; says: string }> = {
  no: { keys: 'no\r', code: 4, says: 'declined; nothing was touched' },
  'something else, then no': { keys: 'perhaps\rn\r', code: 4, says: 'Please answer yes or no.' },
  'the end of input': { keys: CTRL_D, code: 4, says: 'declined; nothing was touched' },
  'Ctrl-C': { keys: CTRL_C, code: 130, says: 'interrupted; nothing was touched' },
};

async function asked(
  argv: string[],
  question: string,
  keys: string,
): Promise<{ code: number | undefined; shown: string }> {
  const terminal = atTerminal(shop, ...argv);
  await terminal.sees(question);
  terminal.type(keys);
  return { code: await terminal.ended(), shown: terminal.shown };
}

for (const [name, { keys, code, says }] of Object.entries(ANSWERS)) {
  test(`${name}, to a rollback: exit ${code}, untouched`, async () => {
    const argv = ['rollback', shop.point];
    const told = await leavesAllAsItWas(shop, () => asked(argv, 'Proceed with rollback? [yes/no]: ', keys));
    expect(told).toEqual({ code, shown: expect.stringContaining(says) });
  });
}

test('no, to a deletion or a clean-up: exit 4, nothing is gone', async () => {
  for (const argv of [
    ['delete', shop.point],
    ['cleanup', '--keep-last', '0'],
  ]) {
    const told = await leavesAllAsItWas(shop, () =>
      asked(argv, 'Delete 1 rollback point? [yes/no]: ', 'no\r'),
    );
    expect(told).toEqual({ code: 4, shown: expect.stringContaining('declined; nothing was deleted') });
  }
});

test('without a terminal every question is refused before anything is looked at', async () => {
  const questions = [
    ['rollback', shop.point],
    ['quick-rollback'],
    ['rollback-service', 'api'],
    ['undo'],
    ['delete', shop.point],
    ['cleanup', '--keep-last', '0'],
  ];
  await leavesAllAsItWas(shop, async () => {
    for (const argv of questions) {
      const { exitCode, stderr, stdout } = await cli(shop, ...argv);
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/there is no terminal to ask on; nothing was touched\n.*--yes/);
    }
  });
});

test('rollback and delete without a point to go to', async () => {
  const { exitCode, stderr } = await leavesAllAsItWas(shop, () => cli(shop, 'rollback', '--yes'));
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('no point was named')]);
  expect((await leavesAllAsItWas(shop, () => cli(shop, 'delete', '--yes'))).exitCode).toBe(2);
});

test('yes at the terminal is yes', async () => {
  const terminal = atTerminal(shop, 'rollback', shop.point);
  await terminal.sees('Proceed with rollback? [yes/no]:');
  terminal.type('yes\r');
  expect([await terminal.ended(), terminal.shown]).toEqual([0, expect.stringContaining('Rolled back to')]);
  await shop.serves('v1');
});
