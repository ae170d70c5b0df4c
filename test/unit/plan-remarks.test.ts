import { describe, expect, it } from 'vitest';
import { aPoint, mirror } from '../support/mirror.js';
import { anImage, aPlan, aPresent, imageId, planned, POINT, type Stack } from '../support/planning.js';

/** What stands in the way, and what a person should know before saying yes. */

const then: Stack = { services: { api: {}, redis: {} } };
/** The api is to be made anew, redis is as it was. */
const now: Stack = { services: { api: { hash: 'other' }, redis: {} } };

const missing = (service: string, hint: string) => ({
  code: 'image-missing',
  message: `${service}: image ${service}:1 (${service}-v1000000) is not on this engine any more`,
  hint,
});
const builtHere = 'it was built here: load it from a backup, or build that version again';

describe('blockers', () => {
  it('name an image that is not there any more, and where it may come from', () => {
    const present = aPresent({ services: { api: { image: 'api-v2' } } });
    expect(planned(present, aPoint({ services: { api: {} } })).blockers).toEqual([missing('api', builtHere)]);

    const target = aPoint({ services: { api: {} } });
    const image = target.point.images.api;
    if (image) image.digests = ['shop/api@sha256:d1'];
    expect(planned(present, target).blockers).toEqual([
      missing('api', 'try: docker pull shop/api@sha256:d1'),
    ]);
  });

  it('name an image that the engine had lost before the point was made', () => {
    const present = aPresent({ services: { api: { image: 'api-v2' } } });
    const target = aPoint({ services: { api: {} } });
    const image = target.point.images.api;
    if (image) Object.assign(image, { kept_tag: null, diff_ids: [] });
    expect(planned(present, target).blockers).toEqual([
      {
        code: 'image-missing',
        message: 'api: the engine had lost image api:1 (api-v1000000) before the point was made',
        hint: 'take another point, or leave the service out with --services',
      },
    ]);
  });

  it('spare services that keep running on an image that only they hold', () => {
    const present = aPresent(then);
    const untagged = { ...present, images: { [imageId('api-v1')]: anImage('api-v1') } };
    expect(planned(untagged, aPoint(then)).blockers).toEqual([]);
  });

  it('name a damaged stored file', () => {
    const damaged = [{ path: 'configs/.env', problem: 'is not what was recorded' }];
    expect(planned(aPresent(then), aPoint(then), { findings: { damaged } }).blockers).toEqual([
      {
        code: 'damaged',
        message: "the point's configs/.env: is not what was recorded",
        hint: `take another point, or bring the file back into the backup directory; compose-rollback verify ${POINT} shows all`,
      },
    ]);
  });

  it('name compose files of the point that do not resolve, where something has to be made from them', () => {
    const findings = { modelError: 'services.api.ports must be a list' };
    const blocked = {
      code: 'model-invalid',
      message:
        'the compose files of the point do not resolve, so api cannot be made: services.api.ports must be a list',
      hint: 'add --config-only to bring the files back alone',
    };
    expect(planned(aPresent(now), aPoint(then), { findings }).blockers).toEqual([blocked]);
    expect(planned(aPresent(then), aPoint(then), { findings }).blockers).toEqual([]);
    expect(
      planned(aPresent(now), aPoint(then), { findings, options: { configOnly: true } }).blockers,
    ).toEqual([]);
  });

  it('name a point whose compose files never resolved', () => {
    const target = aPoint({ ...then, modelError: 'not YAML' });
    expect(planned(aPresent(now), target).blockers).toMatchObject([
      {
        code: 'model-invalid',
        message: expect.stringContaining('api cannot be made: they did not when it was made'),
      },
    ]);
  });

  it('name the present compose files, where one service is to be made by them', () => {
    const present = aPresent({ ...now, modelError: 'not YAML' });
    const target = { ...aPoint({ ...then, modelError: 'not YAML' }), stored: false };
    expect(planned(present, target).blockers).toEqual([
      {
        code: 'model-invalid',
        message: 'the compose files do not resolve, so api cannot be made: not YAML',
        hint: 'mend them, or bring them back with compose-rollback rollback',
      },
    ]);
  });

  it('are not a broken present', () => {
    expect(planned(aPresent({ ...now, modelError: 'not YAML' }), aPoint(then)).blockers).toEqual([]);
  });

  it('name a taken port, of services that start only', () => {
    const takenPorts = ['api', 'redis'].map((service) => ({
      service,
      port: '0.0.0.0:8000/tcp',
      holder: 'nginx',
    }));
    expect(planned(aPresent(now), aPoint(then), { findings: { takenPorts } }).blockers).toEqual([
      {
        code: 'port-taken',
        message: 'api publishes 0.0.0.0:8000/tcp, which nginx holds',
        hint: 'stop that first',
      },
    ]);
    const neverRan = aPoint({ services: { api: { states: ['exited'] }, redis: {} } });
    expect(planned(aPresent(now), neverRan, { findings: { takenPorts } }).blockers).toEqual([]);
  });

  it('name missing external networks and volumes, and a full disk', () => {
    const findings = {
      missingExternal: [{ what: 'network' as const, name: 'proxy' }],
      missingBytes: 4096,
    };
    const full = {
      code: 'disk-full',
      message: 'the backup directory lacks 4096 bytes for the safety point',
      hint: 'free some space, or delete old points with compose-rollback cleanup',
    };
    expect(planned(aPresent(now), aPoint(then), { findings }).blockers).toEqual([
      {
        code: 'external-missing',
        message: 'the external network proxy does not exist',
        hint: 'try: docker network create proxy',
      },
      full,
    ]);
    expect(planned(aPresent(then), aPoint(then), { findings }).blockers).toEqual([full]);
  });

  it('are all named at once', () => {
    const present = aPresent({
      services: { api: { image: 'api-v2' }, redis: { image: 'redis-v2' } },
      files: { '.env': { directory: 0o755, more: { others: true } } },
    });
    const { blockers } = planned(present, aPoint({ ...then, files: { '.env': 'old' } }), {
      findings: {
        damaged: [{ path: 'model.json', problem: 'is gone' }],
        modelError: 'not YAML',
        takenPorts: [{ service: 'redis', port: '6379', holder: 'redis-server' }],
        missingExternal: [{ what: 'volume', name: 'data' }],
        missingBytes: 1,
      },
    });
    expect(blockers.map(({ code }) => code)).toEqual([
      'damaged',
      'in-the-way',
      'image-missing',
      'image-missing',
      'model-invalid',
      'port-taken',
      'external-missing',
      'disk-full',
    ]);
  });
});

