import { beforeAll, expect, test } from 'vitest';
import { aStack, cli, docker, ok, type Stack } from '../../support/e2e.js';
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
  await make();
  await stack.compose('up', '--detach');
  await docker('exec', (await containerOf(stack, 'web')).id, 'touch', '/data/kept');
});

/** With the project's label, so that they go with the stack. */
async function make(): Promise<void> {
  const label = `com.docker.compose.project=${stack.name}`;
  await docker('network', 'create', '--label', label, `${stack.name}-shared`);
  await docker('volume', 'create', '--label', label, `${stack.name}-data`);
}

async function change(): Promise<void> {
  await stack.write({ 'compose.yaml': composeFile(stack.name, 2) });
  await stack.compose('up', '--detach');
}

test('they and their data are left alone', async () => {
  const inspect = () => docker('network', 'inspect', '--format', '{{.Id}}', `${stack.name}-shared`);
  const network = await inspect();
  await roundTrip(stack, { change, touched: ['web'], up: {} });
  expect(await inspect()).toBe(network);
  expect(await docker('exec', (await containerOf(stack, 'web')).id, 'ls', '/data')).toBe('kept');
});

test('missing ones are all named, and nothing is touched until they are there again', async () => {
  await ok(stack, 'rollback', 'latest', '--yes');
  const before = await stateOf(stack);
  await change();
  await stack.compose('rm', '--stop', '--force', 'web');
  await docker('network', 'rm', `${stack.name}-shared`);
  await docker('volume', 'rm', `${stack.name}-data`);

  const { exitCode, stderr } = await leavesOnlyATrace(stack, () => cli(stack, 'rollback', 'latest', '--yes'));
  expect(exitCode).toBe(3);
  expect(stderr).toContain(`docker network create ${stack.name}-shared`);
  expect(stderr).toContain(`docker volume create ${stack.name}-data`);

  await make();
  await ok(stack, 'rollback', 'latest', '--yes');
  expect(await stateOf(stack)).toEqual(before);
});
