import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  answer,
  aStack,
  buildApi,
  containersOf,
  create,
  docker,
  freePort,
  ok,
  until,
  type ContainerFacts,
  type Stack,
} from '../../support/e2e.js';

/** Services that do not run: jobs that have run are not run again, what was stopped stays so. */

const IDLE = `image: busybox:latest\n    command: sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`;

async function byService(stack: Stack): Promise<Record<string, ContainerFacts>> {
  const containers = Object.values(await containersOf(stack));
  return Object.fromEntries(containers.map((container) => [container.service, container]));
}

test('a job that has run is run again by nobody', async () => {
  const port = await freePort();
  const stack = await aStack('e2e-job', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  job:
    image: busybox:latest
    command: sh -c 'echo ran >> /log/runs'
    volumes: ['./log:/log']
  api:
    image: ${name}-api:latest
    ports: ['127.0.0.1:${port}:8000']
    depends_on:
      job: { condition: service_completed_successfully }
`,
    'log/runs': '',
  }));
  const tag = `${stack.name}-api:latest`;
  const serves = async (version: string) =>
    until(async () => (await answer(port)) === version, `the API answers ${version}`);

  await buildApi(stack, tag, 'v1');
  await stack.compose('up', '-d');
  await serves('v1');
  await create(stack, 'the job has run');
  await buildApi(stack, tag, 'v2');
  await stack.compose('up', '-d', '--no-deps', 'api');
  await serves('v2');
  const { job } = await byService(stack);

  const steps: [string[], string][] = [
    [['rollback', 'latest', '--yes'], 'v1'],
    [['undo', '--yes'], 'v2'],
    [['quick-rollback', '--auto-confirm'], 'v1'],
    [['undo', '--yes'], 'v2'],
    [['rollback-service', 'api', '--yes'], 'v1'],
  ];
  for (const [argv, version] of steps) {
    await ok(stack, ...argv);
    expect(await answer(port), argv.join(' ')).toBe(version);
    expect((await byService(stack)).job, argv.join(' ')).toEqual(job);
  }
  expect(await readFile(stack.path('log/runs'), 'utf8')).toBe('ran\n');
});

describe('a service that', () => {
  let stack: Stack;

  beforeEach(async () => {
    stack = await aStack('e2e-stopped', (name) => ({
      'compose.yaml': `name: ${name}\nservices:\n  one:\n    ${IDLE}\n  two:\n    ${IDLE}\n`,
    }));
  });

  test('was stopped at the point and runs now is stopped', async () => {
    await stack.compose('up', '-d');
    await stack.compose('stop', 'one');
    await create(stack, 'one is stopped');
    await stack.compose('start', 'one');
    const before = await byService(stack);
    await ok(stack, 'rollback', 'latest', '--yes');
    const now = await byService(stack);
    expect(now.one).toEqual({ ...before.one, state: 'exited' });
    expect(now.two).toEqual(before.two);
  });

  test('ran at the point and is stopped now is started: the same container', async () => {
    await stack.compose('up', '-d');
    await create(stack, 'both run');
    await stack.compose('stop', 'one');
    const before = await byService(stack);
    await ok(stack, 'rollback', 'latest', '--yes');
    const now = await byService(stack);
    expect(now.one).toMatchObject({ id: before.one?.id, state: 'running' });
    expect(now.two).toEqual(before.two);
  });

  test('was created and never started stays so, even when it is made anew', async () => {
    await stack.compose('up', '--no-start');
    await create(stack, 'nothing was started');
    const compose = `name: ${stack.name}\nservices:\n  one:\n    ${IDLE}\n    hostname: changed\n  two:\n    ${IDLE}\n`;
    await stack.write({ 'compose.yaml': compose });
    await stack.compose('up', '--no-start');
    const before = await byService(stack);
    await ok(stack, 'rollback', 'latest', '--yes');
    const now = await byService(stack);
    expect(now.one).toMatchObject({ state: 'created' });
    expect(now.one?.id).not.toBe(before.one?.id);
    expect(await docker('inspect', '--format', '{{.Config.Hostname}}', now.one?.id ?? '')).not.toBe(
      'changed',
    );
    expect(now.two).toEqual(before.two);
  });
});
