import { afterAll, beforeAll, expect, test } from 'vitest';
import { containersOf } from '../support/e2e.js';
import { engineProxy, FAULTS, type EngineProxy, type Fault } from '../support/engine-proxy.js';
import { bounded, chosenFaults, eachOf, FAULT_SEED, HOURS, keepsItsWord } from '../support/faults.js';
import { numbers } from '../support/random.js';
import { twoStates, type TwoStates } from '../support/two-states.js';

/**
 * One request of a rollback meets a fault on its way to the engine. Whichever it is: the rollback is done, or the earlier state is back, or what it
 * says has to be done brings it back, or nothing was touched. `FAULTS=all` tries every request; else a sample, chosen by `FAULT_SEED`.
 */

let states: TwoStates;
let proxy: EngineProxy;

let requests: number[];
/** Number of the request that stops the service. */
let stop: number;

beforeAll(async () => {
  proxy = await engineProxy();
  states = await twoStates('fault');
  // One that meets none.
  const { exitCode, stderr } = await throughProxy('rollback', states.point, '--yes');
  expect(exitCode, stderr).toBe(0);
  requests = proxy.requests().map((_, index) => index + 1);
  stop = proxy.requests().findIndex((request) => request.includes('/stop')) + 1;
  expect(stop).toBeGreaterThan(0);
  console.log(`a rollback makes ${requests.length} requests`);
  await states.isWhole('undisturbed', ['v1']);
});

afterAll(() => proxy.close());

const throughProxy = (...argv: string[]) => bounded(states.stack, { DOCKER_HOST: proxy.host }, ...argv);

async function meets(fault: Fault, at: number[], ...options: string[]): Promise<void> {
  await states.toV2();
  const before = await containersOf(states.stack);
  proxy.arm(fault, ...at);
  const ended = await throughProxy('rollback', states.point, '--yes', ...options);
  const struck = at.map((number) => `${number} (${proxy.requests()[number - 1] ?? 'never made'})`);
  proxy.arm();
  await keepsItsWord(states, `request ${struck.join(' and ')} ${fault}`, ended, before);
}

type Struck = [fault: Fault, ...at: number[]];

const eachMeets = (faults: Struck[]) => eachOf(faults, ([fault, ...at]) => meets(fault, at));

test.each(FAULTS)(
  'a rollback with a request that is %s',
  (fault) => eachMeets(chosenFaults(requests, FAULTS.indexOf(fault)).map((at) => [fault, at])),
  HOURS,
);

test(
  'a rollback with a request that is reset, and another one on the way back',
  () => {
    const later = numbers(FAULT_SEED);
    return eachMeets(
      chosenFaults(requests, FAULTS.length).map((at) => [
        'reset',
        at,
        at + 1 + (later.next().value % requests.length),
      ]),
    );
  },
  HOURS,
);

test('a rollback that fails before any data was exchanged, and is left so: undo has nothing to archive', () =>
  meets('reset', [stop], '--no-return'));
