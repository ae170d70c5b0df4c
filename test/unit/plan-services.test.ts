import { describe, expect, it } from 'vitest';
import { aPoint } from '../support/mirror.js';
import {
  aPlan,
  aPresent,
  imageId,
  outline,
  planned,
  POINT,
  THEN,
  traitsOf,
  type ServiceSpec,
  type Stack,
} from '../support/planning.js';

/** What happens to one service, by what differs. In which order: plan-order.test.ts. */

const verified = { kind: 'verify', handler: 'generic', cause: 'it was touched' } as const;

describe('a moved tag', () => {
  const then: Stack = {
    services: { api: {}, prometheus: {}, redis: {} },
    files: { 'compose.yaml': 'services: …' },
  };
  const now: Stack = {
    ...then,
    services: { ...then.services, api: { image: 'api-v2' } },
    images: ['api-v1'],
  };

  it('makes the one service anew from the old image', () => {
    expect(planned(aPresent(now), aPoint(then))).toEqual({
      format: 1,
      kind: 'rollback',
      project: 'shop',
      target: { id: POINT, timestamp: THEN, description: 'Before v2', kind: 'manual' },
      observation: 'now',
      operations: [
        {
          kind: 'stop',
          services: ['api'],
          containers: ['api-1'],
          cause: 'it runs image api-v2000000, the point has api-v1000000',
        },
        {
          kind: 'retag',
          ref: 'api:1',
          image: imageId('api-v1'),
          previous: imageId('api-v2'),
          cause: 'the tag points to api-v2000000 now',
        },
        {
          kind: 'up',
          services: ['api'],
          scale: {},
          start: true,
          cause: 'it runs image api-v2000000, the point has api-v1000000',
        },
        { ...verified, service: 'api' },
      ],
      unchanged: ['prometheus', 'redis'],
      not_covered: [],
      risks: [],
      blockers: [],
    });
  });

  it('runs the steps of handler and hooks around it', () => {
    const traits = {
      api: traitsOf('api', { prepares: true, settles: true, before: ['drain'], after: ['warm', 'announce'] }),
    };
    expect(outline(planned(aPresent(now), aPoint(then), { traits }).operations)).toEqual([
      'prepare api',
      'hook api',
      'stop api',
      'retag api:1',
      'up api',
      'hook api',
      'hook api',
      'settle api',
      'verify api',
    ]);
  });

  it('asks nothing of services on the way back from a failure', () => {
    const traits = { api: traitsOf('api', { prepares: true, before: ['drain'] }) };
    const plan = planned(aPresent(now), aPoint(then), { traits, options: { kind: 'return' } });
    expect(outline(plan.operations)).toEqual(['stop api', 'retag api:1', 'up api', 'verify api']);
  });
});

describe('a changed state', () => {
  it('stops what was stopped at the point', () => {
    expect(
      planned(aPresent({ services: { api: {} } }), aPoint({ services: { api: { states: ['exited'] } } })),
    ).toEqual(
      aPlan({
        operations: [
          { kind: 'stop', services: ['api'], containers: ['api-1'], cause: 'it was stopped at the point' },
        ],
      }),
    );
  });

  it('starts the same container of what is stopped', () => {
    expect(
      planned(aPresent({ services: { api: { states: ['exited'] } } }), aPoint({ services: { api: {} } })),
    ).toEqual(
      aPlan({
        operations: [
          { kind: 'start', services: ['api'], containers: ['api-1'], cause: 'it is stopped' },
          { ...verified, service: 'api' },
        ],
      }),
    );
  });

  it('starts the stopped replica without stopping the other', () => {
    const present = aPresent({ services: { api: { states: ['running', 'exited'], scale: 2 } } });
    const target = aPoint({ services: { api: { states: ['running', 'running'], scale: 2 } } });
    expect(planned(present, target)).toEqual(
      aPlan({
        operations: [
          {
            kind: 'start',
            services: ['api'],
            containers: ['api-1', 'api-2'],
            cause: 'a part of it is stopped',
          },
          { ...verified, service: 'api' },
        ],
      }),
    );
  });

  it('unpauses what is paused', () => {
    expect(
      planned(aPresent({ services: { api: { states: ['paused'] } } }), aPoint({ services: { api: {} } })),
    ).toEqual(
      aPlan({
        operations: [
          { kind: 'start', services: ['api'], containers: ['api-1'], cause: 'it is paused' },
          { ...verified, service: 'api' },
        ],
      }),
    );
  });

  it('restarts what crashes over and over', () => {
    const present = aPresent({ services: { api: { states: ['restarting'] } } });
    const traits = { api: traitsOf('api', { prepares: true, before: ['drain'], settles: true }) };
    const handled = { service: 'api', handler: 'api' };
    expect(planned(present, aPoint({ services: { api: {} } }), { traits })).toEqual(
      aPlan({
        operations: [
          { kind: 'stop', services: ['api'], containers: ['api-1'], cause: 'it restarts over and over' },
          { kind: 'start', services: ['api'], containers: ['api-1'], cause: 'it restarts over and over' },
          { kind: 'settle', ...handled, cause: 'api has just started' },
          { ...verified, ...handled },
        ],
      }),
    );
  });

  it('brings back a stack that is down, running no hook in containers that are not there', () => {
    const then: Stack = { services: { api: { needs: { redis: 'service_started' } }, redis: {} } };
    const down = { services: { api: { states: [] }, redis: { states: [] } }, images: ['api-v1', 'redis-v1'] };
    const traits = { redis: traitsOf('redis', { prepares: true, before: ['drain'], after: ['warm'] }) };
    const tagged = { tags: { 'api:1': 'api-v1', 'redis:1': null } };
    expect(planned(aPresent({ ...down, ...tagged }), aPoint(then), { traits })).toEqual(
      aPlan({
        operations: [
          {
            kind: 'retag',
            ref: 'redis:1',
            image: imageId('redis-v1'),
            previous: null,
            cause: 'the tag is gone',
          },
          { kind: 'up', services: ['redis'], scale: {}, start: true, cause: 'it has no container' },
          { kind: 'up', services: ['api'], scale: {}, start: true, cause: 'it has no container' },
          {
            kind: 'hook',
            phase: 'after',
            service: 'redis',
            index: 0,
            what: 'warm',
            cause: 'configured for redis',
          },
          { ...verified, service: 'api' },
          { ...verified, service: 'redis', handler: 'redis' },
        ],
      }),
    );
  });
});

