import { expect, it } from 'vitest';
import type { ContainerState } from '../../src/model/engine.js';
import type { PointContainers } from '../../src/model/point.js';
import { findStateProblem } from '../../src/plan/running.js';
import { aPoint } from '../support/mirror.js';
import { aContainer } from '../support/planning.js';

/** A service's containers at the end of a run, against those that its point recorded. */

const crashing: Partial<PointContainers> = {
  evidence: { status: 'fail', by: 'state', reason: 'it keeps restarting' },
};
const unhealthy: Partial<PointContainers> = {
  evidence: { status: 'fail', by: 'healthcheck', reason: 'its health check says unhealthy' },
  health: 'unhealthy',
};

function problem(
  then: ContainerState[],
  now: ContainerState[],
  more: Partial<PointContainers> = {},
  { exitCode = 0, awaited = false } = {},
): string | undefined {
  const needs = { api: awaited ? 'service_completed_successfully' : 'service_started' };
  const { point, model } = aPoint({ services: { api: { states: then }, web: { needs } } });
  const recorded = point.containers['api'];
  if (!recorded) throw new Error('api is not in the point');
  const containers = now.map((state, index) => aContainer('api', index + 1, { state, exitCode }));
  return findStateProblem('api', { ...recorded, ...more }, containers, model);
}

it.each<[string, string | undefined, Parameters<typeof problem>]>([
  ['as many run', undefined, [['running'], ['running']]],
  ['one runs that was paused', undefined, [['paused'], ['running']]],
  ['it ended', 'api does not run, and it ran when the point was made', [['running'], ['exited']]],
  ['it is gone', 'api does not run, and it ran when the point was made', [['running'], []]],
  [
    'one of two ended',
    'api has 1 of its containers running, and 2 of them ran when the point was made',
    [
      ['running', 'running'],
      ['running', 'exited'],
    ],
  ],
  [
    'one of two had ended',
    undefined,
    [
      ['running', 'exited'],
      ['running', 'exited'],
    ],
  ],
  [
    'it keeps restarting',
    'api keeps restarting, and ran when the point was made',
    [['running'], ['restarting']],
  ],
  ['it kept restarting then', undefined, [['restarting'], ['restarting'], crashing]],
  ['it was crashing then and is down', undefined, [['running'], ['exited'], crashing]],
  [
    'an earlier point says unhealthy',
    undefined,
    [['running'], ['exited'], { evidence: null, health: 'unhealthy' }],
  ],
  [
    'it was unhealthy and is down',
    'api does not run, and it ran when the point was made',
    [['running'], ['exited'], unhealthy],
  ],
  ['a one-shot had ended', undefined, [['exited'], ['exited']]],
  ['it was stopped then and runs', undefined, [['exited'], ['running']]],
  ['a job that others wait for ended well', undefined, [['running'], ['exited'], {}, { awaited: true }]],
  [
    'a job that others wait for failed',
    'api does not run, and it ran when the point was made',
    [['running'], ['exited'], {}, { awaited: true, exitCode: 1 }],
  ],
])('%s', (_, expected, given) => {
  expect(problem(...given)).toBe(expected);
});
