import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { Handler, HandlerContext } from '../../src/handlers/handler.js';
import { HandlerRegistry } from '../../src/handlers/registry.js';
import type { Verdict } from '../../src/model/verdict.js';
import { connectTestEngine } from '../support/engine.js';
import { eventually, startStack, type TestStack } from '../support/handlers.js';

const COMPOSE = `
services:
  cache:
    image: redis:7-alpine
    command: redis-server --enable-debug-command yes
  secret:
    image: redis:7-alpine
    command: redis-server --requirepass s3cret-in-argv
  hidden:
    image: redis:7-alpine
    command: sh -c "echo 'requirepass unknown-to-us' > /tmp/r.conf && exec redis-server /tmp/r.conf --protected-mode no"
  by-env:
    image: redis:7-alpine
    environment: { OUR_PASSWORD: s3cret-in-env }
    command: sh -c 'exec redis-server --requirepass "$$OUR_PASSWORD" --protected-mode no'
  readonly:
    image: redis:7-alpine
    command: redis-server --dir /sys --save ''
  bare:
    image: redis:7-alpine
    command: sh -c "rm /usr/local/bin/redis-cli && exec redis-server --protected-mode no --requirepass s3cret"
  down:
    image: redis:7-alpine
    command: sleep 600
`;

let engine: Engine;
let stack: TestStack;
let redis: Handler;

beforeAll(async () => {
  engine = await connectTestEngine();
  redis = new HandlerRegistry().get('redis');
  stack = await startStack(engine, 'h-redis', COMPOSE);
  for (const service of ['cache', 'secret', 'hidden', 'by-env', 'readonly', 'bare']) {
    await stack.logged(service, 'Ready to accept connections');
  }
});

async function cli(service: string, ...argv: string[]): Promise<string> {
  const { id } = await stack.container(service);
  return (await engine.exec(id, ['redis-cli', ...argv])).stdout.trim();
}

async function prepare(context: HandlerContext): Promise<Verdict | undefined> {
  return await redis.prepare?.(context);
}

describe('prepare', () => {
  test('saves: the key is in the dump file, whose time is new', async () => {
    await cli('cache', 'SET', 'proof', 'prepared-by-handler');
    expect(Number(await cli('cache', 'INFO', 'persistence').then(changesIn))).toBeGreaterThan(0);
    expect(await prepare(stack.context('cache'))).toEqual({ status: 'pass', reason: 'SAVE answered OK' });
    expect(Number(await cli('cache', 'INFO', 'persistence').then(changesIn))).toBe(0);
    const { id } = await stack.container('cache');
    const dump = await engine.exec(id, ['grep', '-c', 'prepared-by-handler', '/data/dump.rdb']);
    expect(dump.stdout.trim()).toBe('1');
  });

  test.each([['secret'], ['by-env'], ['bare']])('knows the password of %s', async (service) => {
    expect(await prepare(stack.context(service))).toEqual({ status: 'pass', reason: 'SAVE answered OK' });
    const { id } = await stack.container(service);
    expect((await engine.exec(id, ['test', '-s', '/data/dump.rdb'])).exitCode).toBe(0);
  });

  test('fails with the server’s words when it cannot save', async () => {
    const verdict = await prepare(stack.context('readonly'));
    expect(verdict?.status).toBe('fail');
    expect(verdict?.reason).toMatch(
      /^SAVE answered "ERR.*"; its log ends: .*(Permission denied|Failed opening)/,
    );
  });

  test('cannot tell without the password, and says what to configure', async () => {
    const verdict = await prepare(stack.context('hidden'));
    expect(verdict?.status).toBe('inconclusive');
    expect(verdict?.reason).toMatch(/NOAUTH.*REDISCLI_AUTH/);
  });

  test('a server that is down never blocks', async () => {
    const verdict = await prepare(stack.context('down'));
    expect(verdict?.status).toBe('inconclusive');
    expect(verdict?.reason).toMatch(/nothing was saved: PING: Could not connect.*refused/);
    expect(await prepare(stack.context('nowhere'))).toEqual({
      status: 'inconclusive',
      reason: 'nowhere is not running: nothing to save',
    });
  });

  test('without redis-cli and without a way there it cannot tell', async () => {
    const verdict = await prepare(stack.context('bare', { local: false, config: { port: 6380 } }));
    expect(verdict?.status).toBe('inconclusive');
    expect(verdict?.reason).toContain('there is no redis-cli in the container');
  });

  test('waits while a data set is being loaded', async () => {
    await cli(
      'cache',
      'CONFIG',
      'SET',
      'key-load-delay',
      '40000',
      'loading-process-events-interval-bytes',
      '1024',
    );
    await cli('cache', 'DEBUG', 'POPULATE', '60', 'filler', '1024');
    const { id } = await stack.container('cache');
    // DEBUG RELOAD answers only when all is loaded, so it is sent and not waited for.
    const reload = engine.exec(id, ['redis-cli', 'DEBUG', 'RELOAD'], { timeout: 60_000 });
    await eventually(async () => (await cli('cache', 'PING')).startsWith('LOADING'), 'it loads');
    const context = stack.context('cache');
    expect(await prepare(context)).toEqual({ status: 'pass', reason: 'SAVE answered OK' });
    expect(context.reported.join()).toContain('LOADING');
    await reload;
    await cli('cache', 'CONFIG', 'SET', 'key-load-delay', '0');
  });

  test('passwords appear in no message', async () => {
    for (const service of ['secret', 'by-env', 'hidden', 'bare']) {
      const context = stack.context(service);
      const said = [await prepare(context), await redis.verify(context), context.reported];
      expect(JSON.stringify(said)).not.toMatch(/s3cret|unknown-to-us/);
    }
  });
});

describe('verify', () => {
  test('passes on PONG', async () => {
    for (const service of ['cache', 'secret', 'by-env', 'bare']) {
      expect(await redis.verify(stack.context(service))).toEqual({
        status: 'pass',
        reason: 'PING answered PONG',
      });
    }
  });

  test('fails when nobody answers', async () => {
    const verdict = await redis.verify(stack.context('down', { config: { health_timeout: 1 } }));
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toMatch(/PING: Could not connect to Redis.* for /);
  });

  test('fails when the process is stopped, though its container is up and its port accepts', async () => {
    const { id, addresses } = await stack.container('cache');
    await engine.signal(id, 'SIGSTOP');
    try {
      await accepts(Object.values(addresses)[0] ?? '', 6379);
      const verdict = await redis.verify(stack.context('cache', { config: { health_timeout: '2s' } }));
      expect(verdict.status).toBe('fail');
      expect(verdict.reason).toMatch(/PING: .*took longer than/);
    } finally {
      await engine.signal(id, 'SIGCONT');
    }
    expect((await redis.verify(stack.context('cache'))).status).toBe('pass');
  });

  test('cannot tell when a password is asked for', async () => {
    const verdict = await redis.verify(stack.context('hidden'));
    expect(verdict.status).toBe('inconclusive');
    expect(verdict.reason).toContain('NOAUTH');
  });
});

async function accepts(host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port });
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

function changesIn(info: string): string {
  return /rdb_changes_since_last_save:(\d+)/.exec(info)?.[1] ?? 'missing';
}