describe('a one-shot service', () => {
  const done = { services: { migrate: { states: ['exited' as const] } } };

  it('that was done at the point and is done now is left alone', () => {
    expect(planned(aPresent(done), aPoint(done))).toEqual(aPlan({ unchanged: ['migrate'] }));
  });

  it('whose image changed is created, and not run', () => {
    const present = aPresent({
      services: { migrate: { states: ['exited'], image: 'migrate-v2' } },
      images: ['migrate-v1'],
    });
    const traits = { migrate: traitsOf('generic', { before: ['drain'], after: ['warm'] }) };
    const cause = 'it runs image migrate-v200, the point has migrate-v100';
    expect(planned(present, aPoint(done), { traits })).toEqual(
      aPlan({
        operations: [
          {
            kind: 'retag',
            ref: 'migrate:1',
            image: imageId('migrate-v1'),
            previous: imageId('migrate-v2'),
            cause: 'the tag points to migrate-v200 now',
          },
          {
            kind: 'up',
            services: ['migrate'],
            scale: {},
            start: false,
            cause,
          },
        ],
      }),
    );
  });

  it('that others wait for is not verified when it is not started', () => {
    const web = { needs: { migrate: 'service_healthy' } };
    const then: Stack = { services: { migrate: { states: ['exited'] }, web } };
    const down: Stack = { services: { migrate: { states: [] }, web: { states: [] } } };
    const present = aPresent({ ...down, tags: { 'migrate:1': 'migrate-v1', 'web:1': 'web-v1' } });
    expect(outline(planned(present, aPoint(then)).operations)).toEqual([
      'up migrate',
      'up web',
      'verify web',
    ]);
  });
});

describe('a changed number of replicas', () => {
  const two: Stack = { services: { worker: { states: ['running', 'running'], scale: 2 } } };
  const three: Stack = { services: { worker: { states: ['running', 'running', 'running'], scale: 2 } } };

  it('goes from 3 to 2 without stopping the two', () => {
    expect(planned(aPresent(three), aPoint(two))).toEqual(
      aPlan({
        operations: [
          {
            kind: 'up',
            services: ['worker'],
            scale: {},
            start: true,
            cause: 'it has 3 containers, the point has 2',
          },
          { ...verified, service: 'worker' },
        ],
      }),
    );
  });

  it('tells the provider the number when the files say another', () => {
    expect(planned(aPresent(two), aPoint(three)).operations[0]).toEqual({
      kind: 'up',
      services: ['worker'],
      scale: { worker: 3 },
      start: true,
      cause: 'it has 2 containers, the point has 3',
    });
  });

  it('knows what deploy.replicas asks for', () => {
    const target = aPoint(three);
    const worker = target.model?.services.worker;
    if (worker) Object.assign(worker, { scale: undefined, deploy: { replicas: 3 } });
    expect(planned(aPresent(two), target).operations[0]).toHaveProperty('scale', {});
  });

  it('stops those that run when none ran at the point', () => {
    const target = aPoint({ services: { worker: { states: ['exited', 'exited'], scale: 2 } } });
    expect(outline(planned(aPresent(three), target).operations)).toEqual(['stop worker', 'up worker']);
  });

  it('stops them all when their definition changed too', () => {
    const present = aPresent({ services: { worker: { ...three.services?.worker, hash: 'other' } } });
    expect(planned(present, aPoint(two)).operations[0]).toEqual({
      kind: 'stop',
      services: ['worker'],
      containers: ['worker-1', 'worker-2', 'worker-3'],
      cause: 'its definition changed',
    });
  });
});

