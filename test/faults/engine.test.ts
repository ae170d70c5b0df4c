import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli, containersOf, MAIN } from '../support/e2e.js';
import { engineProxy, FAULTS, type EngineProxy, type Fault } from '../support/engine-proxy.js';
import { HOURS, numbers, sample, twoStates, type TwoStates } from '../support/faults.js';

/**
 * One request of a rollback meets a fault on its way to the engine. Whichever it is: the rollback is done, or the earlier state is back, or what it
 * says has to be done brings it back, or nothing was touched. `FAULTS=all` tries every request; else a sample, chosen by `FAULT_SEED`.
 */

const ALL = process.env['FAULTS'] === 'all';
const SAMPLE = Number(process.env['FAULTS'] ?? 1);
const SEED = Number(process.env['FAULT_SEED'] ?? 1);
/** Milliseconds a run may take. */
const LIMIT = 60_000;

let states: TwoStates;
let proxy: EngineProxy;

beforeAll(async () => {
  proxy = await engineProxy();
  states = await twoStates('fault');
});

afterAll(() => proxy.close());

async function throughProxy(...argv: string[]) {
  return await execa(process.execPath, [MAIN, ...argv], {
    cwd: states.stack.directory,
    env: { COMPOSE_ROLLBACK_LOCK_DIR: states.stack.locks, DOCKER_HOST: proxy.host },
    stdin: 'ignore',
    reject: false,
    timeout: LIMIT,
    killSignal: 'SIGKILL',
  });
}

type Ended = Awaited<ReturnType<typeof throughProxy>>;

/** What each way to end promises. */
async function keepsItsWord(moment: string, ended: Ended, before: unknown): Promise<void> {
  const { exitCode, stderr } = ended;
  const told = `${moment}: exit ${exitCode}\n${stderr}`;
  expect(ended.timedOut, told).toBe(false);
  expect(stderr, told).not.toMatch(/this is a bug|^ +at /m);
  expect([0, 1, 3, 20, 21], told).toContain(exitCode);
  if (exitCode === 1 || exitCode === 3) expect(await containersOf(states.stack), told).toEqual(before);
  if (exitCode === 21) await follow(told, stderr);
  if (exitCode === 0 && stderr.includes('it stays beside it, and undo archives it first')) {
    expect(await states.state(), told).toBe('v1');
    const undone = await cli(states.stack, 'undo', '--yes');
    expect(undone.exitCode, `${told}\nundo: ${undone.stderr}`).toBe(0);
    await states.isWhole(told, ['v2']);
    return;
  }
  await states.isWhole(told, [exitCode === 0 ? 'v1' : 'v2']);
}

/** Does what the program says, with the engine well again. */
async function follow(told: string, stderr: string): Promise<void> {
  const [, advice = ''] = /compose-rollback ((?:undo|resume|abort)(?: run-\w+)?)/.exec(stderr) ?? [];
  expect(advice, told).not.toBe('');
  const done = await cli(states.stack, ...advice.split(' '), ...(advice.startsWith('undo') ? ['--yes'] : []));
  expect(done.exitCode, `${told}\n${advice}: ${done.stderr}`).toBe(0);
}

async function meets(fault: Fault, at: number[], ...options: string[]): Promise<void> {
  await states.toV2();
  const before = await containersOf(states.stack);
  proxy.arm(fault, ...at);
  const ended = await throughProxy('rollback', states.point, '--yes', ...options);
  const struck = at.map((number) => `${number} (${proxy.requests()[number - 1] ?? 'never made'})`);
  proxy.arm();
  await keepsItsWord(`request ${struck.join(' and ')} ${fault}`, ended, before);
}

/** All of them, to the end; what went wrong is told at once, because with every request it takes an hour. */
async function eachMeets(faults: [fault: Fault, ...at: number[]][]): Promise<void> {
  const failures: string[] = [];
  for (const [fault, ...at] of faults) {
    try {
      await meets(fault, at);
    } catch (error) {
      console.log(String(error));
      failures.push(String(error));
    }
  }
  expect(failures).toEqual([]);
}

let requests: number[] = [];
/** Number of the request that stops the service. */
let stop = 0;

test('a rollback that meets none', async () => {
  await states.toV2();
  proxy.arm();
  const { exitCode, stderr } = await throughProxy('rollback', states.point, '--yes');
  expect(exitCode, stderr).toBe(0);
  requests = proxy.requests().map((_, index) => index + 1);
  stop = proxy.requests().findIndex((request) => request.includes('/stop')) + 1;
  expect(stop).toBeGreaterThan(0);
  console.log(`a rollback makes ${requests.length} requests`);
  await states.isWhole('undisturbed', ['v1']);
});

const chosen = (seed: number) => (ALL ? requests : sample(requests, SAMPLE, SEED + seed));

test.each(FAULTS)(
  'a rollback with a request that is %s',
  (fault) => eachMeets(chosen(FAULTS.indexOf(fault)).map((at) => [fault, at])),
  HOURS,
);

test(
  'a rollback with a request that is reset, and another one on the way back',
  () => {
    const later = numbers(SEED);
    return eachMeets(
      chosen(FAULTS.length).map((at) => ['reset', at, at + 1 + (later.next().value % requests.length)]),
    );
  },
  HOURS,
);

test('a rollback that fails before any data was exchanged, and is left so: undo has nothing to archive', () =>
  meets('reset', [stop], '--no-return'));
