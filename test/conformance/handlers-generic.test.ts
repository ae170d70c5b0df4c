import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { Handler, HandlerContext } from '../../src/handlers/handler.js';
import { HandlerRegistry } from '../../src/handlers/registry.js';
import { verifyService } from '../../src/handlers/verify.js';
import { pass } from '../../src/model/verdict.js';
import { connectTestEngine, docker } from '../support/engine.js';
import { eventually, startStack, type TestStack } from '../support/handlers.js';

const COMPOSE = `
x-box: &box
  image: busybox:latest
  init: true
services:
  healthy:
    <<: *box
    command: sleep 600
    healthcheck: { test: ['CMD', 'true'], interval: 1s, timeout: 5s, retries: 2 }
  unhealthy:
    <<: *box
    command: sleep 600
    healthcheck: { test: ['CMD', 'false'], interval: 500ms, timeout: 5s, retries: 2 }
  undecided:
    <<: *box
    command: sleep 600
    healthcheck: { test: ['CMD', 'true'], interval: 10m }
  listener:
    <<: *box
    command: httpd -f -p 8080
    ports: ['127.0.0.1::8080']
  silent:
    <<: *box
    command: sleep 600
    ports: ['127.0.0.1::8080']
  inward:
    <<: *box
    command: httpd -f -p 127.0.0.1:8080
    ports: ['127.0.0.1::8080']
  exposed:
    <<: *box
    command: httpd -f -p 8080
    expose: ['8080']
  idle:
    <<: *box
    command: sleep 600
    expose: ['8080']
  worker:
    <<: *box
    command: sleep 600
  job:
    <<: *box
    command: 'true'
  broken:
    <<: *box
    command: sh -c 'echo one; echo two; echo three; echo four; echo five; echo six; exit 7'
  looping:
    <<: *box
    command: sh -c 'echo cannot go on; exit 4'
    restart: always
  flapping:
    <<: *box
    command: sh -c 'httpd -p 8080; sleep 1; exit 5'
    restart: always
    expose: ['8080']
  mortal:
    <<: *box
    command: sh -c 'httpd -p 8080; while [ ! -e /tmp/die ]; do sleep 0.1; done; echo out of memory; exit 9'
    expose: ['8080']
  twins:
    <<: *box
    command: sh -c 'sleep 600'
    scale: 2
`;

let engine: Engine;
let stack: TestStack;
const generic = new HandlerRegistry().get('generic');

beforeAll(async () => {
  engine = await connectTestEngine();
  stack = await startStack(engine, 'h-generic', COMPOSE);
});

const verify = async (context: HandlerContext) => verifyService(generic, context);

describe('with a health check', () => {
  test('waits until it says healthy', async () => {
    expect(await verify(stack.context('healthy'))).toEqual(pass('its health check says healthy'));
  });

  test('fails when it says unhealthy', async () => {
    const verdict = await verify(stack.context('unhealthy'));
    expect(verdict).toEqual({ status: 'fail', reason: 'its health check says unhealthy' });
  });

  test('cannot tell when it comes to no answer in time', async () => {
    const verdict = await verify(stack.context('undecided', { config: { health_timeout: 1 } }));
    expect(verdict.status).toBe('inconclusive');
    expect(verdict.reason).toContain('its health check has not come to an answer');
  });
});

describe('without a health check', () => {
  test.each(['listener', 'exposed'])('%s passes: it listens', async (service) => {
    expect(await verify(stack.context(service))).toEqual(pass('listens on port 8080'));
  });

  test.each(['listener', 'exposed'])('%s passes for an engine that is elsewhere', async (service) => {
    expect(await verify(stack.context(service, { local: false }))).toEqual(pass('listens on port 8080'));
  });

  test.each(['silent', 'inward'])(
    '%s fails: its published port is dead, though it accepts',
    async (service) => {
      for (const local of [true, false]) {
        const verdict = await verify(stack.context(service, { config: { health_timeout: 1 }, local }));
        expect(verdict.status).toBe('fail');
        // A machine at work may come to a single try, which took no time.
        expect(verdict.reason).toMatch(/^nothing listens on port 8080(?: for |$)/);
      }
    },
  );

  test('a port that is merely exposed promises nothing', async () => {
    const verdict = await verify(stack.context('idle', { config: { health_timeout: 1 } }));
    expect(verdict.status).toBe('inconclusive');
    expect(verdict.reason).toMatch(/^nothing listens on port 8080/);
  });

  test('cannot tell without any port', async () => {
    const reason = 'no health check and no port is known for it';
    expect(await verify(stack.context('worker'))).toEqual({ status: 'inconclusive', reason });
  });

  test('a job that ended well may have been meant to', async () => {
    await eventually(async () => (await stack.container('job')).state === 'exited', 'the job ends');
    expect((await verify(stack.context('job'))).status).toBe('inconclusive');
  });

  test('fails with the exit code and the last five lines of the log', async () => {
    await eventually(async () => (await stack.container('broken')).state === 'exited', 'it exits');
    expect(await verify(stack.context('broken'))).toEqual({
      status: 'fail',
      reason: 'exited with code 7; its log ends: two | three | four | five | six',
    });
  });

  test('fails without a container', async () => {
    expect(await verify(stack.context('nowhere'))).toEqual({
      status: 'fail',
      reason: 'nowhere has no container',
    });
  });

  test('fails when one replica is gone', async () => {
    const [first = ''] = await stack.project.ids('twins');
    onTestFinished(async () => void (await docker('start', first)));
    await docker('kill', first);
    await eventually(async () => (await engine.container(first))?.state === 'exited', 'it is dead');
    const verdict = await verify(stack.context('twins'));
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toMatch(/twins-1: exited with code 137/);
  });
});

describe('the watch for crashes', () => {
  test('a crash loop is always a failure', async () => {
    for (let round = 0; round < 3; round++) {
      const verdict = await verify(stack.context('looping', { config: { health_timeout: 2 } }));
      expect(verdict.status).toBe('fail');
      expect(verdict.reason).toMatch(/restart|exited with code 4/);
      expect(verdict.reason).toContain('cannot go on');
    }
  });

  test('so is one that answers well between two crashes', async () => {
    await eventually(async () => (await stack.container('flapping')).restartCount > 0, 'it restarted');
    const verdict = await verify(stack.context('flapping'));
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toMatch(/restarted/);
  });

  test('a container that dies after it had been found well', async () => {
    const { id } = await stack.container('mortal');
    await docker('restart', '--time', '1', id);
    const dying: Handler = {
      kind: 'dying',
      matches: () => false,
      async verify(context) {
        const verdict = await generic.verify(context);
        await engine.exec(id, ['touch', '/tmp/die']);
        return verdict;
      },
    };
    expect(await verifyService(dying, stack.context('mortal'))).toEqual({
      status: 'fail',
      reason:
        'exited with code 9 after this had been found: listens on port 8080; its log ends: out of memory',
    });
  });

  test('configured probes take the place of the own check, not of the watch', async () => {
    const probes = [{ exec: ['true'] }];
    expect((await verify(stack.context('silent', { config: { probes } }))).status).toBe('pass');
    expect((await verify(stack.context('flapping', { config: { probes } }))).status).toBe('fail');
  });

  test('nothing is waited for where a container has been up for long', async () => {
    const { startedAt } = await stack.container('listener');
    await eventually(async () => Date.now() - Date.parse(startedAt) > 10_000, 'it is up for 10 s');
    const started = performance.now();
    expect((await verify(stack.context('listener'))).status).toBe('pass');
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