describe('a service whose files were edited and not applied', () => {
  const then: Stack = { services: { api: { hash: 'applied', filesHash: 'edited' } } };

  it('is right with either definition', () => {
    for (const hash of ['applied', 'edited']) {
      const present = aPresent({ services: { api: { hash } } });
      expect(planned(present, aPoint(then))).toEqual(aPlan({ unchanged: ['api'] }));
    }
  });

  it('is made anew from any other', () => {
    const { operations } = planned(aPresent({ services: { api: { hash: 'third' } } }), aPoint(then));
    expect(outline(operations)).toEqual(['stop api', 'up api', 'verify api']);
  });
});

describe('after an upgrade of compose', () => {
  /** Recorded by 2.26.1, and looked at by 2.40.3. */
  const then = (api: ServiceSpec = {}) => aPoint({ services: { api } });
  const now = (api: ServiceSpec) => aPresent({ compose: '2.40.3-3', services: { api } });
  const anew = ['stop api', 'up api', 'verify api'];
  const known = { findings: { definitions: { api: 'as 2.40.3 hashes it' } } };
  const outlined = (...given: Parameters<typeof planned>) => outline(planned(...given).operations);

  it('what the older one made stays, and what the newer one made of the same definition', () => {
    expect(outlined(now({ madeBy: '2.26.1' }), then(), known)).toEqual([]);
    expect(outlined(now({ hash: 'as 2.40.3 hashes it' }), then(), known)).toEqual([]);
  });

  it('what either made of another definition is made anew', () => {
    expect(outlined(now({ hash: 'other', madeBy: '2.26.1' }), then(), known)).toEqual(anew);
    expect(outlined(now({ hash: 'other' }), then(), known)).toEqual(anew);
  });

  it('where the newer one does not tell its hash, the models decide', () => {
    expect(outlined(now({ hash: 'new' }), then())).toEqual([]);
    expect(outlined(now({ hash: 'new' }), then({ more: { user: 'root' } }))).toEqual(anew);
  });

  it('but not what runs otherwise than the present files say', () => {
    expect(outlined(now({ hash: 'new', matchesFiles: false }), then())).toEqual(anew);
  });

  it('nor where the present files say nothing', () => {
    const broken = aPresent({
      compose: '2.40.3-3',
      services: { api: { hash: 'new' } },
      modelError: 'broken',
    });
    expect(outlined(broken, then())).toEqual(anew);
  });

  it('hashes of one release decide, whatever the models say', () => {
    const spec = { hash: 'other', madeBy: '2.26.1', matchesFiles: true };
    expect(outlined(now(spec), then())).toEqual(anew);
    const edited = { more: { user: 'root' } };
    expect(outlined(now({ ...edited, madeBy: '2.26.1' }), then())).toEqual([]);
  });

  it('a point of an earlier version of us is taken as one of the compose that recorded it', () => {
    const target = then();
    Object.assign(target.point.containers['api'] ?? {}, { compose_version: null });
    expect(outlined(now({ hash: 'other', madeBy: '2.26.1', matchesFiles: true }), target)).toEqual(anew);
    expect(outlined(now({ hash: 'new' }), target)).toEqual([]);
  });

  it('a service in the namespaces of another is compared by its models alone', () => {
    const net: ServiceSpec = { lender: 'api' };
    const point = aPoint({ services: { api: {}, net } });
    const present = (more: Record<string, unknown>) =>
      aPresent({
        compose: '2.40.3-3',
        services: { api: { madeBy: '2.26.1' }, net: { ...net, hash: 'new', more } },
      });
    expect(outlined(present({ depends_on: {} }), point)).toEqual([]);
    expect(outlined(present({ user: 'root' }), point)).toEqual(['stop net', 'up net', 'verify net']);
  });

  it('containers that today’s compose would replace do not serve on while their number changes', () => {
    const two: ServiceSpec = { states: ['running', 'running'], scale: 2 };
    const three: ServiceSpec = { ...two, states: ['running', 'running', 'running'] };
    expect(outlined(now({ ...three, madeBy: '2.26.1' }), then(two), known)).toEqual(anew);
    expect(outlined(now({ ...three, hash: 'as 2.40.3 hashes it' }), then(two), known)).toEqual([
      'up api',
      'verify api',
    ]);
  });
});
