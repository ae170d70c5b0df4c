import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { PODMAN } from '../../support/engine.js';
import {
  aStack,
  cli,
  containersOf,
  create,
  docker,
  freePort,
  type CliResult,
  type Stack,
} from '../../support/e2e.js';
import { containerOf, leavesAllButTheLog, LOG, recovered } from '../../support/recovery.js';

/** Each scenario mends what was really broken, and nothing else; or says why it cannot, and touches nothing. Of rights and owners: migrate-recover-rights. */

const IDLE = '[sleep, infinity]';

let stack: Stack;
let port: number;

const compose = (name: string, work = IDLE) => `
name: ${name}
services:
  api:
    image: ${name}-api
    build: ./api
    command: ${IDLE}
    stop_signal: SIGKILL
    depends_on: [store]
    healthcheck: { test: [CMD, 'true'], interval: 1s }
  store:
    image: busybox:latest
    command: ${IDLE}
    stop_signal: SIGKILL
    restart: unless-stopped
  web:
    image: busybox:latest
    command: httpd -f -p 80
    init: true
    ports: ['127.0.0.1:${port}:80']
  worker:
    image: busybox:latest
    command: ${work}
    stop_signal: SIGKILL
    restart: unless-stopped
`;

let dockerfile: string;

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-recover', (name) => {
    dockerfile = `FROM busybox:latest\nLABEL of=${name}\nRUN mkdir /built\n`;
    return { 'compose.yaml': compose(name), 'api/Dockerfile': dockerfile };
  });
  await stack.compose('up', '--detach', '--build');
  await create(stack); // With it comes the backup directory.
});

afterAll(async () => {
  await stack.compose('down');
});

// What is logged is the test's own.
beforeEach(() => rm(stack.path(LOG), { force: true }));

// What a test leaves broken is no business of the next one, or of its own second try.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await stack.write({ 'compose.yaml': compose(stack.name), 'api/Dockerfile': dockerfile });
  await stack.compose('up', '--detach', '--build', '--force-recreate');
});

const log = () => readFile(stack.path(LOG), 'utf8');
const recover = (scenario: string, ...argv: string[]): Promise<CliResult> =>
  cli(stack, 'migrate', 'recover', scenario, ...argv);

const told = (scenario: string, ...argv: string[]) => recovered(stack, scenario, ...argv);
const serviceOf = (name: string) => containerOf(stack, name);
const leavesAlone = <T>(act: () => Promise<T>) => leavesAllButTheLog(stack, act);

test.each(['failed-build', 'failed-startup', 'network-issues', 'volume-issues'])(
  '%s: nothing to mend in a stack that is well',
  async (scenario) => {
    const { exitCode, result, steps } = await leavesAlone(() => told(scenario, '--yes'));
    expect([exitCode, result, steps]).toEqual([0, 'nothing-to-do', []]);
  },
);

test('nothing is done unasked', async () => {
  const { exitCode, stderr } = await leavesAlone(() => recover('failed-startup'));
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('no terminal to ask on')]);
});

describe('failed-startup', () => {
  test('what is down starts in the order of the dependencies; what runs stays', async () => {
    await stack.compose('stop', 'api', 'store');
    const plan = await leavesAlone(() => told('failed-startup', '--dry-run'));
    expect([plan.exitCode, plan.result, plan.obstacles]).toEqual([0, 'planned', []]);
    expect(plan.findings.map(({ service, cause }) => `${service}: ${cause}`).toSorted()).toEqual([
      'api: it does not run',
      'store: it does not run',
    ]);
    const web = await serviceOf('web');
    const { exitCode, stdout } = await recover('failed-startup', '--yes');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('What was found is mended')]);
    const [api, store] = [await serviceOf('api'), await serviceOf('store')];
    expect([api.state, store.state]).toEqual(['running', 'running']);
    expect(Date.parse(api.startedAt)).toBeGreaterThan(Date.parse(store.startedAt));
    expect(await serviceOf('web')).toEqual(web);
    expect(await log()).toContain('failed-startup: start store');
  });

  test('a program on a published port is named, and nothing is touched; once it is gone all is well', async () => {
    await stack.compose('stop', 'web');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const close = () => new Promise((resolve) => server.close(resolve));
    onTestFinished(() => void server.close());
    const blocked = await leavesAlone(() => told('failed-startup', '--yes'));
    expect([blocked.exitCode, blocked.result]).toEqual([1, 'blocked']);
    expect(blocked.obstacles.map(({ evidence }) => evidence)).toEqual([
      expect.stringContaining(`(process ${process.pid}) holds 127.0.0.1:${port}/tcp`),
    ]);
    await close();
    const { exitCode, result, left } = await told('failed-startup', '--yes');
    expect([exitCode, result, left]).toEqual([0, 'healthy', []]);
    expect((await serviceOf('web')).state).toBe('running');
  });

  test('a service that ends again is told, with its last words', async () => {
    await stack.write({ 'compose.yaml': compose(stack.name, `sh -c 'echo out of luck; exit 3'`) });
    await stack.compose('stop', 'worker');
    await stack.compose('rm', '--force', 'worker');
    const { exitCode, result, problem } = await told('failed-startup', '--yes');
    expect([exitCode, result, problem]).toEqual([1, 'not-healthy', expect.stringContaining('out of luck')]);
    await stack.write({ 'compose.yaml': compose(stack.name) });
    expect((await told('failed-startup', '--yes')).result).toBe('healthy');
  });
});

