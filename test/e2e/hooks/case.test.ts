import { readFile, rm } from 'node:fs/promises';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { answer, cli, containersOf, ok, until } from '../../support/e2e.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** Hooks and probes that users declare: in rollback.yaml, in the compose file, or on the service. Seen by what they do. */

let shop: Shop;
/** The compose file that each test begins with. */
let compose: string;

beforeAll(async () => {
  shop = await aShop('e2e-hooks', {
    api: "    volumes: ['./trace:/trace']\n    labels: { rollback.health_timeout: 3s }",
  });
  compose = await readFile(shop.path('compose.yaml'), 'utf8');
});

beforeEach(async () => {
  for (const file of ['rollback.yaml', 'compose.override.yaml', 'trace/log']) {
    await rm(shop.path(file), { force: true });
  }
  await shop.write({ 'compose.yaml': compose });
  await shop.deployV2();
});

const configure = (api: object) => shop.write({ 'rollback.yaml': JSON.stringify({ services: { api } }) });
const rollback = () => cli(shop, 'rollback', shop.point, '--yes');
const trace = async () => (await readFile(shop.path('trace/log'), 'utf8')).trim().split('\n');

const inside = (word: string) => ({ exec: ['sh', '-c', `echo ${word} inside $VERSION >> /trace/log`] });
const here = (word: string) => ({ run: ['sh', '-c', `echo ${word} here >> trace/log`] });

/** Whether the process runs; a zombie that nobody asks for does not. */
async function lives(pid: string): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State: X');
  return !/^State:\s*[XZ]/m.test(status);
}

describe('hooks', () => {
  test('run in the container and here, in their order: before, with the old version; after, with the new one', async () => {
    await configure({
      before_rollback: [here('first'), inside('second')],
      after_rollback: [inside('third'), here('fourth')],
    });
    expect((await rollback()).exitCode).toBe(0);
    expect(await answer(shop.port)).toBe('v1');
    expect(await trace()).toEqual(['first here', 'second inside v2', 'third inside v1', 'fourth here']);
  });

  test('one that fails before: nothing is stopped, nothing after it is run', async () => {
    const before = await containersOf(shop);
    await configure({
      before_rollback: [
        here('first'),
        { run: ['sh', '-c', 'echo it is not the time >&2; exit 7'] },
        here('never'),
      ],
    });
    const { exitCode, stderr } = await rollback();
    expect([exitCode, stderr]).toEqual([20, expect.stringMatching(/exited with code 7: it is not the time/)]);
    expect(await containersOf(shop)).toEqual(before);
    expect(await trace()).toEqual(['first here']);
  });

  test('one that fails after: the earlier state comes back', async () => {
    await configure({
      after_rollback: [{ exec: ['sh', '-c', 'echo after $VERSION >> /trace/log; exit 1'] }],
    });
    const { exitCode, stderr } = await rollback();
    expect([exitCode, stderr]).toEqual([20, expect.stringContaining('the earlier state is back')]);
    expect(await trace()).toEqual(['after v1', 'after v2']); // on the way back its failure is no more than a warning
    expect(await answer(shop.port)).toBe('v2');
  });

  test('one that may fail is a warning', async () => {
    const may = { on_failure: 'continue' };
    await configure({
      before_rollback: [
        { run: ['false'], ...may },
        { exec: ['no-such-program'], ...may },
      ],
      after_rollback: [here('last')],
    });
    const { exitCode, stderr } = await rollback();
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/! api: hook "false" exited with code 1/);
    expect(stderr).toMatch(/! api: hook "no-such-program": there is no such program in the container/);
    expect(await trace()).toEqual(['last here']);
    expect(await answer(shop.port)).toBe('v1');
  });

  test('one that takes too long is ended with all it started', async () => {
    await configure({
      before_rollback: [{ run: ['sh', '-c', 'sleep 60 & echo $! > trace/pid; wait'], timeout: '500ms' }],
    });
    const { exitCode, stderr } = await rollback();
    expect([exitCode, stderr]).toEqual([20, expect.stringContaining('took longer than 0.5 s')]);
    const pid = (await readFile(shop.path('trace/pid'), 'utf8')).trim();
    await until(async () => !(await lives(pid)), 'what the hook had started is ended');
  });
});

