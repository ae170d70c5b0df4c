import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/model/plan.js';
import { describe as describeOperation, renderPlan } from '../../src/plan/render.js';
import { aged, ageOf, plural } from '../../src/plan/text.js';
import { aPoint } from '../support/mirror.js';
import { sha256 } from '../support/file-specs.js';
import { aPlan, aPresent, imageId, NOW, planned, THEN, traitsOf, type Stack } from '../support/planning.js';

/** Plans and operations as people read them. */

const cause = 'a cause';

describe('one operation in one line', () => {
  const containers = ['api-1'];
  const file = { path: 'app.conf', outside: false, cause };
  const handled = { service: 'redis', handler: 'redis', cause };
  const lines: [Operation, string][] = [
    [{ kind: 'prepare', ...handled }, 'Prepare redis (redis)'],
    [
      { kind: 'hook', phase: 'before', service: 'api', index: 0, what: 'drain.sh', cause },
      'Run hook before rollback of api: drain.sh',
    ],
    [
      { kind: 'checkout', commit: '6c3d2010aabb', branch: 'main', cause },
      'Stash changes and check out main 6c3d2010',
    ],
    [
      { kind: 'checkout', commit: '6c3d2010aabb', branch: null, cause },
      'Stash changes and check out 6c3d2010',
    ],
    [{ kind: 'stop', services: ['api', 'web'], containers, cause }, 'Stop api, web'],
    [{ kind: 'remove', services: ['debug'], containers, cause }, 'Remove containers of debug'],
    [
      { kind: 'restore-file', ...file, mode: 0o644, size: 3, sha256: sha256('old'), in_place: false },
      'Restore app.conf',
    ],
    [
      { kind: 'restore-file', ...file, mode: 0o644, size: 3, sha256: sha256('old'), in_place: true },
      'Restore app.conf (in place)',
    ],
    [{ kind: 'restore-link', ...file, target: 'there' }, 'Restore link app.conf'],
    [{ kind: 'restore-directory', ...file, mode: 0o755 }, 'Restore directory app.conf'],
    [{ kind: 'remove-file', ...file }, 'Remove app.conf'],
    [
      { kind: 'retag', ref: 'api:1', image: imageId('api-v1'), previous: null, cause },
      'Tag api-v1000000 as api:1',
    ],
    [
      { kind: 'up', services: ['api', 'worker'], scale: { worker: 2 }, start: true, cause },
      'Start api, worker (2 containers)',
    ],
    [
      { kind: 'up', services: ['migrate'], scale: { migrate: 1 }, start: false, cause },
      'Create, without starting, migrate (1 container)',
    ],
    [{ kind: 'start', services: ['api'], containers, cause }, 'Start the same containers of api'],
    [{ kind: 'reload', ...handled, paths: ['redis.conf'] }, 'Reload redis (redis), without a restart'],
    [{ kind: 'settle', ...handled }, 'Let redis settle (redis)'],
    [{ kind: 'verify', ...handled }, 'Verify redis (redis)'],
  ];

  it.each(lines)('%o', (operation, line) => {
    expect(describeOperation(operation)).toBe(line);
  });
});

