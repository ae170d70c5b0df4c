import http from 'node:http';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { engineEvidence, failsAsRecorded, probeEvidence } from '../../src/handlers/evidence.js';
import type { HandlerContext } from '../../src/handlers/handler.js';
import { HandlerRegistry } from '../../src/handlers/registry.js';
import { checkHealth } from '../../src/handlers/verify.js';
import { parseServiceConfig } from '../../src/model/config.js';
import type { Container } from '../../src/model/engine.js';
import type { Evidence } from '../../src/model/point.js';
import { fail, pass, type Verdict } from '../../src/model/verdict.js';
import { containerOf } from '../support/folder.js';
import { unreachableEngine } from '../support/nobody.js';

/** What says whether a service is well, what a point records of it, and when a later failure says nothing new. */

const NOW = '2026-01-01T00:10:00Z';
const web = (more: Partial<Container> = {}) => containerOf('web', more);

describe('the containers tell by themselves', () => {
  const crashing: Evidence = { status: 'fail', by: 'state', reason: 'it keeps restarting' };
  const exited: Evidence = {
    status: 'fail',
    by: 'state',
    reason: 'it was restarted, and exited with code 3',
  };
  const healthcheck = (health: string, status: 'pass' | 'fail'): Evidence => ({
    status,
    by: 'healthcheck',
    reason: `its health check says ${health}`,
  });

  test.each<[string, Partial<Container>, Evidence | null]>([
    ['it runs', {}, null],
    ['it is restarting', { state: 'restarting' }, crashing],
    ['restarted a moment ago', { restartCount: 4, startedAt: '2026-01-01T00:09:58Z' }, crashing],
    ['restarted long ago', { restartCount: 4 }, null],
    [
      'the engine gave up',
      { state: 'exited', restart: 'on-failure:2', restartCount: 2, exitCode: 3 },
      exited,
    ],
    ['stopped by a person', { state: 'exited', restart: 'always', exitCode: 137 }, null],
    ['a job that failed', { state: 'exited', exitCode: 3 }, null],
    ['paused', { state: 'paused', health: 'unhealthy' }, null],
    ['its check has not answered', { health: 'starting' }, null],
    ['healthy', { health: 'healthy' }, healthcheck('healthy', 'pass')],
    ['unhealthy', { health: 'unhealthy' }, healthcheck('unhealthy', 'fail')],
    ['healthy and crashing', { health: 'healthy', state: 'restarting' }, crashing],
  ])('%s', (_, more, expected) => {
    expect(engineEvidence([web(more)], NOW)).toEqual(expected);
  });

  it('the container that is worst off counts', () => {
    expect(engineEvidence([web({ health: 'healthy' }), web({ health: 'unhealthy' })], NOW)).toEqual(
      healthcheck('unhealthy', 'fail'),
    );
    expect(engineEvidence([web({ health: 'healthy' }), web()], NOW)).toBeNull();
    expect(engineEvidence([], NOW)).toBeNull();
  });
});

describe('a failure is the recorded one', () => {
  const state: Evidence = { status: 'fail', by: 'state', reason: 'it keeps restarting' };
  const healthcheck: Evidence = { ...state, by: 'healthcheck', reason: 'its health check says unhealthy' };
  const probe: Evidence = { ...state, by: 'probe', reason: 'GET /health answered 404' };
  const [running, crashing] = [web(), web({ restartCount: 2 })];

  test.each<[string, Evidence | null, Verdict, Container, boolean]>([
    ['same answer', probe, fail('GET /health answered 404'), running, true],
    [
      'same answer for longer',
      probe,
      fail('GET /health answered 404 for 30 s; its log ends: x'),
      running,
      true,
    ],
    ['another answer', probe, fail('GET /health answered 500 for 30 s'), running, false],
    ['a longer answer', probe, fail('GET /health answered 4040'), running, false],
    ['same answer, and it crashes', probe, fail('GET /health answered 404'), crashing, false],
    ['it crashes as before', state, fail('exited with code 3'), crashing, true],
    ['it crashed, and now hangs', state, fail('GET / answered 500'), running, false],
    ['unhealthy as before', healthcheck, fail('says so'), web({ health: 'unhealthy' }), true],
    ['unhealthy then, now it crashes', healthcheck, fail('x'), web({ state: 'restarting' }), false],
    ['it was well', { ...probe, status: 'pass' }, fail('GET /health answered 404'), running, false],
    ['nothing is recorded', null, fail('GET /health answered 404'), running, false],
  ])('%s', (_, recorded, verdict, container, expected) => {
    expect(failsAsRecorded(recorded, verdict, [container])).toBe(expected);
  });

  it('whatever a program printed', () => {
    const recorded: Evidence = { ...probe, reason: 'probe "check" exited with code 2' };
    const verdict = fail('probe "check" exited with code 2: at 10:31 for 5 s; x for 30 s; its log is empty');
    expect(failsAsRecorded(recorded, verdict, [running])).toBe(true);
  });
});

