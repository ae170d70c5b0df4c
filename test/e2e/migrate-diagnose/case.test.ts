import { readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { documentOf } from '../../support/cli.js';
import { PODMAN, runToEnd } from '../../support/engine.js';
import {
  aStack,
  cli,
  cliWith,
  containersOf,
  docker,
  freePort,
  snapshot,
  until,
  type Stack,
} from '../../support/e2e.js';

/** Each cause is named by what really broke; and nothing is named while all is well. */

/** Ends with 0 when it is stopped. */
const IDLE = `sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`;

let stack: Stack;
let port: number;

interface Finding {
  scenario: string;
  service: string | null;
  cause: string;
  evidence: string;
  fix: string;
}

const compose = (name: string, work = IDLE) => `
name: ${name}
services:
  api:
    image: ${name}-api
    build: ./api
    command: [sleep, infinity]
    stop_signal: SIGKILL
    user: '1000:1000'
    volumes: ['data:/data']
    healthcheck: { test: [CMD, test, '!', -e, /tmp/unwell], interval: 1s, retries: 1 }
  web:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    restart: unless-stopped
    ports: ['127.0.0.1:${port}:80']
  worker:
    image: busybox:latest
    command: ${work}
    restart: unless-stopped
    network_mode: none
  once:
    image: busybox:latest
    command: 'true'
    networks: [outside]
volumes: { data: {} }
networks: { outside: { name: ${name}-outside, external: true } }
`;

const dockerfile = (name: string) =>
  `FROM busybox:latest\nLABEL of=${name}\nRUN mkdir /data && chown 1000:1000 /data\n`;

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-diagnose', (name) => ({
    'compose.yaml': compose(name),
    'api/Dockerfile': dockerfile(name),
  }));
  await makeOutside();
  await stack.compose('up', '--detach', '--build');
  await until(async () => (await stateOf('once')) === 'exited', 'once has ended');
});

// What is logged is the test's own.
beforeEach(() => rm(LOG(), { force: true }));

// What a test leaves broken is no business of the next one, or of its own second try.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await stack.write({ 'compose.yaml': compose(stack.name), 'api/Dockerfile': dockerfile(stack.name) });
  await makeOutside().catch(() => undefined); // it may be there
  await chown('1000:1000');
  await stack.compose('up', '--detach', '--force-recreate');
  await until(async () => (await stateOf('once')) === 'exited', 'once has ended');
});

const LOG = () => stack.path('migration-recovery.log');
const makeOutside = () => docker('network', 'create', '--label', `of=${stack.name}`, `${stack.name}-outside`);
const chown = (owner: string) =>
  runToEnd('--volume', `${stack.name}_data:/data`, 'busybox:latest', 'chown', owner, '/data');
const logged = (text: string) => expect(readFile(LOG(), 'utf8')).resolves.toContain(text);

afterAll(async () => {
  await stack.compose('down');
  await docker('network', 'rm', `${stack.name}-outside`);
});

async function stateOf(service: string): Promise<string | undefined> {
  return Object.values(await containersOf(stack)).find((container) => container.service === service)?.state;
}

async function containerOf(service: string): Promise<string> {
  const found = Object.entries(await containersOf(stack)).find(([, facts]) => facts.service === service);
  return found?.[0] ?? '';
}

/** What is found, and that looking changed nothing but the log. */
async function findings(): Promise<Finding[]> {
  const before = await snapshot(stack);
  const { exitCode, stdout } = await cli(stack, 'migrate', 'diagnose', '--json');
  const after = await snapshot(stack);
  for (const { files } of [before, after]) delete files['migration-recovery.log'];
  expect(after.files).toEqual(before.files);
  expect([after.tags, after.backups]).toEqual([before.tags, before.backups]);
  documentOf('migrate-diagnose', stdout);
  const { findings: found }: { findings: Finding[] } = JSON.parse(stdout);
  expect(exitCode).toBe(found.length > 0 ? 1 : 0);
  return found;
}

const causes = async () =>
  (await findings()).map(({ scenario, service, cause }) => `${scenario} ${service}: ${cause}`);

test('a stack that is well: nothing, and 0', async () => {
  expect(await findings()).toEqual([]);
  const { exitCode, stdout } = await cli(stack, 'migrate', 'recover', 'diagnose');
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Nothing wrong was found')]);
  await logged('diagnose: 0 findings');
});

test('a build file that does not parse, by its line', async () => {
  await stack.write({ 'api/Dockerfile': 'FROM busybox:latest\n# comment\nRUNN true\n' });
  expect(await findings()).toEqual([
    expect.objectContaining({
      scenario: 'failed-build',
      service: 'api',
      evidence: 'api/Dockerfile, line 3: unknown instruction RUNN',
    }),
  ]);
  await logged('line 3: unknown instruction RUNN');
  // What the engine's own builder thinks of it.
  await expect(docker('build', '--quiet', stack.path('api'))).rejects.toThrow(/RUNN/i);
  await stack.write({ 'api/Dockerfile': dockerfile(stack.name) });
  expect(await findings()).toEqual([]);
});

