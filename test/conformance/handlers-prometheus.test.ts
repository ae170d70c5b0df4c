import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { Handler, MountedFile } from '../../src/handlers/handler.js';
import { HandlerRegistry } from '../../src/handlers/registry.js';
import type { Verdict } from '../../src/model/verdict.js';
import { connectTestEngine, docker } from '../support/engine.js';
import { eventually, startStack, type TestStack } from '../support/handlers.js';

const TARGET = '/etc/prometheus/prometheus.yml';
const COMPOSE = `
services:
  prometheus:
    image: prom/prometheus:latest
    ports: ['127.0.0.1::9090']
    volumes: ['./prometheus.yml:${TARGET}:ro']
  deaf:
    image: prom/prometheus:latest
    entrypoint: ['sh', '-c', 'trap "" HUP; prometheus --config.file=${TARGET} --storage.tsdb.path=/tmp/data; true']
  down:
    image: prom/prometheus:latest
    entrypoint: ['sleep', '600']
`;
const FIRST = config('first');

let engine: Engine;
let stack: TestStack;
let prometheus: Handler;

beforeAll(async () => {
  engine = await connectTestEngine();
  prometheus = new HandlerRegistry().get('prometheus');
  stack = await startStack(engine, 'h-prometheus', COMPOSE, { 'prometheus.yml': FIRST });
});

// Every test starts from a Prometheus that has read the first configuration.
beforeEach(async () => {
  await stack.project.write({ 'prometheus.yml': FIRST });
  await stack.project.compose('restart', '--timeout', '5', 'prometheus');
  await eventually(
    async () => (await runningConfig()).includes('team: first'),
    'it runs the first configuration',
  );
});

function config(team: string): string {
  return `global:\n  scrape_interval: 60s\n  external_labels:\n    team: ${team}\n`;
}

async function address(): Promise<string> {
  const { addresses } = await stack.container('prometheus');
  return `http://${Object.values(addresses)[0]}:9090`;
}

/** What Prometheus itself says it has read. */
async function runningConfig(): Promise<string> {
  try {
    return await (await fetch(`${await address()}/api/v1/status/config`)).text();
  } catch (error) {
    if (error instanceof TypeError) return '';
    throw error;
  }
}

function file(text: string): MountedFile {
  return { target: TARGET, sha256: `sha256:${createHash('sha256').update(text).digest('hex')}` };
}

async function reload(...files: MountedFile[]): Promise<Verdict | undefined> {
  return await prometheus.reload?.(stack.context('prometheus', { config: { health_timeout: 3 } }), files);
}

describe('reload', () => {
  test('a file rewritten in place is read without a restart', async () => {
    const before = await stack.container('prometheus');
    await writeFile(stack.project.path('prometheus.yml'), config('second'));
    expect(await reload(file(config('second')))).toEqual({
      status: 'pass',
      reason: 'reloaded its configuration',
    });
    expect(await runningConfig()).toContain('team: second');
    const after = await stack.container('prometheus');
    expect([after.id, after.startedAt, after.restartCount]).toEqual([before.id, before.startedAt, 0]);
  });

  test('a file replaced by rename is not seen, and nothing is signalled', async () => {
    await writeFile(stack.project.path('new.yml'), config('second'));
    await rename(stack.project.path('new.yml'), stack.project.path('prometheus.yml'));
    expect(await reload(file(config('second')))).toEqual({
      status: 'fail',
      reason: `the container does not see the new ${TARGET}`,
    });
    expect(await runningConfig()).toContain('team: first');
  });

  test('a broken file is refused, and the words of Prometheus are told', async () => {
    const broken = 'global: [this is no mapping]\n';
    await writeFile(stack.project.path('prometheus.yml'), broken);
    const verdict = await reload(file(broken));
    expect(verdict?.status).toBe('fail');
    expect(verdict?.reason).toMatch(
      /^refused its new configuration; its log ends: .*[Ee]rror (re)?loading config.*cannot unmarshal/,
    );
    expect(await runningConfig()).toContain('team: first');
  });

  test('after a reload that had failed, a good file is recognized, and another broken one too', async () => {
    const broken = 'global: [this is no mapping]\n';
    await writeFile(stack.project.path('prometheus.yml'), broken);
    await reload(file(broken));
    const again = await reload(file(broken));
    expect(again?.status).toBe('fail');
    expect(again?.reason).toMatch(/^has not reloaded its configuration for /);
    await writeFile(stack.project.path('prometheus.yml'), config('third'));
    expect((await reload(file(config('third'))))?.status).toBe('pass');
    expect(await runningConfig()).toContain('team: third');
  });

  test('a Prometheus that the signal does not reach has not reloaded', async () => {
    const context = stack.context('deaf', { config: { health_timeout: 2 } });
    expect((await prometheus.verify(context)).status).toBe('pass');
    const verdict = await prometheus.reload?.(context, []);
    expect(verdict?.status).toBe('fail');
    expect(verdict?.reason).toMatch(/^has not reloaded its configuration for /);
  });

  test('a file that is not there cannot be compared', async () => {
    const verdict = await reload({ ...file(FIRST), target: '/etc/prometheus/gone.yml' });
    expect(verdict?.status).toBe('inconclusive');
    expect(verdict?.reason).toContain('/etc/prometheus/gone.yml cannot be read');
  });

  test('without sha256sum in the container its root is looked at from outside', async () => {
    await writeFile(stack.project.path('prometheus.yml'), config('second'));
    const { id } = await stack.container('prometheus');
    await docker('exec', '--user', '0', id, 'rm', '/bin/sha256sum');
    try {
      expect((await reload({ ...file(config('other')) }))?.status).toBe('fail');
      expect((await reload(file(config('second'))))?.status).toBe('pass');
    } finally {
      await docker('exec', '--user', '0', id, 'ln', '-s', 'busybox', '/bin/sha256sum');
    }
  });

  test('a Prometheus that does not answer is not signalled', async () => {
    const verdict = await prometheus.reload?.(stack.context('down'), []);
    expect(verdict?.status).toBe('inconclusive');
    expect(verdict?.reason).toContain('GET /metrics: connection refused');
    expect((await prometheus.reload?.(stack.context('nowhere'), []))?.status).toBe('inconclusive');
  });
});

describe('verify', () => {
  test('passes when it says that it is healthy', async () => {
    expect(await prometheus.verify(stack.context('prometheus'))).toEqual({
      status: 'pass',
      reason: 'GET /-/healthy answered 200',
    });
  });

  test('the published port does for an engine that is elsewhere', async () => {
    expect((await prometheus.verify(stack.context('prometheus', { local: false }))).status).toBe('pass');
  });

  test('fails when nobody answers', async () => {
    const verdict = await prometheus.verify(stack.context('down', { config: { health_timeout: 1 } }));
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toMatch(/^GET \/-\/healthy: connection refused for /);
  });

  test('cannot tell when its port is out of reach', async () => {
    const verdict = await prometheus.verify(stack.context('down', { local: false }));
    expect(verdict.status).toBe('inconclusive');
    expect(verdict.reason).toMatch(/port 9090 .* cannot be reached from this machine/);
  });
});
