import { beforeAll, expect, test } from 'vitest';
import {
  aStack,
  cli,
  containersOf,
  create,
  docker,
  json,
  ok,
  until,
  type ContainerFacts,
  type Stack,
} from '../../support/e2e.js';
import { containerOf, SLEEPER } from '../../support/round-trip.js';

/** What says that a service is well, which points are known to be bad, and what a point does not hold. */

let stack: Stack;

const SLEEPS = 'sleep infinity';
const CRASHES = 'sleep 0.3; exit 3';

// `api` and `redis` are no more than names here: the one has no /health, the other is no Redis and has a check of its own.
const composeFile = (name: string, version: number, work = SLEEPS) => `
name: ${name}
services:
  api:
    image: busybox:latest
    init: true
    command: [httpd, -f, -p, '8000']
    expose: ['8000']
    stop_signal: SIGKILL
    labels: [version=${version}]
    volumes: ['data:/data', './conf:/conf']
  redis: { ${SLEEPER}, labels: [version=${version}], healthcheck: { test: [CMD, 'true'], interval: 1s } }
  worker: { image: busybox:latest, init: true, restart: always, command: [sh, -c, '${work}'] }
volumes: { data: }
`;

async function up(version: number, work?: string): Promise<void> {
  await stack.write({ 'compose.yaml': composeFile(stack.name, version, work) });
  await stack.compose('up', '-d', '--wait', 'redis', 'api');
  await stack.compose('up', '-d');
}

const versionOf = async (service: string) => {
  const { id } = await containerOf(stack, service);
  return await docker('inspect', '--format', '{{.Config.Labels.version}}', id);
};

async function worker(): Promise<ContainerFacts | undefined> {
  return Object.values(await containersOf(stack)).find(({ service }) => service === 'worker');
}

const inData = async (command: string) =>
  docker('exec', (await containerOf(stack, 'api')).id, 'sh', '-c', command);

beforeAll(async () => {
  stack = await aStack('e2e-evidence', (name) => ({
    'compose.yaml': composeFile(name, 1),
    'rollback.yaml': 'services: { api: { health_timeout: 1s } }\n',
    'conf/site.conf': 'listen 80',
  }));
  await up(1);
});

test('a check that failed at the point as well, and a name alone, are nothing against a rollback', async () => {
  const point = await create(stack, 'with data', '--include-volumes');
  await up(2);
  const { exitCode, stderr } = await cli(stack, 'rollback', point, '--yes', '--no-volumes');
  expect(exitCode, stderr).toBe(0);
  expect([await versionOf('api'), await versionOf('redis')]).toEqual(['1', '1']);
  expect(stderr).toContain('GET /health answered 404');
});

test('a point of a crashing service is marked, and --healthy takes the one before it', async () => {
  await inData('echo then >/data/file');
  const good = await create(stack, 'good', '--include-volumes');
  await inData('echo now >/data/file');
  await up(2, CRASHES);
  await until(async () => ((await worker())?.restarts ?? 0) > 1, 'the worker was restarted twice');
  const made = await ok(stack, 'create', 'nightly');
  expect(made.stderr).toMatch(/worker is failing/);

  expect(await json(stack, 'list')).toMatchObject({
    points: [
      { description: 'nightly', failing: ['worker'] },
      { description: 'good', failing: [] },
      { description: 'with data', failing: [] },
    ],
  });
  expect((await ok(stack, 'list')).stdout).toContain('Failing: worker');
  const dry = await ok(stack, 'quick-rollback', '--dry-run');
  expect(dry.stderr).toContain(`latest~1 (${good} (good))`);
  expect(dry.stdout).toContain('worker was failing when the point was made');

  await ok(stack, 'quick-rollback', '--healthy', '--yes');
  expect([await versionOf('api'), (await worker())?.restarts]).toEqual(['1', 0]);
  expect(await inData('cat /data/file')).toBe('now');
  await ok(stack, 'rollback', '--healthy', '--with-volumes', '--yes');
  expect(await inData('cat /data/file')).toBe('then');
});

test('what a point does not hold is named by create, by the plan and by the result', async () => {
  const data = `volume ${stack.name}_data`;
  const left = [
    { what: 'conf/', reason: 'services write to it, and its data was not recorded' },
    { what: data, reason: 'its data was not recorded' },
  ];
  const strict = await cli(stack, 'create', '--strict', 'all or nothing');
  expect([strict.exitCode, strict.stdout]).toEqual([3, '']);
  expect(strict.stderr).toContain(data);
  expect((await ok(stack, 'list')).stdout).not.toContain('all or nothing');

  const made = await ok(stack, 'create', 'without data');
  expect(made.stderr).toContain('conf/');
  await stack.write({ 'conf/site.conf': 'lisn 80' });
  expect(await json(stack, 'quick-rollback', '--dry-run')).toMatchObject({
    operations: [],
    not_covered: left,
  });
  const { stdout } = await ok(stack, 'quick-rollback', '--yes');
  expect(stdout).toContain('conf/');
  expect(stdout).not.toContain('everything is');

  const whole = await create(stack, '--strict', '--include-volumes');
  expect(await json(stack, 'rollback', whole, '--dry-run')).toMatchObject({ not_covered: [] });
});
