import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PODMAN, PODMAN_COMPOSE } from '../support/engine.js';
import { cli, containersOf, until } from '../support/e2e.js';
import { bounded, chosenFaults, eachOf, FAULT_SEED, HOURS, keepsItsWord } from '../support/faults.js';
import { numbers } from '../support/random.js';
import { beginWith } from '../support/processes.js';
import {
  faultyPrograms,
  PROGRAM_FAULTS,
  type FaultyPrograms,
  type ProgramFault,
} from '../support/program-faults.js';
import { twoStates, type TwoStates } from '../support/two-states.js';

/**
 * podman-compose works past the engine's socket: one of its calls meets a fault, or one of Podman that it makes. The promises are those of engine.test.ts,
 * and so are `FAULTS=all` and `FAULT_SEED`.
 */

let states: TwoStates;
let programs: FaultyPrograms;

beforeAll(async () => {
  programs = await faultyPrograms({ podman: PODMAN ?? '', 'podman-compose': PODMAN_COMPOSE ?? '' });
  states = await twoStates('program');
});

afterAll(() => programs.remove());

const rollback = (...options: string[]) =>
  bounded(states.stack, programs.env, 'rollback', states.point, '--yes', ...options);

type Struck = [fault: ProgramFault, ...at: number[]];

async function meets([fault, ...at]: Struck): Promise<void> {
  await states.toV2();
  const before = await containersOf(states.stack);
  await programs.arm(fault, ...at);
  const ended = await rollback();
  const made = await programs.calls();
  const struck = at.map((number) => `${number} (${made[number - 1] ?? 'never made'})`);
  await programs.arm();
  await keepsItsWord(states, `call ${struck.join(' and ')} ${fault}`, ended, before);
}

let calls: string[] = [];
const numbersOf = () => calls.map((_, index) => index + 1);

test('a rollback that meets none', async () => {
  await states.toV2();
  await programs.arm();
  const { exitCode, stderr } = await rollback();
  expect(exitCode, stderr).toBe(0);
  calls = await programs.calls();
  expect(calls).toEqual(expect.arrayContaining(['podman-compose up', 'podman create']));
  console.log(`a rollback makes ${calls.length} calls: ${calls.join(', ')}`);
  await states.isWhole('undisturbed', ['v1']);
});

test.each(PROGRAM_FAULTS)(
  'a rollback with a call that is %s',
  (fault) =>
    eachOf(
      chosenFaults(numbersOf(), PROGRAM_FAULTS.indexOf(fault)).map((at): Struck => [fault, at]),
      meets,
    ),
  HOURS,
);

test(
  'a rollback with a call that fails, and another one on the way back',
  () => {
    const later = numbers(FAULT_SEED);
    const pairs = chosenFaults(numbersOf(), PROGRAM_FAULTS.length).map((at): Struck => [
      'failed',
      at,
      at + 1 + (later.next().value % calls.length),
    ]);
    return eachOf(pairs, meets);
  },
  HOURS,
);

describe.each([
  ['resume', 'v1'],
  ['abort', 'v2'],
])('a rollback that hangs and is interrupted twice, then %s', (recovery, version) => {
  test.each(['podman-compose up', 'podman create'])('in %s', async (call) => {
    await states.toV2();
    await programs.arm('hanging', calls.indexOf(call) + 1);
    const run = beginWith(states.stack, programs.env, 'rollback', states.point, '--yes');
    await until(async () => (await programs.hanging()) !== undefined, `${call} hangs`);
    run.signal('SIGINT');
    await run.says('Ctrl-C again stops at once');
    run.signal('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
    expect(await programs.hanging()).not.toBe(undefined);
    await programs.arm();
    const { exitCode, stderr } = await cli(states.stack, recovery);
    expect(exitCode, stderr).toBe(0);
    expect(await programs.hanging()).toBe(undefined);
    await states.isWhole(`${call} hung, then ${recovery}`, [version]);
  });
});
