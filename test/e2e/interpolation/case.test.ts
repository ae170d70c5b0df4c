import { rm } from 'node:fs/promises';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { aStack, docker, type Stack } from '../../support/e2e.js';
import {
  cliAs,
  composeAs,
  containerOf,
  okAs,
  roundTrip,
  SLEEPER,
  type Call,
} from '../../support/round-trip.js';

/** Variables as people write them, whose values were in a shell that is closed by now. */

const composeFile = (name: string) => `
name: ${name}
services:
  web:
    image: busybox:latest
    command: [sh, -c, 'echo "$$HOME costs 5$$ in \${PLACE:-nowhere}"; exec sleep infinity']
    stop_signal: SIGKILL
    environment:
      REQUIRED: \${REQUIRED:?it has to be given}
      NESTED: \${OUTER:-\${INNER:-deepest}}
      DEFAULT: \${NEVER_SET-default}
      ALTERNATIVE: \${REQUIRED:+given}
  passer:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    environment: [PASSED]
    env_file:
      - path: optional.env
        required: false
  idle: { ${SLEEPER} }
`;

const SECRETS = ['s3cr3t-one', 's3cr3t-two', 's3cr3t-passed'];
const first: Call = {
  env: { REQUIRED: 's3cr3t-one', INNER: 'deeper', PASSED: 's3cr3t-passed', PLACE: 'town' },
};
const second: Call = { env: { REQUIRED: 's3cr3t-two', OUTER: 'outer', PASSED: undefined, PLACE: 'town' } };

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-vars', (name) => ({ 'compose.yaml': composeFile(name) }));
});

beforeEach(async () => {
  await rm(stack.path('optional.env'), { force: true });
  await composeAs(stack, first, 'up', '--detach');
});

async function seen(service: string): Promise<string> {
  const format = '{{join .Config.Env " "}} {{join .Config.Cmd " "}}';
  return await docker('inspect', '--format', format, (await containerOf(stack, service)).id);
}

const change = async () => {
  await stack.write({ 'optional.env': 'OPTIONAL=now\n' });
  await composeAs(stack, second, 'up', '--detach');
  expect(await seen('web')).toContain('REQUIRED=s3cr3t-two');
  expect(await seen('web')).toContain('NESTED=outer');
  expect(await seen('passer')).toContain('OPTIONAL=now');
};

const asFirst = async () => {
  const web = await seen('web');
  for (const part of ['REQUIRED=s3cr3t-one', 'NESTED=deeper', 'DEFAULT=default', 'ALTERNATIVE=given']) {
    expect(web).toContain(part);
  }
  expect(web).toContain('echo "$HOME costs 5$ in town"');
  const passer = await seen('passer');
  expect(passer).toContain('PASSED=s3cr3t-passed');
  expect(passer).not.toContain('OPTIONAL');
};

test('values that were in the shell when the point was made', async () => {
  await asFirst();
  const elsewhere = { env: { REQUIRED: 's3cr3t-two', PLACE: 'town' } };
  const status = await okAs(stack, elsewhere, 'status', '--json');
  expect(JSON.parse(status.stdout)).toMatchObject({
    replaced: [
      { service: 'web', differences: [{ key: 'environment.NESTED' }, { key: 'environment.REQUIRED' }] },
    ],
  });
  const { stdout, stderr } = await roundTrip(stack, {
    change,
    createCall: first,
    touched: ['web', 'passer'],
    up: first,
  });
  for (const secret of SECRETS) expect(stdout + stderr).not.toContain(secret);
});

test('values that only the containers knew when the point was made', async () => {
  await asFirst();
  const { stdout, stderr } = await roundTrip(stack, { change, touched: ['web', 'passer'], up: first });
  for (const secret of SECRETS) expect(stdout + stderr).not.toContain(secret);
});

test('today another value of the shell gives way to the one of the point, which is a risk with a name and no value', async () => {
  await okAs(stack, {}, 'create');
  await change();
  const { stdout, exitCode } = await cliAs(stack, second, 'rollback', 'latest', '--dry-run');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/REQUIRED/);
  for (const secret of SECRETS) expect(stdout).not.toContain(secret);
});
