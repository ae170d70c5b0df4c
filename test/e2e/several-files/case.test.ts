import { expect, test } from 'vitest';
import { aStack, docker, type Stack } from '../../support/e2e.js';
import { composeAs, containerOf, roundTrip, SLEEPER, type Call } from '../../support/round-trip.js';

/** A project of several compose files and env files, named in every way that compose knows. Its containers' labels remember them. */

const baseFile = (name: string) => `
name: ${name}
services:
  web: { ${SLEEPER}, environment: { COLOUR: none } }
  idle: { ${SLEEPER} }
`;

const overlay = (colour: string) => `services: { web: { environment: { COLOUR: ${colour} } } }\n`;

async function colourOf(stack: Stack): Promise<string | undefined> {
  const { id } = await containerOf(stack, 'web');
  const env = await docker('inspect', '--format', '{{join .Config.Env " "}}', id);
  return /COLOUR=(\S*)/.exec(env)?.[1];
}

async function started(prefix: string, files: Record<string, string>, user: Call): Promise<Stack> {
  const stack = await aStack(prefix, (name) => ({ 'base.yaml': baseFile(name), ...files }));
  await composeAs(stack, user, 'up', '--detach');
  return stack;
}

test('COMPOSE_FILE in a shell that is closed later, and other files by -f since', async () => {
  const user: Call = { env: { COMPOSE_FILE: 'base.yaml:blue.yaml' } };
  const other: Call = { flags: ['-f', 'base.yaml', '-f', 'red.yaml'] };
  const files = { 'blue.yaml': overlay('blue'), 'red.yaml': overlay('red') };
  const stack = await started('e2e-files', files, user);
  const change = async () => {
    await stack.write({ 'blue.yaml': overlay('purple') });
    await composeAs(stack, other, 'up', '--detach');
    expect(await colourOf(stack)).toBe('red');
  };
  await roundTrip(stack, { change, touched: ['web'], createCall: user, up: user });
});

test('COMPOSE_FILE in .env, with a separator of its own', async () => {
  const dotEnv = (files: string) => `COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=${files}\n`;
  const files = { 'blue.yaml': overlay('blue'), '.env': dotEnv('base.yaml;blue.yaml') };
  const stack = await started('e2e-dotenvfiles', files, {});
  expect(await colourOf(stack)).toBe('blue');
  const change = async () => {
    await stack.write({ '.env': dotEnv('base.yaml') });
    await composeAs(stack, {}, 'up', '--detach');
    expect(await colourOf(stack)).toBe('none');
  };
  await roundTrip(stack, { change, touched: ['web'], up: {} });
});

test('--project-directory beside files elsewhere: relative paths start there', async () => {
  const mounted = 'services: { web: { volumes: ["./web.conf:/etc/web.conf"] } }\n';
  const files = { 'deploy/mounted.yaml': mounted, 'web.conf': 'one\n' };
  const user: Call = {
    flags: ['--project-directory', '.', '-f', 'deploy/mounted.yaml', '-f', 'base.yaml'],
  };
  const stack = await started('e2e-projectdir', files, user);
  const change = async () => {
    await stack.write({ 'web.conf': 'two\n', 'deploy/mounted.yaml': `${mounted}# edited\n` });
  };
  const { stderr } = await roundTrip(stack, { change, touched: ['web'], createCall: user, up: user });
  for (const file of ['deploy/mounted.yaml', 'web.conf']) expect(stderr).toContain(`Restoring ${file}`);
});

test('-f and several --env-file, the last one winning, are all known later without', async () => {
  const files = {
    'env.yaml': 'services: { web: { environment: { COLOUR: "${COLOUR}", SIZE: "${SIZE}" } } }\n',
    'common.env': 'COLOUR=blue\nSIZE=1\n',
    'prod.env': 'SIZE=2\n',
    '.env': 'COLOUR=unread\n',
  };
  const env = ['--env-file', 'common.env', '--env-file', 'prod.env'];
  const user: Call = { flags: [...env, '-f', 'base.yaml', '-f', 'env.yaml'] };
  const stack = await started('e2e-envfiles', files, user);
  expect(await colourOf(stack)).toBe('blue');
  const change = async () => {
    await stack.write({ 'prod.env': 'SIZE=3\nCOLOUR=red\n' });
    await composeAs(stack, user, 'up', '--detach');
    expect(await colourOf(stack)).toBe('red');
  };
  await roundTrip(stack, { change, touched: ['web'], up: user });
});
