import { beforeAll, expect, test } from 'vitest';
import { cli } from '../../support/e2e.js';
import { CTRL_C, CTRL_D } from '../../support/cli.js';
import { atTerminal } from '../../support/processes.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** A person who does not say yes, and nobody who could say it: in neither case is anything touched. */

let shop: Shop;

beforeAll(async () => {
  shop = await aShop('e2e-refuse');
});

const QUESTIONS: Record<string, { argv: () => string[]; question: string }> = {
  rollback: { argv: () => ['rollback', shop.point], question: 'Proceed with rollback? [yes/no]:' },
  'quick-rollback': { argv: () => ['quick-rollback'], question: 'Proceed with rollback? [yes/no]:' },
  'rollback-service': {
    argv: () => ['rollback-service', 'api'],
    question: 'Proceed with rollback? [yes/no]:',
  },
  delete: { argv: () => ['delete', shop.point], question: 'Delete 1 rollback point? [yes/no]:' },
  cleanup: { argv: () => ['cleanup', '--keep-last', '0'], question: 'Delete 1 rollback point? [yes/no]:' },
};

const ANSWERS: Record<string, { keys: string; code: number; says: string }> = {
  no: { keys: 'no\r', code: 4, says: 'declined; nothing was' },
  'something else, then no': { keys: 'perhaps\rn\r', code: 4, says: 'Please answer yes or no.' },
  'the end of input': { keys: CTRL_D, code: 4, says: 'declined; nothing was' },
  'Ctrl-C': { keys: CTRL_C, code: 130, says: 'interrupted; nothing was touched' },
};

for (const [command, { argv, question }] of Object.entries(QUESTIONS)) {
  // Every answer to one command, one answer to the others: the question is the same code.
  for (const [answer, { keys, code, says }] of Object.entries(ANSWERS).slice(
    0,
    command === 'rollback' ? 4 : 1,
  )) {
    test(`${command}, answered with ${answer}: exit ${code}, untouched`, async () => {
      await leavesAllAsItWas(shop, async () => {
        const terminal = atTerminal(shop, ...argv());
        await terminal.sees(question);
        terminal.type(keys);
        expect([await terminal.ended(), terminal.shown]).toEqual([code, expect.stringContaining(says)]);
      });
    });
  }

  test(`${command} without a terminal: refused at once, untouched`, async () => {
    const { exitCode, stderr, stdout } = await leavesAllAsItWas(shop, () => cli(shop, ...argv()));
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/there is no terminal to ask on; nothing was touched\n.*--yes/);
  });
}

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
