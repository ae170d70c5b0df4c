import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { MAIN, ok, type Stack } from '../support/e2e.js';
import { HOURS, numbers, sample, twoStates, type TwoStates } from '../support/faults.js';

/**
 * The program is killed at every step that leaves a trace, before it and after it, and a second time at random moments; then the next command is
 * run. Whatever the moment: everything is as it was before or as it should be afterwards, and nothing is left over. `KILLS=all` tries every step; else
 * a sample, chosen by `KILL_SEED`.
 */

const KILLER = fileURLToPath(new URL('../support/kill.mjs', import.meta.url));
const ALL = process.env['KILLS'] === 'all';
const SAMPLE = Number(process.env['KILLS'] ?? 1);
const SEED = Number(process.env['KILL_SEED'] ?? 1);

let states: TwoStates;
let stack: Stack;
let point = '';

beforeAll(async () => {
  states = await twoStates('kill');
  ({ stack, point } = states);
});

const toV2 = () => states.toV2();
const isWhole = (moment: string, allowed: string[]) => states.isWhole(moment, allowed);

interface Kill {
  at: number;
  when: 'before' | 'after';
}

async function run(kill: Kill | undefined, ...argv: string[]) {
  const count = stack.path(`../${stack.name}-steps`);
  const { exitCode, stderr, signal } = await execa(process.execPath, ['--import', KILLER, MAIN, ...argv], {
    cwd: stack.directory,
    env: {
      COMPOSE_ROLLBACK_LOCK_DIR: stack.locks,
      ...(kill ? { KILL_AT: String(kill.at), KILL_WHEN: kill.when } : { KILL_COUNT: count }),
    },
    stdin: 'ignore',
    reject: false,
  });
  return {
    exitCode,
    stderr,
    killed: signal === 'SIGKILL',
    steps: kill ? 0 : Number(await readFile(count, 'utf8')),
  };
}

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

function kills(steps: number): Kill[] {
  const all = Array.from({ length: steps }, (_, index) => index + 1).flatMap((at): Kill[] => [
    { at, when: 'before' },
    { at, when: 'after' },
  ]);
  return ALL ? all : sample(all, SAMPLE, SEED);
}

/** Runs `argv` once to the end to count its steps, then killed at each; `recover` is what a person does next. */
async function everyKill(
  argv: () => string[],
  reset: () => Promise<void>,
  check: (moment: string) => Promise<void>,
): Promise<void> {
  await reset();
  const whole = await run(undefined, ...argv());
  expect(whole.exitCode, whole.stderr).toBe(0);
  const moments = kills(whole.steps);
  console.log(`${argv()[0]}: ${whole.steps} steps, ${moments.length} kills`);
  for (const kill of moments) {
    const moment = `${argv().join(' ')} killed ${kill.when} step ${kill.at} of ${whole.steps}`;
    try {
      await reset();
      await run(kill, ...argv());
      await check(moment);
    } catch (error) {
      throw new Error(moment, { cause: error });
    }
  }
}

describe.each(['resume', 'abort'])('a rollback, then %s', (recovery) => {
  const recovered = async (moment: string) => {
    const { exitCode, stderr } = await run(undefined, recovery);
    expect([0, 20], `${moment}: ${stderr}`).toContain(exitCode);
    await isWhole(moment, ['v1', 'v2']);
  };

  test('killed at a step', () => everyKill(() => ['rollback', point, '--yes'], toV2, recovered), HOURS);

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
      () => ['undo', '--yes'],
      async () => {
        await toV2();
        await ok(stack, 'rollback', point, '--yes');
      },
      async (moment) => {
        const { exitCode, stderr } = await run(undefined, 'abort');
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

  test('deleted', () => everyKill(() => ['delete', spare, '--yes'], anotherPoint, nothingChanged), HOURS);

  test(
    'cleaned up',
    () => everyKill(() => ['cleanup', '--keep-last', '1', '--yes'], anotherPoint, nothingChanged),
    HOURS,
  );

  test(
    'imported',
    async () => {
      await anotherPoint();
      const archive = stack.path(`../${stack.name}.tar`);
      await ok(stack, 'export', spare, '--output', archive);
      await everyKill(
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
