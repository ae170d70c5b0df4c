import { describe, expect, test } from 'vitest';
import { healthcheckLimit } from '../../src/handlers/generic.js';
import type { Handler } from '../../src/handlers/handler.js';
import { lastLines } from '../../src/handlers/containers.js';
import { engineAddress } from '../../src/handlers/ports.js';
import { parseReloadMetrics } from '../../src/handlers/prometheus.js';
import { passwordOf } from '../../src/handlers/redis.js';
import { HandlerRegistry, repositoryOf } from '../../src/handlers/registry.js';
import { problemOf } from '../../src/handlers/stability.js';
import { listeningPorts } from '../../src/handlers/tcp.js';
import { type Attempt, waitFor, waiting } from '../../src/handlers/waiting.js';
import type { Container } from '../../src/model/engine.js';
import { inconclusive, pass } from '../../src/model/verdict.js';
import { containerOf } from '../support/folder.js';

describe('an image reference', () => {
  test.each([
    ['redis', 'redis'],
    ['redis:7-alpine', 'redis'],
    ['docker.io/library/redis:7', 'redis'],
    ['index.docker.io/library/redis', 'redis'],
    ['bitnami/redis:7.2', 'bitnami/redis'],
    ['quay.io/prometheus/prometheus:v2.53.0', 'prometheus/prometheus'],
    ['localhost:5000/redis@sha256:0a1b', 'redis'],
    ['localhost/team/api:v1@sha256:0a1b', 'team/api'],
    ['registry:5000/team/api', 'team/api'],
    ['sha256:0a1b2c', 'sha256'],
  ])('%s has the repository %s', (reference, repository) => {
    expect(repositoryOf(reference)).toBe(repository);
  });
});

describe('a handler is chosen', () => {
  const registry = new HandlerRegistry();
  const kindOf = (imageRef: string | undefined, service = 'svc', handler?: string) =>
    registry.choose({ service, imageRef, config: { handler } }).kind;

  test.each([
    ['redis:7-alpine', 'redis'],
    ['docker.io/library/redis:7', 'redis'],
    ['bitnami/redis', 'redis'],
    ['valkey/valkey:8', 'redis'],
    ['oliver006/redis_exporter', 'generic'],
    ['prom/prometheus', 'prometheus'],
    ['quay.io/prometheus/prometheus', 'prometheus'],
    ['prom/node-exporter', 'generic'],
    ['grafana/grafana', 'grafana'],
    ['grafana/grafana-oss:11.0.0', 'grafana'],
    ['grafana/loki', 'generic'],
    ['postgres', 'postgres'],
    ['postgis/postgis:15-3.4', 'postgres'],
    ['timescale/timescaledb', 'postgres'],
    ['shop-api:v1', 'generic'],
  ])('%s by its image: %s', (reference, kind) => {
    expect(kindOf(reference)).toBe(kind);
  });

  test('by configuration first, then image, then name', () => {
    expect(kindOf('redis:7', 'api', 'postgres')).toBe('postgres');
    expect(kindOf('redis:7', 'api')).toBe('redis');
    expect(kindOf('shop-api:v1', 'api')).toBe('api');
    expect(kindOf(undefined, 'redis')).toBe('redis');
    expect(kindOf(undefined, 'constructor')).toBe('generic');
  });

  test('an unknown one is refused, and the known ones are named', () => {
    expect(() => kindOf('redis:7', 'api', 'mysql\n')).toThrow(
      expect.objectContaining({
        code: 'config-invalid',
        message: 'there is no handler "mysql\\n"',
        hint: 'known handlers: api, generic, grafana, postgres, prometheus, redis',
      }),
    );
  });

  test('registered ones come before the built-in ones', () => {
    const own = new HandlerRegistry();
    const keydb: Handler = {
      kind: 'keydb',
      matches: (repository) => repository.endsWith('redis'),
      verify: async () => pass('fine'),
    };
    own.register(keydb);
    expect(own.choose({ service: 'cache', imageRef: 'redis:7', config: {} })).toBe(keydb);
    expect(own.choose({ service: 'cache', imageRef: 'redis:7', config: { handler: 'redis' } }).kind).toBe(
      'redis',
    );
    const redis: Handler = { ...keydb, kind: 'redis' };
    own.register(redis);
    expect(own.get('redis')).toBe(redis);
    expect(own.kinds()).toHaveLength(7);
  });
});