describe('probes decide', () => {
  const probes: Record<string, { good: object; bad: object; says: RegExp }> = {
    http: {
      good: { http: '/', expect: { text: 'v1' } },
      bad: { http: '/', expect: { text: 'v2' } },
      says: /without "v2"/,
    },
    tcp: { good: { tcp: 8000 }, bad: { tcp: 8001 }, says: /nothing listens on port 8001/ },
    exec: {
      good: { exec: ['sh', '-c', 'echo ready $VERSION'], expect: { text: 'ready v1' } },
      bad: { exec: ['sh', '-c', 'test $VERSION = v2 || exit 3'] },
      says: /exited with code 3/,
    },
  };

  test('all of them pass', async () => {
    await configure({ probes: Object.values(probes).map(({ good }) => good) });
    const { exitCode, stdout } = await rollback();
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('All services healthy')]);
    expect(await answer(shop.port)).toBe('v1');
  });

  for (const [kind, { bad, says }] of Object.entries(probes)) {
    test(`${kind} fails: the earlier state comes back`, async () => {
      await configure({ probes: [{ ...bad, retries: 20, interval: '100ms' }] });
      const { exitCode, stderr } = await rollback();
      expect([exitCode, stderr]).toEqual([20, expect.stringMatching(says)]);
      expect(await answer(shop.port)).toBe('v2');
    });
  }
});

describe('settings in the compose file', () => {
  test("x-rollback comes after rollback.yaml, and a service's own labels after both", async () => {
    await configure({
      before_rollback: [here('by rollback.yaml')],
      after_rollback: [here('by rollback.yaml')],
    });
    const extension = { services: { api: { before_rollback: [here('by x-rollback')] } } };
    await shop.write({ 'compose.yaml': `${compose}\nx-rollback: ${JSON.stringify(extension)}\n` });
    expect((await rollback()).exitCode).toBe(0);
    expect(await trace()).toEqual(['by x-rollback here', 'by rollback.yaml here']);
  });

  test('labels: today’s govern', async () => {
    const label = `labels:\n      rollback.after_rollback: '${JSON.stringify([{ run: ['sh', '-c', 'echo by label >> trace/log'] }])}'`;
    onTestFinished(async () => {
      await shop.write({ 'compose.yaml': compose });
      await shop.compose('up', '-d');
    });
    await shop.write({ 'compose.yaml': compose.replace('labels: { rollback.health_timeout: 3s }', label) });
    await shop.compose('up', '-d');
    expect((await rollback()).exitCode).toBe(0);
    expect(await trace()).toEqual(['by label']);
    expect(await readFile(shop.path('compose.yaml'), 'utf8')).toBe(compose);
  });
});

describe('settings that make no sense', () => {
  const mistakes: Record<string, { config: string; says: RegExp }> = {
    'an unknown key': {
      config: 'max_points: 3',
      says: /rollback\.yaml: unknown key "max_points"; allowed are .*max_rollback_points/,
    },
    'an unknown key of a service': {
      config: 'services: { api: { healthpath: / } }',
      says: /services\.api: unknown key "healthpath"/,
    },
    'a wrong value': { config: 'max_rollback_points: many', says: /max_rollback_points: .*number/ },
    'a hook that is no list of words': {
      config: 'services: { api: { before_rollback: [{ run: rm -rf / }] } }',
      says: /before_rollback\.0\.run/,
    },
    'a duration that is none': {
      config: 'services: { api: { health_timeout: soon } }',
      says: /health_timeout: a duration such as/,
    },
    'an unknown handler': { config: 'services: { api: { handler: mysql } }', says: /no handler "mysql"/ },
    'no YAML': { config: 'services: [', says: /rollback\.yaml is not valid YAML/ },
  };
  test('create refuses each with its place; a rollback reports it and goes on without it', async () => {
    for (const [what, { config, says }] of Object.entries(mistakes)) {
      await shop.write({ 'rollback.yaml': config });
      const refused = await cli(shop, 'create');
      expect([refused.exitCode, refused.stderr], what).toEqual([2, expect.stringMatching(says)]);
      const planned = await cli(shop, 'rollback', shop.point, '--dry-run');
      expect([planned.exitCode, planned.stderr], what).toEqual([0, expect.stringMatching(says)]);
    }
    expect(await answer(shop.port)).toBe('v2');
  });

  test('a label is reported and left out', async () => {
    await shop.write({
      'rollback.yaml': '',
      'compose.override.yaml': 'services: { api: { labels: { rollback.port: many } } }\n',
    });
    const { exitCode, stderr } = await leavesAllAsItWas(shop, () =>
      cli(shop, 'rollback', shop.point, '--dry-run'),
    );
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringContaining('label "rollback.port" of service api: services.api.port: Invalid input'),
    ]);
    await rm(shop.path('compose.override.yaml'));
    await ok(shop, 'status');
  });
});
