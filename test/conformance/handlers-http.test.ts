import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { Handler, HandlerContext } from '../../src/handlers/handler.js';
import { HandlerRegistry } from '../../src/handlers/registry.js';
import { verifyService } from '../../src/handlers/verify.js';
import { connectTestEngine } from '../support/engine.js';
import { eventually, startStack, type TestStack } from '../support/handlers.js';

/** An API whose health is what the file /tmp/status in its container says. */
const SERVER = `
const fs = require('node:fs');
require('node:http').createServer((request, response) => {
  if (request.url === '/moved') return response.writeHead(302, { location: 'http://elsewhere.test/?token=s3cret' }).end();
  if (request.url !== '/health') return response.writeHead(404).end();
  const status = fs.existsSync('/tmp/status') ? Number(fs.readFileSync('/tmp/status')) : 200;
  response.writeHead(status).end(JSON.stringify({ status }));
}).listen(8000);
process.on('SIGTERM', () => process.exit(0));
`;
const COMPOSE = `
x-node: &node
  image: node:20-alpine
  init: true
services:
  api:
    <<: *node
    command: ['node', '/server.cjs']
    volumes: ['./server.cjs:/server.cjs:ro']
    expose: ['8000']
    depends_on: [redis, other]
  published:
    <<: *node
    command: ['node', '/server.cjs']
    volumes: ['./server.cjs:/server.cjs:ro']
    ports: ['127.0.0.1::8000']
  replicas:
    <<: *node
    command: ['node', '/server.cjs']
    volumes: ['./server.cjs:/server.cjs:ro']
    expose: ['8000']
    scale: 2
  on-host:
    <<: *node
    command: ['node', '-e', 'require("node:http").createServer((_, answer) => answer.end()).listen(18437, "127.0.0.1")']
    network_mode: host
  sidecar:
    <<: *node
    command: ['sleep', '600']
    network_mode: service:published
  silent:
    <<: *node
    command: ['sleep', '600']
    ports: ['127.0.0.1::8000']
  portless:
    <<: *node
    command: ['sleep', '600']
  dies:
    <<: *node
    command: ['node', '-e', 'console.error("loading"); console.error("no database url"); process.exit(3)']
    expose: ['8000']
  redis:
    image: redis:7-alpine
  other:
    image: busybox:latest
    command: sleep 600
  grafana:
    image: grafana/grafana:latest
  grafana-down:
    image: grafana/grafana:latest
    entrypoint: ['sleep', '600']
`;

let engine: Engine;
let stack: TestStack;
const registry = new HandlerRegistry();
const api = registry.get('api');
const grafana = registry.get('grafana');

beforeAll(async () => {
  engine = await connectTestEngine();
  stack = await startStack(engine, 'h-http', COMPOSE, { 'server.cjs': SERVER });
  await stack.logged('redis', 'Ready to accept connections');
});

async function inside(service: string, ...argv: string[]): Promise<void> {
  const { id } = await stack.container(service);
  const { exitCode, stderr } = await engine.exec(id, argv);
  expect([exitCode, stderr]).toEqual([0, '']);
}

/** This is what /health answers until the test ends, or `well` again. */
async function answers(service: string, status: number): Promise<void> {
  onTestFinished(() => well(service));
  await inside(service, 'sh', '-c', `echo ${status} > /tmp/status`);
}

const well = (service: string) => inside(service, 'rm', '-f', '/tmp/status');

const prepare = async (handler: Handler, context: HandlerContext) => handler.prepare?.(context);

