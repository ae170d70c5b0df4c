import { afterAll, beforeAll, expect, test } from 'vitest';
import { containersOf } from '../support/e2e.js';
import { engineProxy, type EngineProxy } from '../support/engine-proxy.js';
import { bounded, HOURS, keepsItsWord } from '../support/faults.js';
import { everyKill, runKilled } from '../support/kills.js';
import { twoStates, type TwoStates } from '../support/two-states.js';

/** One kill and one fault, for a quick run: kill.test.ts and engine.test.ts try many. */

let states: TwoStates;
let proxy: EngineProxy;

beforeAll(async () => {
  proxy = await engineProxy();
  states = await twoStates('smoke');
});

afterAll(() => proxy.close());

test(
  'a rollback that is killed at one step and resumed ends in one of both states, whole',
  () =>
    everyKill(
      states.stack,
      () => ['rollback', states.point, '--yes'],
      () => states.toV2(),
      async (moment) => {
        const { exitCode, stderr } = await runKilled(states.stack, undefined, 'resume');
        expect([0, 20], `${moment}: ${stderr}`).toContain(exitCode);
        await states.isWhole(moment, ['v1', 'v2']);
      },
    ),
  HOURS,
);

test(
  'a rollback whose request to start the service is reset keeps its word',
  async () => {
    const rollback = () =>
      bounded(states.stack, { DOCKER_HOST: proxy.host }, 'rollback', states.point, '--yes');
    await states.toV2();
    proxy.arm();
    await rollback();
    const starting = proxy.requests().findIndex((request) => request.includes('/start')) + 1;
    expect(starting).toBeGreaterThan(0);

    await states.toV2();
    const before = await containersOf(states.stack);
    proxy.arm('reset', starting);
    const ended = await rollback();
    proxy.arm();
    await keepsItsWord(states, 'the start is reset', ended, before);
  },
  HOURS,
);