describe('network-issues', () => {
  // Not every engine lets containers ping.
  const reachesWeb = async () => {
    const { container } = await serviceOf('store');
    return await docker('exec', container, 'nc', '-w', '2', 'web', '80').then(
      () => true,
      () => false,
    );
  };

  test('a service that was cut off is in the network again', async () => {
    const { container } = await serviceOf('web');
    await docker('network', 'disconnect', `${stack.name}_default`, container);
    expect(await reachesWeb()).toBe(false);
    const store = await serviceOf('store');
    const { exitCode, findings, result } = await told('network-issues', '--yes');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    expect(findings.map(({ cause }) => cause)).toEqual(['it is cut off from a network']);
    expect(await reachesWeb()).toBe(true);
    if (!PODMAN) expect(await serviceOf('store')).toEqual(store);
    expect(await log()).toContain('network-issues: found: web: it is cut off from a network');
  });

  // Podman lets a network go only together with the containers that are in it.
  test.skipIf(PODMAN)('a network that was removed is there again, with all that were in it', async () => {
    await stack.compose('stop');
    for (const name of Object.keys(await containersOf(stack))) {
      await docker('network', 'disconnect', '--force', `${stack.name}_default`, name);
    }
    await docker('network', 'rm', `${stack.name}_default`);
    const { exitCode, result, findings } = await told('network-issues', '--yes');
    expect(new Set(findings.map(({ cause }) => cause))).toEqual(new Set(['a network that it is in is gone']));
    expect([exitCode, result]).toEqual([0, 'healthy']);
    expect(await reachesWeb()).toBe(true);
  });

  test('a question that gets no answer once is asked again', async () => {
    const { container } = await serviceOf('web');
    const flaky = '#!/bin/sh\n[ -e /asked ] || { touch /asked; exit 2; }\nexec nslookup "$2"\n';
    const program = '/usr/bin/getent';
    const install = `mkdir -p /usr/bin; printf '${flaky}' > ${program}; chmod +x ${program}`;
    await docker('exec', container, 'sh', '-c', install);
    const { exitCode, result, findings } = await leavesAlone(() => told('network-issues', '--yes'));
    expect([exitCode, result, findings]).toEqual([0, 'nothing-to-do', []]);
    await docker('exec', container, 'rm', '/asked', program);
  });

  test('a container that names lead wrong in is found', async () => {
    const { container } = await serviceOf('store');
    await docker('exec', container, 'sh', '-c', 'echo nameserver 192.0.2.1 > /etc/resolv.conf');
    const { exitCode, result, findings } = await told('network-issues', '--yes');
    expect(findings.map(({ cause }) => cause)).toContain('it does not find another service by its name');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    expect(await reachesWeb()).toBe(true);
  });
});

/** Docker's classic builder leaves those of failed builds. */
async function containersThatRan(text: string): Promise<string[]> {
  const rows = await docker('ps', '--all', '--no-trunc', '--format', '{{.Names}} {{.Command}}');
  return rows.split('\n').flatMap((row) => (row.includes(text) ? (row.split(' ')[0] ?? []) : []));
}

describe('failed-build', () => {
  test('a build file that does not parse is named by its line; corrected, it is built', async () => {
    await stack.compose('rm', '--stop', '--force', 'api');
    await docker('image', 'rm', '--force', `${stack.name}-api`);
    await stack.write({ 'api/Dockerfile': `${dockerfile}RUNN true\n` });
    const blocked = await leavesAlone(() => told('failed-build', '--yes'));
    expect([blocked.exitCode, blocked.result]).toEqual([1, 'blocked']);
    expect(blocked.obstacles[0]?.evidence).toBe('api/Dockerfile, line 4: unknown instruction RUNN');
    const text = `echo no luck for ${stack.name} && false`;
    await stack.write({ 'api/Dockerfile': `${dockerfile}RUN ${text}\n` });
    await expect(stack.compose('build', 'api')).rejects.toThrow(/no luck/);
    const left = await containersThatRan(text);
    if (!PODMAN && process.env['DOCKER_BUILDKIT'] === '0') expect(left).toHaveLength(1);
    const failed = await told('failed-build', '--yes');
    expect([failed.exitCode, failed.result, failed.left.length]).toEqual([1, 'not-healthy', 1]);
    const cleaning = left.map((name) => `remove what a failed build of api left: ${name}`);
    expect(failed.steps).toEqual([...cleaning, 'build api']);
    expect(await containersThatRan(text)).toEqual([]);
    await stack.write({ 'api/Dockerfile': dockerfile });
    expect((await told('failed-startup', '--yes')).obstacles).toHaveLength(1);
    const { exitCode, result } = await told('failed-build', '--yes');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    await docker('image', 'inspect', `${stack.name}-api`);
    expect((await told('failed-startup', '--yes')).result).toBe('healthy');
    expect(await log()).toContain('failed-build: in the way: api: its build file does not parse');
  });
});