/** An HTTP server with this status for every path; undefined: it never answers. */
async function startServer(status: number | undefined): Promise<number> {
  const server = http.createServer((_, response) => {
    if (status !== undefined) response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function contextOf(config: object, containers: Container[]): Promise<HandlerContext> {
  return {
    service: 'api',
    engine: Object.assign(await unreachableEngine(), {
      health: () => Promise.resolve(containers[0]?.health ?? 'none'),
    }),
    local: true,
    containers: () => Promise.resolve(containers),
    sibling: () => expect.fail('no sibling is asked'),
    model: undefined,
    config: parseServiceConfig({ health_timeout: 0, ...config }),
    signal: new AbortController().signal,
    report: () => undefined,
  };
}

describe('the check that decides', () => {
  const named = new HandlerRegistry().get('api');
  const checked = async (config: object, health: Container['health']) =>
    checkHealth(named, await contextOf(config, [web({ networkMode: 'host', health })]));

  it('is the HEALTHCHECK, not the handler that was chosen by a name', async () => {
    const port = await startServer(404);
    expect(await checked({ port }, 'healthy')).toEqual(pass('its health check says healthy'));
    expect(await checked({ port }, 'unhealthy')).toEqual(fail('its health check says unhealthy'));
    expect(await checked({ port }, 'none')).toEqual(fail('GET /health answered 404'));
  });

  it('is what the user configured, whatever the HEALTHCHECK says', async () => {
    const port = await startServer(404);
    const byHandler = await checked({ port, handler: 'api' }, 'healthy');
    const byPath = await checked({ port, health_path: '/ready' }, 'healthy');
    const byProbe = await checked({ port, probes: [{ http: '/up', retries: 0 }] }, 'healthy');
    expect([byHandler, byPath, byProbe]).toEqual([
      fail('GET /health answered 404'),
      fail('GET /ready answered 404'),
      fail('GET /up answered 404'),
    ]);
  });
});

describe('the evidence of a probe', () => {
  const DEADLINE_MS = 200;
  const gathered = async (config: object) => {
    const containers = [web({ networkMode: 'host', env: { TOKEN: '/health' } })];
    const context = await contextOf(config, containers);
    return probeEvidence(new HandlerRegistry().get('api'), context, containers, DEADLINE_MS);
  };

  it('is the answer to one question, without secrets', async () => {
    const port = await startServer(503);
    const probes = [{ http: '/up', retries: 100, interval: '10s' }];
    expect(await gathered({ port })).toEqual({ status: 'fail', by: 'probe', reason: 'GET *** answered 503' });
    expect(await gathered({ port, probes })).toEqual({
      status: 'fail',
      by: 'probe',
      reason: 'GET /up answered 503',
    });
  });

  it('is none when the service does not answer in time, or cannot be asked', async () => {
    const started = performance.now();
    expect(await gathered({ port: await startServer(undefined) })).toBeNull();
    expect(performance.now() - started).toBeLessThan(5 * DEADLINE_MS);
    expect(await gathered({ probes: [{ http: 'ftp://x' }] })).toBeNull();
  });
});
