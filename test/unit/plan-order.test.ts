import { describe, expect, it } from 'vitest';
import { needs, waves } from '../../src/plan/order.js';
import { aPoint } from '../support/mirror.js';
import { aPresent, outline, planned, type Stack } from '../support/planning.js';

/** In which order services stop and start. */

describe('services that need each other', () => {
  const services: Stack['services'] = {
    redis: {},
    api: { needs: { redis: 'service_healthy' } },
    web: { needs: { api: 'service_healthy' } },
  };

  it('stop from the outside in, start from the inside out, each verified before the next', () => {
    const changed = Object.fromEntries(
      Object.entries(services).map(([name, spec]) => [name, { ...spec, hash: 'other' }]),
    );
    const { operations } = planned(aPresent({ services: changed }), aPoint({ services }));
    expect(outline(operations)).toEqual([
      'stop web',
      'stop api',
      'stop redis',
      'up redis',
      'verify redis',
      'up api',
      'verify api',
      'up web',
      'verify web',
    ]);
    expect(operations.at(4)).toMatchObject({ cause: 'api needs it healthy' });
    expect(operations.at(-1)).toMatchObject({ cause: 'it was touched' });
  });

  it('are ordered by the labels of containers where no model knows', () => {
    const present = aPresent({ services: { api: {}, redis: {} }, modelError: 'not YAML' });
    for (const container of present.services.api?.containers ?? []) {
      container.labels['com.docker.compose.depends_on'] = 'redis:service_started:false';
    }
    const target = aPoint({ services: { api: { states: ['exited'] }, redis: { states: ['exited'] } } });
    expect(outline(planned(present, target).operations)).toEqual(['stop api', 'stop redis']);
  });

  it('go in one step when they do not', () => {
    const both = { api: { hash: 'other' }, web: { image: 'web-v2' } };
    const present = aPresent({ services: both, images: ['web-v1'] });
    const { operations } = planned(present, aPoint({ services: { api: {}, web: {} } }));
    expect(outline(operations)).toEqual([
      'stop api web',
      'retag web:1',
      'up api web',
      'verify api',
      'verify web',
    ]);
    expect(operations[2]?.cause).toBe(
      'api: its definition changed; web: it runs image web-v2000000, the point has web-v1000000',
    );
  });
});

describe('services that start and services that do not', () => {
  it('are made in separate steps', () => {
    const then: Stack = { services: { api: {}, migrate: { states: ['exited'] } } };
    const now: Stack = {
      services: { api: { hash: 'other' }, migrate: { states: ['exited'], hash: 'other' } },
    };
    const { operations } = planned(aPresent(now), aPoint(then));
    expect(outline(operations)).toEqual(['stop api', 'up api', 'up migrate', 'verify api']);
    expect(operations.slice(1, 3)).toMatchObject([{ start: true }, { start: false }]);
  });
});

describe('waves', () => {
  const dependencies = new Map([
    ['web', new Set(['api'])],
    ['api', new Set(['redis'])],
    ['a', new Set(['b'])],
    ['b', new Set(['a'])],
  ]);

  it('count dependencies through services that are not listed', () => {
    expect(waves(['web', 'redis'], dependencies)).toEqual([['redis'], ['web']]);
    expect(needs('web', 'redis', dependencies)).toBe(true);
    expect(needs('redis', 'web', dependencies)).toBe(false);
  });

  it('put a cycle last, and lose nobody', () => {
    expect(waves(['b', 'a', 'redis'], dependencies)).toEqual([['redis'], ['a', 'b']]);
  });

  it('are none for nobody', () => {
    expect(waves([], dependencies)).toEqual([]);
  });
});
