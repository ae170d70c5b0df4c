import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  aStack,
  answer,
  buildApi,
  cli,
  create,
  docker,
  freePort,
  json,
  MAIN,
  ok,
  snapshot,
  until,
  type Stack,
} from '../../support/e2e.js';
import { runToEnd } from '../../support/engine.js';

/** A point is restored beside the project: from its own data, images and files, and without a trace. */

const SOCKET = (process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock').replace('unix://', '');

let stack: Stack;
let port: number;
let good: string;
/** Its API is broken, and so is what the borrower runs. */
let bad: string;
let firstImage: string;
/** Of the project's own Redis. */
let address: string;

/** Ends well when nobody answers there. */
const unreachable = (host: string) =>
  `require("net").connect(6379, "${host}").on("connect", () => process.exit(1)).on("error", () => process.exit(0)).setTimeout(500, () => process.exit(0))`;

/** Asked in the drill: what is there is what the point holds. */
const probes = (value: string, version: string) => `
services:
  redis:
    probes: [{ exec: [redis-cli, get, key], expect: { text: ${value} }, retries: 20, interval: 200ms }]
  api:
    probes:
      - { http: /health, expect: { text: ${version} }, retries: 10, interval: 200ms }
      - { http: 'http://127.0.0.1:${port}/health', retries: 0 }
      - { exec: [grep, -q, hello, /etc/motd] }
      - { exec: [node, -e, '${unreachable(address)}'] }
      - { exec: [sh, -c, 'test "$PRICE" = "costs \\$5" && test -e /data/flag && test ! -e /data/later'] }
`;

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-drill', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  redis:
    image: redis:7-alpine
    container_name: ${name}-the-redis
    command: ['sh', '-c', 'exec redis-server --save "" --appendonly yes --dir /data']
    volumes: [data:/data]
    healthcheck: { test: ['CMD', 'redis-cli', 'ping'], interval: 1s, retries: 60 } # paused it does not answer
    networks: { default: { aliases: [store] }, shared: {} }
  api:
    image: ${name}-api:latest
    restart: always
    ports: ['127.0.0.1:${port}:8000']
    environment: { PRICE: 'costs $$5' }
    depends_on: { redis: { condition: service_healthy } }
    volumes: ['./flags:/data', './motd:/etc/motd:ro', '${SOCKET}:/run/engine.sock']
  borrower:
    image: busybox:latest
    command: [/lent/sleep, infinity]
    stop_signal: SIGKILL
    volumes: ['./lent:/lent']
  migrate:
    image: busybox:latest
    command: ['sh', '-c', 'echo once >> /data/ran']
    volumes: ['data:/data']
volumes: { data: }
networks: { shared: { external: true, name: ${name}-shared } }
`,
    motd: 'hello\n',
    'flags/flag': '',
  }));
  await docker('network', 'create', `${stack.name}-shared`);
  const lent = [
    '--volume',
    `${stack.path('lent')}:/lent`,
    'busybox:latest',
    'cp',
    '/bin/busybox',
    '/lent/sleep',
  ];
  await runToEnd(...lent);
  firstImage = await buildApi(stack, `${stack.name}-api:latest`, 'v1');
  await stack.compose('up', '--detach');
  await set('first');
  const own = `{{(index .NetworkSettings.Networks "${stack.name}_default").IPAddress}}`;
  address = await docker('inspect', '--format', own, `${stack.name}-the-redis`);
  await stack.write({ 'rollback.yaml': probes('first', 'v1') });
  good = await create(stack, '--include-volumes', '--save-images', 'auto');
  await buildApi(stack, `${stack.name}-api:latest`, 'v2');
  await stack.compose('up', '--detach'); // Right after services were paused: what waits for their health finds them well.
  await set('second');
  await stack.write({ 'flags/later': '', motd: 'bye\n' });
  await stack.write({ 'flags/broken-v2': '', 'rollback.yaml': probes('second', 'v2') });
  await rm(stack.path('lent/sleep')); // what runs of it goes on
  bad = await create(stack, '--include-volumes');
  await rm(stack.path('flags/broken-v2'));
  await stack.write({ 'rollback.yaml': probes('first', 'v1') });
  return async () => {
    await docker('network', 'rm', `${stack.name}-shared`);
  };
});

const set = (value: string) =>
  until(
    async () => (await stack.compose('exec', '-T', 'redis', 'redis-cli', 'set', 'key', value)) === 'OK',
    'Redis takes a value',
  );

/** All that the engine and the backup directory have of drills of this project. */
async function traces(): Promise<string[]> {
  const mine = (text: string) => text.split('\n').filter((line) => line.includes(`${stack.name}-drill-`));
  const [containers, networks, volumes] = await Promise.all([
    docker('ps', '--all', '--format', '{{.Names}}'),
    docker('network', 'ls', '--format', '{{.Name}}'),
    docker('volume', 'ls', '--format', '{{.Name}}'),
  ]);
  const folders = (await readdir(stack.path('rollback/backups'))).filter((name) => name.startsWith('.tmp-'));
  return [...[containers, networks, volumes].flatMap(mine), ...folders];
}

describe('a drill', () => {
  let before: Awaited<ReturnType<typeof snapshot>>;

  beforeEach(async () => {
    before = await snapshot(stack);
  });

  async function leftNothing(): Promise<void> {
    expect(await traces()).toEqual([]);
    // Those of other drills come and go.
    const tags = () => docker('image', 'ls', '--quiet', 'compose-rollback/drill');
    await until(async () => (await tags()) === '', 'no tag of a drill is left');
    expect(await snapshot(stack)).toEqual(before);
    expect(await answer(port)).toBe('v2');
  }

  test('passes from the recorded data, image and files, while the project goes on', async () => {
    const { stdout, stderr } = await ok(stack, 'verify', good, '--drill');
    expect(stdout).toMatch(
      /✓ rb-\w+: \d+ files as recorded\nDrill: 3 services came up from the point alone, and of 1 nobody can tell /,
    );
    expect(stdout).toContain('✓ redis: probe "redis-cli" passed');
    expect(stdout).toContain('✓ api: GET /health answered 200');
    expect(stderr).toContain('Starting api, borrower, redis');
    expect(stderr).toContain(`! ${SOCKET} is not in the point: it is not mounted`);
    expect(stderr).toContain('! api: probes of whole URLs do not ask the drill');
    await leftNothing();
  });

  test('says so, and ends with 1, when a service does not come up from its data', async () => {
    await stack.write({ 'rollback.yaml': probes('second', 'v2') });
    onTestFinished(async () => void (await stack.write({ 'rollback.yaml': probes('first', 'v1') })));
    before = await snapshot(stack);
    const { exitCode, stdout } = await cli(stack, 'verify', bad, '--drill', '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      points: [
        {
          id: bad,
          sound: true,
          drill: {
            verdicts: {
              redis: { status: 'pass' },
              borrower: {
                status: 'fail',
                reason: expect.stringMatching(/^could not be started: .*\/lent\/sleep/),
              },
              api: { status: 'fail', reason: expect.stringContaining('GET /health answered 500') },
            },
          },
        },
      ],
    });
    await leftNothing();
  });

  test('brings an image from the archive, and leaves the engine without it', async () => {
    await docker('image', 'rm', '--force', firstImage);
    before = await snapshot(stack);
    expect(await json(stack, 'verify', good, '--drill')).toMatchObject({
      points: [{ drill: { verdicts: { api: { status: 'pass' }, redis: { status: 'pass' } } } }],
    });
    await expect(docker('image', 'inspect', firstImage)).rejects.toThrow('No such image');
    await leftNothing();
  });

  test.each(['SIGINT', 'SIGKILL'] as const)(
    '%s: what it made goes, at once or with the next',
    async (signal) => {
      const child = spawn(process.execPath, [MAIN, 'verify', good, '--drill'], {
        cwd: stack.directory,
        env: { ...process.env, COMPOSE_ROLLBACK_LOCK_DIR: stack.locks },
        stdio: 'ignore',
      });
      const ended = once(child, 'exit');
      await until(
        async () => (await traces()).some((name) => name.includes('redis')),
        'a container is there',
      );
      child.kill(signal);
      const [code] = await ended;
      if (signal === 'SIGINT') expect(code).toBe(130);
      else {
        expect(await traces()).not.toEqual([]);
        await ok(stack, 'pin', good);
        await ok(stack, 'unpin', good);
        before = { ...before, backups: (await snapshot(stack)).backups };
      }
      await leftNothing();
    },
  );

  test('of a damaged point is not begun', async () => {
    const recorded = stack.path(`rollback/backups/${bad}/configs/motd`);
    const motd = await readFile(recorded);
    onTestFinished(() => writeFile(recorded, motd));
    await writeFile(recorded, 'changed');
    before = await snapshot(stack);
    const { exitCode, stdout, stderr } = await cli(stack, 'verify', bad, '--drill');
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining('damaged')]);
    expect(stderr).not.toContain('Starting');
    await leftNothing();
  });
});
