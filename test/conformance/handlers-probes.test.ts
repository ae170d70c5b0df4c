import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { runProbes } from '../../src/handlers/probe.js';
import type { Verdict } from '../../src/model/verdict.js';
import { connectTestEngine, docker } from '../support/engine.js';
import { startStack, type ContextOptions, type TestStack } from '../support/handlers.js';

const COMPOSE = `
x-box: &box
  image: busybox:latest
  init: true
services:
  web:
    <<: *box
    command: sh -c 'mkdir /www && echo all is well > /www/state && exec httpd -f -p 8080 -h /www'
    ports: ['127.0.0.1::8080']
    expose: ['8080', '9999']
  mute:
    image: node:20-alpine
    init: true
    command: ['node', '-e', 'require("node:net").createServer(() => {}).listen(8080, () => console.log("mute"))']
    expose: ['8080']
  catless: &catless
    <<: *box
    command: sh -c 'rm /bin/cat && exec sleep 600'
    expose: ['8080']
  adrift: *catless
  plain:
    <<: *box
    command: sleep 600
`;

let engine: Engine;
let stack: TestStack;

beforeAll(async () => {
  engine = await connectTestEngine();
  stack = await startStack(engine, 'h-probes', COMPOSE);
  await stack.logged('mute', 'mute');
});

async function probe(service: string, one: object, options: ContextOptions = {}): Promise<Verdict> {
  const context = stack.context(service, { ...options, config: { probes: [one], ...options.config } });
  return await runProbes(context, context.config.probes);
}

describe('exec', () => {
  test('exit code and text decide', async () => {
    expect(await probe('plain', { exec: ['echo', 'ready'] })).toEqual({
      status: 'pass',
      reason: 'probe "echo" passed',
    });
    const exit = { exit_code: 3 };
    expect((await probe('plain', { exec: ['sh', '-c', 'exit 3'], expect: exit })).status).toBe('pass');
    expect(await probe('plain', { exec: ['sh', '-c', 'echo no >&2; exit 1'], retries: 0 })).toEqual({
      status: 'fail',
      reason: 'probe "sh" exited with code 1: no',
    });
    const text = { exec: ['echo', 'starting'], expect: { text: 'ready' }, retries: 0 };
    expect(await probe('plain', text)).toEqual({
      status: 'fail',
      reason: 'probe "echo" did not print "ready"',
    });
  });

  test('a program that is not there fails at once', async () => {
    expect(await probe('plain', { exec: ['no-such-program'] })).toEqual({
      status: 'fail',
      reason: 'probe "no-such-program": there is no such program in the container',
    });
  });

  test('a try that hangs is cut off', async () => {
    const verdict = await probe('plain', { exec: ['sleep', '20'], timeout: '300ms', retries: 0 });
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toContain('took longer than 0.3 s');
  });

  test('tries are counted, with a pause in between', async () => {
    await probe('plain', { exec: ['rm', '-f', '/tmp/tries'] });
    const script = 'echo x >> /tmp/tries; [ $(wc -l < /tmp/tries) -ge 3 ]';
    const counted = { exec: ['sh', '-c', script], interval: '50ms' };
    expect((await probe('plain', { ...counted, retries: 1 })).status).toBe('fail');
    expect((await probe('plain', { ...counted, retries: 1 })).status).toBe('pass');
  });

  test('arguments are in no message', async () => {
    const verdict = await probe('plain', { exec: ['false', 's3cret'], retries: 0 });
    expect(verdict.reason).toBe('probe "false" exited with code 1');
  });
});

describe('http', () => {
  test('a path on the service: status and text decide', async () => {
    const text = { text: 'all is well' };
    expect(await probe('web', { http: '/state', expect: text })).toEqual({
      status: 'pass',
      reason: 'GET /state answered 200',
    });
    expect((await probe('web', { http: '/none', expect: { status: [404, 410] } })).status).toBe('pass');
    expect(await probe('web', { http: '/none?token=s3cret', retries: 0 })).toEqual({
      status: 'fail',
      reason: 'GET /none answered 404',
    });
    expect(await probe('web', { http: '/state', expect: { text: 'bad' }, retries: 0 })).toEqual({
      status: 'fail',
      reason: 'GET /state answered 200 without "bad"',
    });
  });

  test('a whole URL, whose password is not told', async () => {
    const port = (await stack.container('web')).ports[0]?.hostPort;
    const url = `http://user:s3cret@127.0.0.1:${port}/none?token=s3cret`;
    expect(await probe('plain', { http: url, retries: 0 })).toEqual({
      status: 'fail',
      reason: `GET http://127.0.0.1:${port}/none answered 404`,
    });
    expect((await probe('plain', { http: `http://127.0.0.1:${port}/state` })).status).toBe('pass');
  });

  test('somebody who accepts and says nothing is cut off', async () => {
    const verdict = await probe('mute', { http: '/', timeout: '300ms', retries: 0 });
    expect(verdict).toEqual({ status: 'fail', reason: 'GET /: no answer within 0.3 s' });
  });

  test('a refused connection is a failure in plain words', async () => {
    expect(await probe('web', { http: '/', port: 81, retries: 0 })).toEqual({
      status: 'fail',
      reason: 'GET /: connection refused',
    });
  });

  test('cannot tell without a port, or when it is out of reach', async () => {
    expect((await probe('plain', { http: '/' })).status).toBe('inconclusive');
    expect((await probe('mute', { http: '/' }, { local: false })).status).toBe('inconclusive');
    expect((await probe('web', { http: '/state' }, { local: false })).status).toBe('pass');
  });
});

describe('tcp', () => {
  test.each([true, false])('asks the container itself (engine here: %s)', async (local) => {
    expect((await probe('web', { tcp: 8080 }, { local })).status).toBe('pass');
    expect(await probe('web', { tcp: 9999, retries: 0 }, { local })).toEqual({
      status: 'fail',
      reason: 'nothing listens on port 9999',
    });
  });

  test('cannot tell where there is no way to look', async () => {
    const verdict = await probe('catless', { tcp: 8080 }, { local: false });
    expect(verdict.status).toBe('inconclusive');
  });

  test('without an address of its own the table of sockets is read', async () => {
    const { id, addresses } = await stack.container('adrift');
    for (const network of Object.keys(addresses)) {
      await docker('network', 'disconnect', network, id);
    }
    const verdict = await probe('adrift', { tcp: 8080, retries: 0 });
    expect(verdict).toEqual({ status: 'fail', reason: 'nothing listens on port 8080' });
  });
});

test('of several probes the worst answers', async () => {
  const context = stack.context('web', {
    config: { probes: [{ tcp: 8080 }, { http: '/state' }, { exec: ['false'], retries: 0 }] },
  });
  expect((await runProbes(context, context.config.probes)).reason).toBe('probe "false" exited with code 1');
});
