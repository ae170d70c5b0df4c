import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import {
  answer,
  aStack,
  buildApi,
  containersOf,
  create,
  docker,
  freePort,
  json,
  keptTags,
  ok,
  until,
  type Stack,
} from '../../support/e2e.js';

/** A stack that podman-compose started, as its users have it: no other compose is asked, and nobody tells which one it was. */

const COMPOSE = process.env['PODMAN_COMPOSE'] ?? '/PODMAN_COMPOSE-is-not-set';

async function podmanCompose(stack: Stack, ...argv: string[]): Promise<void> {
  await execa(COMPOSE, ['-p', stack.name, ...argv], { cwd: stack.directory, stdin: 'ignore' });
}

const printed = await execa(COMPOSE, ['--version'], { reject: false });
/** Up to 1.0 it does not read the name of a project. */
const readsName = !/version:? *1\.0\./.test(`${printed.stdout}${printed.stderr}`);

const byService = async (stack: Stack) =>
  Object.fromEntries(
    Object.values(await containersOf(stack)).map((container) => [container.service, container]),
  );

test('what changed comes back and goes forth again, and nothing else is touched', async () => {
  const port = await freePort();
  const composeFile = (name: string, greeting: string) => `
name: ${name}
services:
  # Version 1.6 starts nothing that depends on a service that has ended.
  job: { image: busybox:latest, command: [sh, -c, 'echo ran >> /log/runs'], volumes: ['./log:/log'] }
  redis: { image: redis:7-alpine, volumes: ['data:/data'] }
  api:
    image: ${name}-api:latest
    environment: { GREETING: ${greeting} }
    ports: ['127.0.0.1:${port}:8000']
    depends_on: [redis]
volumes: { data: {} }
`;
  const stack = await aStack('e2e-pc', (name) => ({
    'compose.yaml': composeFile(name, 'hello'),
    'log/runs': '',
  }));
  const tag = `${stack.name}-api:latest`;
  const serves = (version: string) =>
    until(async () => (await answer(port)) === version, `the API answers ${version}`);

  const v1 = await buildApi(stack, tag, 'v1');
  await podmanCompose(stack, 'up', '-d');
  await serves('v1');
  await create(stack, 'v1 runs');

  const v2 = await buildApi(stack, tag, 'v2');
  await stack.write({ 'compose.yaml': composeFile(stack.name, 'goodbye') });
  // It replaces nothing by itself: this is what its users do.
  await podmanCompose(stack, 'down');
  await podmanCompose(stack, 'up', '-d');
  await serves('v2');
  const { job, redis } = await byService(stack);
  await until(
    async () => (await readFile(stack.path('log/runs'), 'utf8')) === 'ran\nran\n',
    'the job has run again',
  );

  const untouched = async () => {
    const now = await byService(stack);
    expect([now['redis']?.id, now['redis']?.startedAt]).toEqual([redis?.id, redis?.startedAt]);
    expect([now['job']?.id, now['job']?.startedAt]).toEqual([job?.id, job?.startedAt]);
    expect(await readFile(stack.path('log/runs'), 'utf8')).toBe('ran\nran\n');
    return now['api'];
  };

  expect((await ok(stack, 'status')).stdout).toContain('podman-compose');
  await ok(stack, 'rollback', 'latest', '--yes');
  await serves('v1');
  expect((await untouched())?.image).toBe(v1);
  expect(await readFile(stack.path('compose.yaml'), 'utf8')).toBe(composeFile(stack.name, 'hello'));
  expect(await json(stack, 'rollback', 'latest', '--dry-run')).toMatchObject({ operations: [] });

  await ok(stack, 'undo', '--yes');
  await serves('v2');
  expect((await untouched())?.image).toBe(v2);
  expect(await readFile(stack.path('compose.yaml'), 'utf8')).toBe(composeFile(stack.name, 'goodbye'));
});

test.skipIf(readsName)('a project is the one that it made, whatever the files call it', async () => {
  const stack = await aStack('e2e-pcname', () => ({
    'compose.yaml': `
name: what-it-does-not-read
services:
  web: { image: busybox:latest, command: [sleep, '1000'], init: true, labels: [v=1] }
`,
  }));
  const byFolder = basename(stack.directory).toLowerCase();
  await execa(COMPOSE, ['up', '-d'], { cwd: stack.directory, stdin: 'ignore' });
  try {
    expect((await ok(stack, 'status')).stdout).toMatch(
      new RegExp(`^${byFolder} in .*\\n.*podman-compose[^]*web +running`),
    );
    const point = await create(stack);
    expect(await json(stack, 'list')).toMatchObject({ points: [{ id: point }] });
    await execa(COMPOSE, ['down'], { cwd: stack.directory, stdin: 'ignore' });
    await ok(stack, '-p', byFolder, 'rollback', point, '--yes');
    const running = [
      'ps',
      '--format',
      '{{.Names}}',
      '--filter',
      `label=com.docker.compose.project=${byFolder}`,
    ];
    expect(await docker(...running)).toMatch(/web/);
  } finally {
    const ids = await docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${byFolder}`);
    if (ids !== '') await docker('rm', '--force', ...ids.split('\n'));
    const tags = Object.keys(await keptTags(stack));
    if (tags.length > 0) await docker('image', 'rm', ...tags);
    const networks = ['network', 'ls', '-q', '--filter', `label=com.docker.compose.project=${byFolder}`];
    await docker('network', 'rm', ...(await docker(...networks)).split('\n'));
  }
});
