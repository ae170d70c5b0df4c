import { describe, expect, it } from 'vitest';
import type { MovePlan } from '../../src/model/move.js';
import type { Observation } from '../../src/model/project.js';
import type { MoveFacts } from '../../src/migrate/move/facts.js';
import { aPoint } from '../support/mirror.js';
import { aMove, atDocker, atPodman, data, outlineOf, restarting, someVolume } from '../support/moves.js';
import { aPresent, imageId, POINT, type Stack } from '../support/planning.js';

/** What a move does, by what is at both sides. What it tells, or is blocked by: migrate-move-remarks.test.ts; what holds for every plan: migrate-move-properties.test.ts. */

/** Both sides of the usual move, as plans tell them. */
const docker: MovePlan['source'] = {
  kind: 'docker',
  id: 'engine-1',
  host: 'unix:///var/run/docker.sock',
  version: '20.10.24',
  rootless: false,
  provider: 'docker compose',
};
const podman: MovePlan['target'] = {
  ...docker,
  kind: 'podman',
  id: 'engine-2',
  host: 'unix:///run/podman/podman.sock',
  version: '4.3.1',
};

describe('a stack that nothing is there of', () => {
  it('goes over: staged while it runs, held, stopped, compared, started', () => {
    expect(aMove(atDocker(), { volumes: [data] })).toEqual({
      format: 1,
      kind: 'to-podman',
      project: 'shop',
      source: docker,
      target: podman,
      running: [
        { id: 'redis-1', service: 'redis' },
        { id: 'api-1', service: 'api' },
      ],
      policies: [
        { id: 'api-1', restart: 'always' },
        { id: 'redis-1', restart: 'unless-stopped' },
      ],
      held: [],
      goal: null,
      undoes: null,
      volumes: [{ name: 'shop_data', services: ['redis'], existing: false, from: 'host', to: 'host' }],
      operations: [
        {
          kind: 'carry-image',
          image: imageId('api-v1'),
          ref: 'api:1',
          cause: 'Podman does not have api-v1000000',
        },
        {
          kind: 'carry-image',
          image: imageId('redis-v1'),
          ref: 'redis:1',
          cause: 'Podman does not have redis-v10000',
        },
        { kind: 'carry-volume', volume: 'shop_data', cause: 'the services run on meanwhile' },
        {
          kind: 'hold-source',
          containers: ['api-1', 'redis-1'],
          cause: 'the project must not run at both sides',
        },
        {
          kind: 'stop-source',
          services: ['api'],
          containers: ['api-1'],
          cause: 'its data must not change any more',
        },
        {
          kind: 'stop-source',
          services: ['redis'],
          containers: ['redis-1'],
          cause: 'its data must not change any more',
        },
        {
          kind: 'sync-volume',
          volume: 'shop_data',
          cause: 'what changed since goes over, and both are compared',
        },
        { kind: 'start-target', services: ['api', 'redis'], cause: 'so far they ran on Docker' },
        { kind: 'discard-parked', volume: 'shop_data', cause: 'it was empty' },
      ],
      risks: [],
      blockers: [],
    });
  });
});

describe('the way back to where it was', () => {
  it('replaces the data there, keeps what was there, and gives restart policies back', () => {
    const source = atPodman({ services: { redis: { volumes: ['data'] } } });
    const target = aPresent({ services: { redis: { volumes: ['data'], states: ['exited'] } } });
    const held = [{ id: 'redis-1', restart: 'unless-stopped' }];
    const volumes = [{ ...data, existing: true }];
    expect(aMove(source, { kind: 'to-docker', target, held, volumes })).toEqual({
      format: 1,
      kind: 'to-docker',
      project: 'shop',
      source: podman,
      target: docker,
      running: [{ id: 'redis-1', service: 'redis' }],
      policies: [],
      held,
      goal: null,
      undoes: null,
      volumes: [{ name: 'shop_data', services: ['redis'], existing: true, from: 'host', to: 'host' }],
      operations: [
        { kind: 'carry-volume', volume: 'shop_data', cause: 'the services run on meanwhile' },
        {
          kind: 'stop-source',
          services: ['redis'],
          containers: ['redis-1'],
          cause: 'its data must not change any more',
        },
        {
          kind: 'sync-volume',
          volume: 'shop_data',
          cause: 'what changed since goes over, and both are compared',
        },
        { kind: 'release-target', containers: ['redis-1'], cause: 'an earlier move took them' },
        { kind: 'start-target', services: ['redis'], cause: 'so far they ran on Podman' },
        { kind: 'keep-replaced', volume: 'shop_data', cause: 'so that it is not lost' },
      ],
      risks: [
        {
          code: 'data-replaced',
          message: 'the data that shop_data has on Docker is replaced',
          hint: 'the safety point keeps it',
        },
        {
          code: 'restarts',
          message:
            'Podman keeps the restart policies of what is stopped: podman-restart.service, where it is enabled, starts it again at boot',
          hint: 'compose-rollback migrate finalize removes the containers',
        },
      ],
      blockers: [],
    });
  });

  it('to a point takes its services, and neither images nor data with it', () => {
    const source = atPodman({ services: { redis: { volumes: ['data'] }, worker: {} } });
    const goal = aPoint({ services: { api: {}, redis: { volumes: ['data'] }, job: { states: ['exited'] } } });
    const target = aPresent();
    const plan = aMove(source, { kind: 'to-docker', target, goal, data: false, volumes: [data] });
    expect(plan).toMatchObject({ goal: POINT, volumes: [], blockers: [] });
    expect(outlineOf(plan)).toEqual(['stop-source redis worker', 'start-target api redis']);
  });
});

