import { beforeAll, beforeEach, expect, test } from 'vitest';
import { aStack, cli, create, docker, ok, type Stack } from '../../support/e2e.js';
import { containerOf, roundTrip, SLEEPER, stateOf } from '../../support/round-trip.js';
import { leavesOnlyATrace } from '../../support/untouched.js';

/** Networks and volumes that belong to somebody else: used, never made, and missed in time. */

const composeFile = (name: string, version = 1) => `
name: ${name}
services:
  web:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    networks: [shared]
    volumes: ['data:/data']
    labels: [version=${version}]
  idle: { ${SLEEPER} }
networks:
  shared: { external: true, name: ${name}-shared }
volumes:
  data: { external: true, name: ${name}-data }
`;

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-external', (name) => ({ 'compose.yaml': composeFile(name) }));
});

beforeEach(async () => {
  await make();
  await deploy(1);
});

/** With the project's label, so that they go with the stack. */
async function make(): Promise<void> {
  const label = `com.docker.compose.project=${stack.name}`;
  const network = `${stack.name}-shared`;
  const isThere = (await docker('network', 'ls', '--quiet', '--filter', `name=${network}`)) !== '';
  if (!isThere) await docker('network', 'create', '--label', label, network);
  await docker('volume', 'create', '--label', label, `${stack.name}-data`);
}

async function deploy(version: number): Promise<void> {
  await stack.write({ 'compose.yaml': composeFile(stack.name, version) });
  await stack.compose('up', '--detach');
}

test('they and their data are left alone', async () => {
  const inspect = () => docker('network', 'inspect', '--format', '{{.Id}}', `${stack.name}-shared`);
  const network = await inspect();
  await docker('exec', (await containerOf(stack, 'web')).id, 'touch', '/data/kept');
  await roundTrip(stack, { change: () => deploy(2), touched: ['web'], up: {} });
  expect(await inspect()).toBe(network);
  expect(await docker('exec', (await containerOf(stack, 'web')).id, 'ls', '/data')).toBe('kept');
});

test('missing ones are all named, and nothing is touched until they are there again', async () => {
  const point = await create(stack, 'version 1');
  const before = await stateOf(stack);
  await deploy(2);
  await stack.compose('rm', '--stop', '--force', 'web');
  await docker('network', 'rm', `${stack.name}-shared`);
  await docker('volume', 'rm', `${stack.name}-data`);

  const { exitCode, stderr } = await leavesOnlyATrace(stack, () => cli(stack, 'rollback', point, '--yes'));
  expect(exitCode).toBe(3);
  expect(stderr).toContain(`docker network create ${stack.name}-shared`);
  expect(stderr).toContain(`docker volume create ${stack.name}-data`);

  await make();
  await ok(stack, 'rollback', point, '--yes');
  expect(await stateOf(stack)).toEqual(before);
});