describe('api', () => {
  test.each(['api', 'published', 'replicas'])('%s passes when /health answers 200', async (service) => {
    const verdict = await api.verify(stack.context(service));
    expect(verdict.status).toBe('pass');
    expect(verdict.reason).toContain('GET /health answered 200');
  });

  test('fails with the last status and how long it was waited for', async () => {
    await answers('api', 503);
    const context = stack.context('api', { config: { health_timeout: '1500ms' } });
    const verdict = await api.verify(context);
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toMatch(/^GET \/health answered 503 for 1(\.\d)? s$/);
    expect(context.reported).toEqual(['waiting: GET /health answered 503']);
  });

  test('one sick replica is enough, and it is named', async () => {
    await answers('replicas', 500);
    const { name } = await stack.container('replicas');
    const verdict = await api.verify(stack.context('replicas', { config: { health_timeout: 1 } }));
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toContain(`${name}: GET /health answered 500`);
  });

  test('waits for an API that comes up late', async () => {
    await answers('published', 503);
    const context = stack.context('published');
    const verdict = api.verify(context);
    await eventually(async () => context.reported.length > 0, 'it waits');
    await well('published');
    expect(await verdict).toEqual({ status: 'pass', reason: 'GET /health answered 200' });
  });

  test('an accepting published port with nothing behind it is a failure', async () => {
    for (const local of [true, false]) {
      const config = { health_timeout: 1 };
      const verdict = await api.verify(stack.context('silent', { config, local }));
      expect(verdict.status).toBe('fail');
      expect(verdict.reason).toMatch(/^GET \/health: (connection refused|the connection was closed)/);
    }
  });

  test('network_mode host and service are reached where they listen', async () => {
    const host = await api.verify(stack.context('on-host', { config: { port: 18437, health_path: '/any' } }));
    expect(host).toEqual({ status: 'pass', reason: 'GET /any answered 200' });
    const shared = await api.verify(stack.context('sidecar', { config: { port: 8000 } }));
    expect(shared).toEqual({ status: 'pass', reason: 'GET /health answered 200' });
  });

  test('a redirect is not followed, and told without its query', async () => {
    const config = { health_path: '/moved', health_timeout: 0 };
    const verdict = await api.verify(stack.context('published', { config }));
    expect(verdict).toEqual({
      status: 'fail',
      reason: 'GET /moved answered 302 (points to http://elsewhere.test/)',
    });
  });

  test('cannot tell without a port', async () => {
    const verdict = await api.verify(stack.context('portless'));
    expect(verdict.status).toBe('inconclusive');
    expect(verdict.reason).toContain('no port is known for portless');
  });

  test('does not wait for a container that has ended, and tells its last words', async () => {
    await eventually(async () => (await stack.container('dies')).state === 'exited', 'it exits');
    expect(await verifyService(api, stack.context('dies'))).toEqual({
      status: 'fail',
      reason: 'exited with code 3; its log ends: loading | no database url',
    });
  });

  test('an abort ends the wait with its own reason', async () => {
    const abort = new AbortController();
    const verdict = api.verify(stack.context('silent', { signal: abort.signal }));
    abort.abort(new Error('the user said stop'));
    await expect(verdict).rejects.toThrow('the user said stop');
  });

  describe('its dependencies', () => {
    test('those with a redis are found by their handler', async () => {
      expect(await prepare(api, stack.context('api'))).toEqual({
        status: 'pass',
        reason: 'redis: PING answered PONG',
      });
      expect((await prepare(api, stack.context('published')))?.status).toBe('pass');
    });

    test('one that is down is told, and never blocks', async () => {
      const verdict = await prepare(api, stack.context('api', { config: { needs: ['redis', 'dies'] } }));
      expect(verdict).toEqual({
        status: 'inconclusive',
        reason: 'its dependency dies is not well: exited with code 3',
      });
      const unknown = await prepare(api, stack.context('api', { config: { needs: ['nowhere'] } }));
      expect(unknown?.reason).toBe('its dependency nowhere is not well: nowhere has no container');
    });

    test('a redis that hangs costs little time', async () => {
      const { id } = await stack.container('redis');
      await engine.signal(id, 'SIGSTOP');
      try {
        const started = performance.now();
        const verdict = await prepare(api, stack.context('api'));
        expect(verdict?.status).toBe('inconclusive');
        expect(verdict?.reason).toMatch(/^its dependency redis is not well: PING/);
        expect(performance.now() - started).toBeLessThan(6000);
      } finally {
        await engine.signal(id, 'SIGCONT');
      }
    });
  });
});

describe('grafana', () => {
  test('passes when its database is ok', async () => {
    expect(await grafana.verify(stack.context('grafana'))).toEqual({
      status: 'pass',
      reason: 'GET /api/health answered 200',
    });
  });

  test('fails when its database is not, and when nobody answers', async () => {
    onTestFinished(() => inside('grafana', 'mv', '/var/lib/grafana/away', '/var/lib/grafana/grafana.db'));
    await inside('grafana', 'mv', '/var/lib/grafana/grafana.db', '/var/lib/grafana/away');
    const config = { health_timeout: 1 };
    const sick = await grafana.verify(stack.context('grafana', { config }));
    expect(sick.status).toBe('fail');
    expect(sick.reason).toMatch(/^GET \/api\/health answered 503 for /);
    expect((await grafana.verify(stack.context('grafana-down', { config }))).status).toBe('fail');
  });

  test('an answer without a database is not taken for health', async () => {
    const config = { health_path: '/login', health_timeout: 0 };
    expect(await grafana.verify(stack.context('grafana', { config }))).toEqual({
      status: 'fail',
      reason: 'GET /login answered 200, but its database is not ok',
    });
  });

  test('cannot tell when it is out of reach', async () => {
    expect((await grafana.verify(stack.context('grafana', { local: false }))).status).toBe('inconclusive');
  });

  test('settles for 5 s, unless aborted', async () => {
    const started = performance.now();
    expect((await grafana.settle?.(stack.context('grafana')))?.status).toBe('pass');
    expect(performance.now() - started).toBeGreaterThanOrEqual(4990);

    const abort = new AbortController();
    const settling = grafana.settle?.(stack.context('grafana', { signal: abort.signal }));
    abort.abort(new Error('the user said stop'));
    await expect(settling).rejects.toThrow('the user said stop');
  });
});