test('compose files that do not resolve', async () => {
  await stack.write({ 'compose.yaml': `${compose(stack.name)}  broken: [\n` });
  expect(await causes()).toEqual(['failed-startup null: the compose files do not resolve']);
  // It ends by itself, with 0: by its own restart policy it should run all the same.
  await docker('stop', await containerOf('worker'));
  await rm(stack.path('compose.yaml'));
  expect(await causes()).toEqual([
    'failed-startup null: the compose files do not resolve',
    'failed-startup worker: it does not run',
  ]);
  await stack.write({ 'compose.yaml': compose(stack.name) });
  await docker('start', await containerOf('worker'));
  expect(await findings()).toEqual([]);
});

describe('a port', () => {
  test('that a program holds, by its name; once it is free the service starts', async () => {
    await stack.compose('stop', 'web');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const close = () => new Promise((resolve) => server.close(resolve));
    onTestFinished(() => void server.close());
    const name = (await readFile('/proc/self/comm', 'utf8')).trim();
    expect((await findings()).map(({ cause, evidence }) => [cause, evidence])).toEqual([
      ['a port that it publishes is taken', `${name} (process ${process.pid}) holds 127.0.0.1:${port}/tcp`],
      ['it does not run', expect.stringContaining('exited with code')],
    ]);
    await close();
    await stack.compose('start', 'web');
    expect(await findings()).toEqual([]);
  });
});

describe('services', () => {
  test('that crash again and again', async () => {
    await stack.write({ 'compose.yaml': compose(stack.name, `sh -c 'echo out of luck; exit 3'`) });
    await stack.compose('up', '--detach', 'worker');
    await until(async () => {
      const facts = (await containersOf(stack))[await containerOf('worker')];
      return (facts?.restarts ?? 0) > 0;
    }, 'it was restarted');
    expect(await findings()).toEqual([
      expect.objectContaining({
        scenario: 'failed-startup',
        service: 'worker',
        cause: 'it crashes again and again',
        evidence: expect.stringContaining('out of luck'),
      }),
    ]);
    await stack.write({ 'compose.yaml': compose(stack.name) });
    await stack.compose('up', '--detach', 'worker');
  });

  test('that are unhealthy', async () => {
    const api = await containerOf('api');
    await docker('exec', api, 'touch', '/tmp/unwell');
    await until(
      async () => (await causes()).includes('failed-startup api: its health check fails'),
      'api is found unhealthy',
    );
    await docker('exec', api, 'rm', '/tmp/unwell');
    await until(async () => (await causes()).length === 0, 'nothing is found');
  });

  test('that have no container', async () => {
    await stack.compose('rm', '--stop', '--force', 'web');
    expect(await causes()).toEqual(['failed-startup web: it has no container']);
    await logged('it has no container');
    await stack.compose('up', '--detach', 'web');
  });
});

describe('networks', () => {
  // Podman lets a network go only together with the containers that are in it.
  test.skipIf(PODMAN)('that are gone', async () => {
    await stack.compose('stop', 'api', 'web');
    for (const service of ['api', 'web']) {
      await docker('network', 'disconnect', '--force', `${stack.name}_default`, await containerOf(service));
    }
    await docker('network', 'rm', `${stack.name}_default`);
    expect(await causes()).toEqual(
      expect.arrayContaining([
        'network-issues api: a network that it is in is gone',
        'network-issues web: a network that it is in is gone',
      ]),
    );
    await stack.compose('up', '--detach', '--force-recreate', 'api', 'web');
    await until(async () => (await causes()).length === 0, 'nothing is found');
  });

  test('that a container was cut off from', async () => {
    await docker('network', 'disconnect', `${stack.name}_default`, await containerOf('web'));
    expect(await causes()).toEqual(['network-issues web: it is cut off from a network']);
    await docker('network', 'connect', '--alias', 'web', `${stack.name}_default`, await containerOf('web'));
    expect(await causes()).toEqual([]);
  });

  test('of others that are gone', async () => {
    await stack.compose('rm', '--force', 'once');
    await docker('network', 'rm', `${stack.name}-outside`);
    expect(await causes()).toContain('network-issues null: a network that is not of this project is gone');
    await makeOutside();
    await stack.compose('up', '--detach', 'once');
    await until(async () => (await stateOf('once')) === 'exited', 'once has ended');
  });
});

test('a volume that its service may not write to, with the numbers', async () => {
  await chown('0:0');
  expect(await findings()).toEqual([
    expect.objectContaining({
      scenario: 'volume-issues',
      service: 'api',
      evidence: `${stack.name}_data at /data is of 0:0 with mode 755, and the service runs as 1000`,
    }),
  ]);
  await expect(docker('exec', await containerOf('api'), 'touch', '/data/x')).rejects.toThrow(/denied/);
  await chown('1000:1000');
  expect(await findings()).toEqual([]);
});

test('an engine that does not answer', async () => {
  const { exitCode, stdout } = await cliWith(
    stack,
    { env: { DOCKER_HOST: 'unix:///nowhere.sock' } },
    'migrate',
    'diagnose',
  );
  expect([exitCode, stdout]).toEqual([1, expect.stringContaining('[failed-startup] no engine answers')]);
});

test('a link in the place of the log is not followed', async () => {
  await symlink('compose.yaml', LOG());
  const { exitCode, stderr } = await cli(stack, 'migrate', 'diagnose');
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining('cannot write migration-recovery.log')]);
  expect(await readFile(stack.path('compose.yaml'), 'utf8')).toBe(compose(stack.name));
});