describe('risks', () => {
  it('name a point from the future, and say nothing of it when there is nothing to do', () => {
    const timestamp = '2025-11-06T00:00:00Z';
    expect(planned(aPresent(now), aPoint(then, { timestamp })).risks).toContainEqual({
      code: 'clock',
      message:
        'the point is dated 2025-11-06 00:00:00 UTC, in the future: the clock is wrong, or was when the point was made',
      hint: 'the order of points does not depend on it',
    });
    expect(planned(aPresent(then), aPoint(then, { timestamp })).risks).toEqual([]);
  });

  it('name an image that runs and that no safety point can keep', () => {
    const lost = (name: string): Stack => ({
      services: { api: { image: name }, redis: {} },
      tags: { [imageId(name)]: null },
      images: ['api-v1'],
    });
    const risk = {
      code: 'image-lost',
      message: 'api runs image api-v2000000, which the engine no longer has: undo cannot make it again',
      hint: null,
    };
    const target = aPoint(then);
    expect(planned(aPresent(lost('api-v2')), target).risks).toEqual([risk]);
    expect(planned(aPresent(lost('api-v2')), aPoint({ services: { redis: {} } })).risks).toContainEqual(risk);
    // It stays as it is.
    expect(planned(aPresent(lost('api-v1')), target).risks).toEqual([]);
  });

  it('tell how old what comes back is', () => {
    const files = { '.env': 'new', 'app.conf': 'new' };
    const old = aPoint({ ...then, files: { '.env': 'old', 'app.conf': 'old' } });
    const ages = { '2025-11-05T17:30:40Z': '40 seconds', '2025-11-08T17:30:00Z': '3 days' };
    for (const [moment, age] of Object.entries(ages)) {
      const plan = planned(aPresent({ ...then, files }), old, { options: { now: moment } });
      expect(plan.risks).toEqual([
        {
          code: 'files-replaced',
          message: `changes to 2 configuration files made since the point (${age} old) are replaced`,
          hint: 'the safety point keeps them: undo brings them back',
        },
      ]);
    }
  });

  it('name variables that differ, and never their values', () => {
    const variables = { TAG: 's3cr3t-v1', PASSWORD: 's3cr3t-then', SAME: 's3cr3t-same', GONE: 's3cr3t-gone' };
    const today = { TAG: 's3cr3t-v2', PASSWORD: null, SAME: 's3cr3t-same', NEW: 's3cr3t-new' };
    const plan = planned(aPresent({ ...now, variables: today }), aPoint({ ...then, variables }));
    expect(plan.risks).toEqual([
      {
        code: 'variables-differ',
        message: 'set as they were at the point, not as today: GONE, PASSWORD, TAG',
        hint: null,
      },
    ]);
    expect(JSON.stringify(plan)).not.toContain('s3cr3t');
    expect(planned(aPresent({ ...then, variables: today }), aPoint({ ...then, variables }))).toEqual(
      aPlan({ unchanged: ['api', 'redis'] }),
    );
  });

  it('tell that data stays, and what comes up empty', () => {
    const services = { api: { volumes: ['uploads'] }, redis: { volumes: ['cache'] } };
    const present = aPresent({ services: { ...services, api: { volumes: ['uploads'], hash: 'other' } } });
    const findings = { missingVolumes: ['shop_cache'] };
    expect(planned(present, aPoint({ services }), { findings }).risks).toEqual([
      {
        code: 'data-stays',
        message: 'api starts with the data it has today (uploads): the point has no volume data',
        hint: null,
      },
      {
        code: 'volume-missing',
        message: 'volume shop_cache is gone and comes up empty: the point has no volume data',
        hint: null,
      },
    ]);
    expect(planned(aPresent({ services }), aPoint({ services }), { findings }).risks).toEqual([]);
  });

  it('tell what cannot be exactly as it was', () => {
    const drifted = { services: { api: { filesHash: 'edited' }, redis: {} }, directory: '/srv/old' };
    const present = aPresent(now);
    const elsewhere = { ...present, engine: { ...present.engine, id: 'engine-2' } };
    expect(planned(elsewhere, aPoint(drifted)).risks).toEqual([
      {
        code: 'drifted',
        message: 'api ran with other settings at the point than its files give; it starts as the files say',
        hint: null,
      },
      { code: 'other-engine', message: 'the point was made on another engine', hint: null },
      { code: 'moved', message: 'the project was in /srv/old then', hint: null },
    ]);
  });

  it('tell that settings of another kind of engine are not compared', () => {
    const present = aPresent(now);
    const elsewhere = { ...present, engine: { ...present.engine, kind: 'podman' as const, id: 'engine-2' } };
    expect(planned(elsewhere, aPoint(now)).risks).toEqual([
      {
        code: 'other-engine',
        message:
          'the point was made on another engine: the plan compares settings of containers by the compose files alone',
        hint: null,
      },
    ]);
  });

  it('tell whom else the restored files concern when only some services are asked for', () => {
    const present = aPresent({ ...now, files: { '.env': 'new' } });
    const target = aPoint({ ...then, files: { '.env': 'old' } });
    const { risks } = planned(present, target, { options: { services: ['api'] } });
    expect(risks.at(-1)).toEqual({
      code: 'shared-files',
      message: 'the restored files also concern redis, which are left running as they are',
      hint: 'leave --services out to roll the whole project back',
    });
  });
});

