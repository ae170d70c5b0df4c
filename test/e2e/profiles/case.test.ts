import { rm } from 'node:fs/promises';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { aStack, containersOf, type Stack } from '../../support/e2e.js';
import { composeAs, roundTrip, SLEEPER } from '../../support/round-trip.js';

/** Services of profiles, in every way of being there or not: a rollback makes and removes just what the point says. */

const composeFile = (name: string, version = 1) => `
name: ${name}
services:
  web: { ${SLEEPER} }
  debug: { ${SLEEPER}, profiles: [debug], labels: [version=${version}] }
  tool: { ${SLEEPER}, profiles: [tools, more], labels: [version=${version}] }
  neighbour: { ${SLEEPER}, profiles: [tools], labels: [version=${version}] }
  never: { ${SLEEPER}, profiles: [never] }
`;

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-profiles', (name) => ({ 'compose.yaml': composeFile(name) }));
});

beforeEach(async () => {
  await stack.compose('--profile', '*', 'down');
  await rm(stack.path('.env'), { force: true });
  await stack.write({ 'compose.yaml': composeFile(stack.name) });
});

async function running(): Promise<string[]> {
  return Object.values(await containersOf(stack))
    .map(({ service }) => service)
    .toSorted();
}

test('active by --profile, and by the name of one service: both are known without that later', async () => {
  await composeAs(stack, { flags: ['--profile', 'debug'] }, 'up', '--detach');
  await composeAs(stack, {}, 'up', '--detach', 'tool');
  expect(await running()).toEqual(['debug', 'tool', 'web']);
  const change = async () => {
    await stack.write({ 'compose.yaml': composeFile(stack.name, 2) });
    await composeAs(stack, {}, 'rm', '--stop', '--force', 'debug');
    await composeAs(stack, {}, 'up', '--detach', 'tool');
    expect(await running()).toEqual(['tool', 'web']);
  };
  await roundTrip(stack, { change, touched: ['debug', 'tool'], up: { flags: ['--profile', 'debug'] } });
});

test('active by COMPOSE_PROFILES of an .env that says something else later', async () => {
  await stack.write({ '.env': 'COMPOSE_PROFILES=debug\n' });
  await composeAs(stack, {}, 'up', '--detach');
  expect(await running()).toEqual(['debug', 'web']);
  const change = async () => {
    await composeAs(stack, {}, 'rm', '--stop', '--force', 'debug');
    await stack.write({ '.env': 'COMPOSE_PROFILES=tools\n' });
    await composeAs(stack, {}, 'up', '--detach');
    expect(await running()).toEqual(['neighbour', 'tool', 'web']);
  };
  await roundTrip(stack, { change, touched: ['debug', 'tool', 'neighbour'], up: {} });
});
