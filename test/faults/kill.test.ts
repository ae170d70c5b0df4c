import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { MAIN, ok, type Stack } from '../support/e2e.js';
import { HOURS } from '../support/faults.js';
import { ALL, everyKill, runKilled, SEED } from '../support/kills.js';
import { numbers } from '../support/random.js';
import { twoStates, type TwoStates } from '../support/two-states.js';

/**
 * The program is killed at every step that leaves a trace, before it and after it, and a second time at random moments; then the next command is
 * run. Whatever the moment: everything is as it was before or as it should be afterwards, and nothing is left over. `KILLS=all` tries every step; else
 * a sample, chosen by `KILL_SEED`.
 */

let states: TwoStates;
let stack: Stack;
let point = '';

beforeAll(async () => {
  states = await twoStates('kill');
  ({ stack, point } = states);
});

const toV2 = () => states.toV2();
const isWhole = (moment: string, allowed: string[]) => states.isWhole(moment, allowed);

const recover = (...argv: string[]) => runKilled(stack, undefined, ...argv);

/** Started, and killed after so many milliseconds, whatever it is doing by then. */
async function runUntil(milliseconds: number, ...argv: string[]): Promise<void> {
  await execa(process.execPath, [MAIN, ...argv], {
    cwd: stack.directory,
    env: { COMPOSE_ROLLBACK_LOCK_DIR: stack.locks },
    stdin: 'ignore',
    reject: false,
    timeout: milliseconds + 1,
    killSignal: 'SIGKILL',
  });
}

describe.each(['resume', 'abort'])('a rollback, then %s', (recovery) => {
  const recovered = async (moment: string) => {
    const { exitCode, stderr } = await recover(recovery);
    expect([0, 20], `${moment}: ${stderr}`).toContain(exitCode);
    await isWhole(moment, ['v1', 'v2']);
  };

  test(
    'killed at a step',
    () => everyKill(stack, () => ['rollback', point, '--yes'], toV2, recovered),
    HOURS,
  );

  test(
    'killed at any time',
    async () => {
      const random = numbers(SEED);
      for (let round = 0; round < (ALL ? 30 : 1); round += 1) {
        await toV2();
        const after = random.next().value % 5000;
        await runUntil(after, 'rollback', point, '--yes');
        await recovered(`rollback killed after ${after} ms`);
      }
    },
    HOURS,
  );
});

test(
  'an undo, then abort',
  () =>
    everyKill(
      stack,
      () => ['undo', '--yes'],
      async () => {
        await toV2();
        await ok(stack, 'rollback', point, '--yes');
      },
      async (moment) => {
        const { exitCode, stderr } = await recover('abort');
        expect(exitCode, `${moment}: ${stderr}`).toBe(0);
        await isWhole(moment, ['v1', 'v2']);
      },
    ),
  HOURS,
);

test(
  'a point that is made',
  () =>
    everyKill(
      stack,
      () => ['create', '--include-volumes', '--save-images', 'always'],
      toV2,
      (moment) => isWhole(moment, ['v2']),
    ),
  HOURS,
);

describe('points that come and go', () => {
  let spare = '';
  const anotherPoint = async () => {
    spare = (await ok(stack, 'create', '--quiet', '--include-volumes', '--save-images', 'always')).stdout;
  };
  const nothingChanged = (moment: string) => isWhole(moment, ['v1', 'v2']);

  test(
    'deleted',
    () => everyKill(stack, () => ['delete', spare, '--yes'], anotherPoint, nothingChanged),
    HOURS,
  );

  test(
    'cleaned up',
    () => everyKill(stack, () => ['cleanup', '--keep-last', '1', '--yes'], anotherPoint, nothingChanged),
    HOURS,
  );

  test(
    'imported',
    async () => {
      await anotherPoint();
      const archive = stack.path(`../${stack.name}.tar`);
      await ok(stack, 'export', spare, '--output', archive);
      await everyKill(
        stack,
        () => ['import', archive],
        async () => {
          const { points } = JSON.parse((await ok(stack, 'list', '--json')).stdout);
          if (points.some(({ id }: { id: string }) => id === spare))
            await ok(stack, 'delete', spare, '--yes');
        },
        nothingChanged,
      );
    },
    HOURS,
  );
});