describe('waiting', () => {
  const patient = (attempts: Attempt[], timing: { total?: number; retries?: number } = {}) => {
    const reported: string[] = [];
    let tries = 0;
    const context = { signal: new AbortController().signal, report: (line: string) => reported.push(line) };
    const patience = { total: timing.total ?? 60_000, retries: timing.retries, interval: 1, timeout: 1000 };
    const attempt = async () => attempts[tries++] ?? waiting('no more');
    return { reported, tries: () => tries, verdict: waitFor(context, patience, attempt) };
  };

  test('ends with the first answer, and tells each reason once', async () => {
    const again = [waiting('a'), waiting('a'), waiting('b'), inconclusive('never known'), pass('late')];
    const run = patient(again);
    expect(await run.verdict).toEqual(inconclusive('never known'));
    expect(run.reported).toEqual(['waiting: a', 'waiting: b']);
  });

  test('counted tries', async () => {
    const run = patient([], { retries: 2, total: 0 });
    expect((await run.verdict).status).toBe('fail');
    expect(run.tries()).toBe(3);
  });

  test('one try has no duration, several have', async () => {
    expect((await patient([waiting('silent')], { total: 0 }).verdict).reason).toBe('silent');
    expect((await patient([], { total: 100 }).verdict).reason).toMatch(/^no more for \d+(?:\.\d)? s$/);
  });
});

test('listening ports are read from the kernel’s tables', () => {
  const table = `
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0B00007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 030012AC:01BB 010012AC:D431 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 00000000000000000000000000000000:2382 00000000000000000000000000000000:0000 0A 00000000:00000000 0
   4: 00000000000000000000000001000000:2383 00000000000000000000000000000000:0000 0A 00000000:00000000 0
   5: 0000000000000000FFFF00000100007F:2384 00000000000000000000000000000000:0000 0A 00000000:00000000 0`;
  expect([...listeningPorts(table, { loopback: false })]).toEqual([8080, 9090]);
  expect([...listeningPorts(table, { loopback: true })]).toEqual([8080, 53, 9090, 9091, 9092]);
});

test('what may happen to a container while it is watched', () => {
  const before = containerOf('api');
  const became = (more: Partial<Container>, found = pass('well')) =>
    problemOf(before, containerOf('api', more), found);
  expect(became({})).toBeUndefined();
  expect(became({ restartCount: 1 })).toBe('was restarted');
  expect(became({ startedAt: '2026-01-01T00:00:01Z' })).toBe('was restarted');
  expect(became({ state: 'restarting', exitCode: 2 })).toMatch(/again and again \(exited with code 2\)/);
  expect(became({ state: 'exited', exitCode: 0 })).toBe('exited with code 0');
  expect(became({ state: 'exited', exitCode: 0 }, inconclusive('a job?'))).toBeUndefined();
  expect(became({ state: 'exited', exitCode: 1 }, inconclusive('a job?'))).toBe('exited with code 1');
  expect(became({ state: 'paused' })).toBe('is paused, not running,');
  expect(problemOf(before, undefined, pass('well'))).toBe('its container was removed');
});

test.each([
  ['unix:///run/docker.sock', true, '127.0.0.1'],
  ['tcp://127.0.0.1:2375', true, '127.0.0.1'],
  ['tcp://10.0.0.5:2376', false, '10.0.0.5'],
  ['ssh://ops@build.example:2222', false, 'build.example'],
  ['tcp://[fd00::5]:2375', false, 'fd00::5'],
  ['npipe:////./pipe/docker', false, undefined],
])('the machine of the engine at %s (here: %s) is reached at %s', (host, local, address) => {
  expect(engineAddress({ host, local })).toBe(address);
});

test('reload metrics', () => {
  const name = 'prometheus_config_last_reload';
  const text = `# TYPE x gauge\n${name}_success_timestamp_seconds 1.7950923e+09\n${name}_successful 0\n`;
  expect(parseReloadMetrics(text)).toEqual({ successful: false, succeededAt: 1_795_092_300 });
  expect(parseReloadMetrics('nothing of it')).toBeUndefined();
});

test('the time a health check may take', () => {
  expect(healthcheckLimit(undefined)).toBe(120_000);
  expect(healthcheckLimit({ interval: '2s', timeout: '500ms', retries: 4, start_period: '1m1s' })).toBe(
    71_000,
  );
  expect(healthcheckLimit({ interval: '1h' })).toBe(120_000);
  expect(healthcheckLimit({ interval: '1s', timeout: '1s' })).toBe(6000);
});

test.each([
  [['redis-server', '--requirepass', 'a b'], {}, 'a b'],
  [['sh', '-c', 'exec redis-server --requirepass "a b" --port 1'], {}, 'a b'],
  [['sh', '-c', 'redis-server --requirepass ${OURS}'], { OURS: 'x' }, 'x'],
  [['redis-server'], { REDIS_PASSWORD: 'y' }, 'y'],
  [['redis-server'], { REDISCLI_AUTH: 'z', REDIS_PASSWORD: 'y' }, 'z'],
  [['redis-server'], {}, undefined],
])('the password of %j with %j', (command, env, password) => {
  expect(passwordOf({ command, env })).toBe(password);
});

test('the last lines of an output carry no terminal control', () => {
  expect(lastLines('1\n2\n3\n\n4\n5\n\u001B[31m6\u001B[0m\r\n\u0007')).toBe('2 | 3 | 4 | 5 | 6');
  expect(lastLines('x'.repeat(1000))).toHaveLength(400);
});
