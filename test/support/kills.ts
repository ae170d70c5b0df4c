import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect } from 'vitest';
import { MAIN, type Stack } from './e2e.js';
import { eachOf } from './faults.js';
import { sample } from './random.js';

/** The program killed at its durable steps, see kill.mjs. `KILLS=all` tries every step, `KILLS=journal` every write to a run's journal; else a sample, chosen by `KILL_SEED`. */

export const KILLER = fileURLToPath(new URL('kill.mjs', import.meta.url));
const CHOICE = process.env['KILLS'] ?? '1';
export const ALL = CHOICE === 'all';
const JOURNAL = CHOICE === 'journal';
export const SEED = Number(process.env['KILL_SEED'] ?? 1);

interface Kill {
  at: number;
  when: 'before' | 'after';
}

/** One call, killed at a step or counting them. */
export async function runKilled(stack: Stack, kill: Kill | undefined, ...argv: string[]) {
  const count = stack.path(`../${stack.name}-steps`);
  const { exitCode, stderr, signal } = await execa(process.execPath, ['--import', KILLER, MAIN, ...argv], {
    cwd: stack.directory,
    env: {
      COMPOSE_ROLLBACK_LOCK_DIR: stack.locks,
      ...(JOURNAL ? { KILL_JOURNAL: 'yes' } : {}),
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

function kills(steps: number): Kill[] {
  // What was written is there for others, synced or not: once each.
  if (JOURNAL) return Array.from({ length: steps }, (_, index) => ({ at: index + 1, when: 'after' }));
  const all = Array.from({ length: steps }, (_, index) => index + 1).flatMap((at): Kill[] => [
    { at, when: 'before' },
    { at, when: 'after' },
  ]);
  return ALL ? all : sample(all, Number(CHOICE), SEED);
}

/** Runs `argv` once to the end to count its steps, then killed at each; `recover` is what a person does next. */
export async function everyKill(
  stack: Stack,
  argv: () => string[],
  reset: () => Promise<void>,
  check: (moment: string) => Promise<void>,
): Promise<void> {
  await reset();
  const whole = await runKilled(stack, undefined, ...argv());
  expect(whole.exitCode, whole.stderr).toBe(0);
  const moments = kills(whole.steps);
  console.log(`${argv().slice(0, 2).join(' ')}: ${whole.steps} steps, ${moments.length} kills`);
  await eachOf(moments, async (kill) => {
    await reset();
    await runKilled(stack, kill, ...argv());
    await check(`${argv().join(' ')} killed ${kill.when} step ${kill.at} of ${whole.steps}`);
  });
}