describe('a plan', () => {
  const then: Stack = {
    services: { api: {}, prometheus: { binds: ['prometheus.yml'] }, redis: {} },
    files: {
      '.env': { content: 'old', mode: 0o600 },
      'compose.override.yaml': null,
      'prometheus.yml': 'old',
    },
  };
  const now: Stack = {
    services: { ...then.services, api: { image: 'api-v2' } },
    files: {
      '.env': { content: 'old', mode: 0o644 },
      'compose.override.yaml': 'new',
      'prometheus.yml': 'new',
    },
  };
  const traits = {
    api: traitsOf('api', { prepares: true }),
    prometheus: traitsOf('prometheus', { reloads: true }),
  };

  it('reads as numbered steps, each line with its cause', () => {
    const plan = planned(aPresent({ ...now, images: ['api-v1'] }), aPoint(then), { traits });
    expect(renderPlan(plan, NOW)).toBe(
      `
Rollback plan: Before v2 (rb-a1b2c3d4e5f6, 2 hours old)
  1. Record the present as a safety point: so that this can be undone
  2. Prepare api (api): api is about to stop
  3. Stop api: it runs image api-v2000000, the point has api-v1000000
  4. Restore 3 configuration files:
     - Restore .env: its mode is 644, it was 600
     - Restore prometheus.yml (in place): its content changed
     - Remove compose.override.yaml: it was not there at the point
  5. Restore Docker images:
     - Tag api-v1000000 as api:1: the tag points to api-v2000000 now
  6. Start api: it runs image api-v2000000, the point has api-v1000000
  7. Reload prometheus (prometheus), without a restart: prometheus.yml changes under it
  8. Verify api (api): it was touched
  9. Verify prometheus (prometheus): it was touched
Untouched: redis
Risks:
  - changes to 3 configuration files made since the point (2 hours old) are replaced
    the safety point keeps them: undo brings them back`.trimStart(),
    );
  });

  it('that is blocked names every blocker and what to do', () => {
    const plan = planned(aPresent(now), aPoint(then), {
      traits,
      options: { services: ['api'] },
      findings: { takenPorts: [{ service: 'api', port: '8000', holder: 'nginx' }] },
    });
    expect(renderPlan(plan, NOW).split('\n').slice(-5)).toEqual([
      'Blocked:',
      '  - api: image api:1 (api-v1000000) is not on this engine any more',
      '    it was built here: load it from a backup, or build that version again',
      '  - api publishes 8000, which nginx holds',
      '    stop that first',
    ]);
  });

  it('without operations says so', () => {
    const point = aPoint(then);
    const present = aPresent(then);
    expect(renderPlan(planned(present, point), THEN)).toBe(
      `
Rollback plan: Before v2 (rb-a1b2c3d4e5f6, 0 seconds old)
  Nothing to do: everything that was compared is as it was at the point
Untouched: api, prometheus, redis`.trimStart(),
    );
  });

  it('never says that all is as it was when something differs that it does not touch', () => {
    const risks = [{ code: 'cannot-make', message: 'old is left as it is', hint: null }];
    expect(renderPlan(aPlan({ risks }), NOW)).toBe(
      `
Rollback plan: Before v2 (rb-a1b2c3d4e5f6, 2 hours old)
  Nothing that could be done
Risks:
  - old is left as it is`.trimStart(),
    );
  });

  it('of a point without a description is called by its id', () => {
    const plan = aPlan();
    const nameless = { ...plan, target: { ...plan.target, description: '' } };
    expect(renderPlan(nameless, NOW)).toContain(
      'Rollback plan: rb-a1b2c3d4e5f6 (rb-a1b2c3d4e5f6, 2 hours old)',
    );
  });
});

describe('ages', () => {
  it.each([
    ['2025-11-05T17:30:00Z', '0 seconds'],
    ['2025-11-05T17:30:01Z', '1 second'],
    ['2025-11-05T17:31:59Z', '1 minute'],
    ['2025-11-05T19:29:59Z', '1 hour'],
    ['2025-11-07T17:30:00Z', '2 days'],
    ['2025-11-05T17:00:00Z', '0 seconds'],
  ])('at %s it is %s', (now, age) => {
    expect(ageOf(THEN, now)).toBe(age);
  });

  it('a time in the future has none, but clocks of two machines may differ a little', () => {
    expect(aged(THEN, '2025-11-05T17:29:30Z', 'ago')).toBe('0 seconds ago');
    expect(aged(THEN, '2025-11-05T17:28:59Z', 'old')).toBe('dated in the future');
  });

  it('count in the singular and the plural', () => {
    expect([plural(1, 'file'), plural(0, 'file'), plural(2, 'file')]).toEqual([
      '1 file',
      '0 files',
      '2 files',
    ]);
  });
});