describe('a checkout', () => {
  const git = (commit: string, dirty: boolean) => ({ git: { commit, branch: 'main', dirty } });
  const plan = (present: Stack, point: Stack) =>
    planned(aPresent(present), aPoint(point), { options: { git: true } }).operations;

  it('goes to the commit of the point', () => {
    expect(plan(git('c0ffee01aa', false), git('decade01aa', false))).toEqual([
      { kind: 'checkout', commit: 'decade01aa', branch: 'main', cause: 'it is at c0ffee01' },
    ]);
  });

  it('is followed by every recorded file: it may change them all', () => {
    const files = { '.env': 'same', 'app.conf': 'old', link: { link: 'here' } };
    const operations = plan(
      { ...git('c0ffee01aa', false), files: { ...files, 'app.conf': 'new' } },
      { ...git('decade01aa', false), files },
    );
    expect(operations.map((operation) => ['path' in operation && operation.path, operation.cause])).toEqual([
      [false, 'it is at c0ffee01'],
      ['app.conf', 'its content changed'],
      ['.env', 'the checkout may change it'],
      ['link', 'the checkout may change it'],
    ]);
  });

  it('stashes changes to a tree that was clean', () => {
    expect(plan(git('c0ffee01aa', true), git('c0ffee01aa', false))).toMatchObject([
      { kind: 'checkout', cause: 'it has changes' },
    ]);
  });

  it('is not needed at the same commit, and spares changes that were there at the point', () => {
    expect(plan(git('c0ffee01aa', false), git('c0ffee01aa', false))).toEqual([]);
    expect(plan(git('c0ffee01aa', true), git('c0ffee01aa', true))).toEqual([]);
  });

  it('is impossible without a repository, and never done unasked', () => {
    expect(plan({}, git('c0ffee01aa', false))).toEqual([]);
    expect(plan(git('c0ffee01aa', false), {})).toEqual([]);
    const target = mirror(aPresent(git('decade01aa', false)));
    expect(planned(aPresent(git('c0ffee01aa', true)), target).operations).toEqual([]);
  });
});