describe('what is done', () => {
  const outline = (stack: Stack | Observation, facts: Partial<MoveFacts> = {}) =>
    outlineOf(aMove(stack, facts));

  it('leaves an image that is there as it is, and carries each one once for each name', () => {
    const stack: Stack = {
      services: {
        api: { ref: 'app:1', image: 'v1' },
        job: { ref: 'app:1', image: 'v1', states: ['exited'] },
        redis: {},
        web: { ref: 'web:1', image: 'v1' },
      },
    };
    const target = atPodman({ services: { redis: { states: ['exited'] } } });
    expect(outline(stack, { target })).toEqual([
      'carry-image app:1',
      'carry-image web:1',
      'stop-source api redis web',
      'start-target api redis web',
    ]);
  });

  it('carries an image that is only built under the name that it has there', () => {
    const stack: Stack = { services: { api: { ref: 'shop-api' }, redis: {} } };
    expect(outline(stack, { names: { api: 'shop_api' } })).toEqual([
      'carry-image shop_api',
      'carry-image redis:1',
      'stop-source api redis',
      'start-target api redis',
    ]);
  });

  it.each([
    ['by their layers: ids of the containerd store are other digests', false, []],
    ['by the digests of their configurations, where both tell these', true, ['carry-image redis:1']],
  ])('knows images %s', (_, imageIdIsConfigDigest, carried) => {
    const source = aPresent({ services: { redis: {} } });
    source.engine.imageIdIsConfigDigest = imageIdIsConfigDigest;
    const target = atPodman();
    const same = source.images['redis:1'];
    target.images['redis:1'] = same ? { ...same, id: imageId('elsewhere') } : null;
    expect(outlineOf(aMove(source, { target }))).toEqual([
      ...carried,
      'stop-source redis',
      'start-target redis',
    ]);
  });

  it('stops who lives in the network of another before that one, whether compose says so or not', () => {
    const source = aPresent({ services: { api: {}, vpn: {} } });
    const api = source.model?.services['api'];
    if (api) api.network_mode = 'service:vpn';
    expect(outlineOf(aMove(source)).slice(2)).toEqual([
      'stop-source api',
      'stop-source vpn',
      'start-target api vpn',
    ]);
  });

  it('holds stopped containers too, stops paused ones, and starts no more than ran', () => {
    const stack: Stack = {
      services: { api: { states: ['exited'] }, web: { states: ['paused', 'running'] } },
    };
    const plan = aMove(restarting(aPresent(stack), { api: 'always', web: 'on-failure' }));
    expect(outlineOf(plan).slice(2)).toEqual([
      'hold-source api-1 web-1 web-2',
      'stop-source web',
      'start-target web',
    ]);
    expect(plan.operations[3]).toMatchObject({ containers: ['web-1', 'web-2'] });
  });

  it('archives only what was exchanged: what goes through the engine is kept before', () => {
    const volumes = [
      { ...data, existing: true, to: { driver: 'api' as const, problem: null } },
      { ...someVolume('files', ['redis']), existing: true },
    ];
    expect(outline(atDocker(), { volumes }).slice(2)).toEqual([
      'carry-volume shop_data',
      'carry-volume shop_files',
      'hold-source api-1 redis-1',
      'stop-source api',
      'stop-source redis',
      'sync-volume shop_data',
      'sync-volume shop_files',
      'start-target api redis',
      'keep-replaced shop_files',
    ]);
  });
});
