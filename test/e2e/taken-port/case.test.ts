import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { aStack, cli, create, docker, freePort, ok, type Stack } from '../../support/e2e.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** What the services need is in other hands, or gone: said before anything is touched. */

const LABEL = 'compose-rollback.test=e2e-taken';

let stack: Stack;
let port: number;
let point: string;
let outside: string;

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-taken', (name) => {
    outside = `${name}-outside`;
    return {
      'compose.yaml': `
name: ${name}
services:
  web:
    image: busybox:latest
    command: [httpd, -f, -p, '8000']
    stop_signal: SIGKILL
    ports: ['127.0.0.1:${port}:8000', '${port}:8001/udp']
    networks: [outside]
    volumes: ['outside:/data']
networks: { outside: { external: true, name: ${outside} } }
volumes: { outside: { external: true, name: ${outside} } }
`,
    };
  });
  await lend();
  await stack.compose('up', '-d');
  point = await create(stack);
});

afterAll(async () => {
  await stack.compose('down');
  await takeAway();
});

async function lend(): Promise<void> {
  await docker('network', 'create', '--label', LABEL, outside);
  await docker('volume', 'create', '--label', LABEL, outside);
}

async function takeAway(): Promise<void> {
  await docker('network', 'rm', outside);
  await docker('volume', 'rm', outside);
}

async function blocked(...says: string[]): Promise<void> {
  const dry = await leavesAllAsItWas(stack, () => cli(stack, 'rollback', point, '--dry-run'));
  const run = await leavesOnlyATrace(stack, () => cli(stack, 'rollback', point, '--yes'));
  expect([dry.exitCode, run.exitCode]).toEqual([3, 3]);
  for (const text of says) {
    expect(dry.stdout).toContain(text);
    expect(run.stderr).toContain(text);
  }
}

describe('the port of a stopped service is held', () => {
  beforeEach(async () => {
    await stack.compose('create');
    await stack.compose('stop');
  });

  test('by a container of somebody else', async () => {
    const other = `${stack.name}-other`;
    await docker(
      'run',
      '-d',
      '--name',
      other,
      '--label',
      LABEL,
      '--publish',
      `${port}:80`,
      'busybox:latest',
      'sleep',
      'infinity',
    );
    onTestFinished(async () => void (await docker('rm', '--force', other)));
    await blocked(`web publishes 127.0.0.1:${port}/tcp, which container ${other} holds`);
  });

  test('by a program', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const name = (await readFile('/proc/self/comm', 'utf8')).trim();
    await blocked(`web publishes 127.0.0.1:${port}/tcp, which ${name} (process ${process.pid}) holds`);
  });

  test('by nobody any more: it starts', async () => {
    await ok(stack, 'rollback', point, '--yes');
    expect(await stack.compose('ps', '--format', '{{.State}}')).toBe('running');
  });
});

test('the network and the volume of others, which it is made with, are gone: both are named', async () => {
  await stack.compose('down');
  await takeAway();
  try {
    await blocked(
      `the external network ${outside} does not exist`,
      `the external volume ${outside} does not exist`,
    );
  } finally {
    await lend();
  }
  await ok(stack, 'rollback', point, '--yes');
  expect(await stack.compose('ps', '--format', '{{.State}}')).toBe('running');
});
