import { execa } from 'execa';
import { expect } from 'vitest';
import { cli, containersOf, MAIN, type Stack } from './e2e.js';
import { sample } from './random.js';
import type { TwoStates } from './two-states.js';

/** What tests of faults and kills have in common: which moments they choose, and what every end of a run promises. */

/** A run that must not take for ever: one that would is ended, and says so by `timedOut`. */
export async function bounded(stack: Stack, env: Record<string, string>, ...argv: string[]) {
  return await execa(process.execPath, [MAIN, ...argv], {
    cwd: stack.directory,
    env: { COMPOSE_ROLLBACK_LOCK_DIR: stack.locks, ...env },
    stdin: 'ignore',
    reject: false,
    timeout: 180_000,
    killSignal: 'SIGKILL',
  });
}

type Ended = Awaited<ReturnType<typeof bounded>>;

/** What each way in which a rollback to v1 may end promises. `before`: the containers it found. */
export async function keepsItsWord(
  states: TwoStates,
  moment: string,
  ended: Ended,
  before: unknown,
): Promise<void> {
  const { exitCode, stderr } = ended;
  const told = `${moment}: exit ${exitCode}\n${stderr}`;
  expect(ended.timedOut, told).toBe(false);
  expect(stderr, told).not.toMatch(/this is a bug|^ +at /m);
  expect([0, 1, 3, 20, 21], told).toContain(exitCode);
  if (exitCode === 1 || exitCode === 3) expect(await containersOf(states.stack), told).toEqual(before);
  if (exitCode === 21) await follow(states.stack, told, stderr);
  if (exitCode === 0 && stderr.includes('it stays beside it, and undo archives it first')) {
    expect(await states.state(), told).toBe('v1');
    const undone = await cli(states.stack, 'undo', '--yes');
    expect(undone.exitCode, `${told}\nundo: ${undone.stderr}`).toBe(0);
    await states.isWhole(told, ['v2']);
    return;
  }
  await states.isWhole(told, [exitCode === 0 ? 'v1' : 'v2']);
}

/** Does what the program says, with all well again. */
async function follow(stack: Stack, told: string, stderr: string): Promise<void> {
  const [, advice = ''] = /compose-rollback ((?:undo|resume|abort)(?: run-\w+)?)/.exec(stderr) ?? [];
  expect(advice, told).not.toBe('');
  const done = await cli(stack, ...advice.split(' '), ...(advice.startsWith('undo') ? ['--yes'] : []));
  expect(done.exitCode, `${told}\n${advice}: ${done.stderr}`).toBe(0);
}

const ALL_FAULTS = process.env['FAULTS'] === 'all';
const SAMPLE = Number(process.env['FAULTS'] ?? 1);
export const FAULT_SEED = Number(process.env['FAULT_SEED'] ?? 1);

/** Which calls meet a fault: all of them with `FAULTS=all`, else a sample, another one for each `seed`. */
export function chosenFaults(calls: readonly number[], seed: number): readonly number[] {
  expect(calls, 'a run without a fault has counted the calls').not.toEqual([]);
  return ALL_FAULTS ? calls : sample(calls, SAMPLE, FAULT_SEED + seed);
}

/** All of them, to the end; what goes wrong is told at once, because all of them take hours. */
export async function eachOf<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  const failures: string[] = [];
  for (const one of all) {
    try {
      await act(one);
    } catch (error) {
      const failure = `${JSON.stringify(one)}: ${String(error)}`;
      console.log(failure);
      failures.push(failure);
    }
  }
  expect(failures).toEqual([]);
}

/** One stack after the other, with minutes for each step: these tests may take hours when all of them run. */
export const HOURS = 7_200_000;
