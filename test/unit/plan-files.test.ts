import { describe, expect, it } from 'vitest';
import type { Observation } from '../../src/model/project.js';
import { aPoint } from '../support/mirror.js';
import { sha256, type FileSpec } from '../support/file-specs.js';
import { aPlan, aPresent, outline, planned, traitsOf, type Stack } from '../support/planning.js';

/** What happens to files, and to the services that see them. */

const replaced = (what: string) => ({
  code: 'files-replaced',
  message: `changes to ${what} made since the point (2 hours old) are replaced`,
  hint: 'the safety point keeps them: undo brings them back',
});

const oldBytes = { mode: 0o644, size: 3, sha256: sha256('old'), outside: false };

/** What a plan makes of files alone. */
function differences(now: Record<string, FileSpec>, then: Record<string, FileSpec>) {
  const { operations, blockers } = planned(aPresent({ files: now }), aPoint({ files: then }));
  return { operations, blockers };
}

describe('a changed file that is mounted by itself', () => {
  const services: Stack['services'] = { prometheus: { binds: ['prometheus.yml'] }, redis: {} };
  const present = aPresent({ services, files: { 'prometheus.yml': 'new' } });
  const target = aPoint({ services, files: { 'prometheus.yml': 'old' } });
  const restore = {
    kind: 'restore-file',
    path: 'prometheus.yml',
    ...oldBytes,
    cause: 'its content changed',
  } as const;
  const cause = 'prometheus.yml changes under it';

  it('is rewritten in place and read again by a handler that reloads: nothing stops', () => {
    const traits = {
      prometheus: traitsOf('prometheus', { reloads: true, prepares: true, settles: true, after: ['warm'] }),
    };
    const handled = { service: 'prometheus', handler: 'prometheus' };
    expect(planned(present, target, { traits })).toEqual(
      aPlan({
        operations: [
          { ...restore, in_place: true },
          { kind: 'reload', ...handled, paths: ['prometheus.yml'], cause },
          {
            kind: 'hook',
            phase: 'after',
            service: 'prometheus',
            index: 0,
            what: 'warm',
            cause: 'configured for prometheus',
          },
          { kind: 'verify', ...handled, cause: 'it was touched' },
        ],
        unchanged: ['redis'],
        risks: [replaced('prometheus.yml')],
      }),
    );
  });

  it('is renamed into place while the container of any other handler is stopped', () => {
    const containers = { services: ['prometheus'], containers: ['prometheus-1'], cause };
    expect(planned(present, target)).toEqual(
      aPlan({
        operations: [
          { kind: 'stop', ...containers },
          { ...restore, in_place: false },
          { kind: 'start', ...containers },
          { kind: 'verify', service: 'prometheus', handler: 'generic', cause: 'it was touched' },
        ],
        unchanged: ['redis'],
        risks: [replaced('prometheus.yml')],
      }),
    );
  });

  it('is rewritten in place under a container that is not to be touched', () => {
    const plan = planned(present, target, { options: { configOnly: true } });
    expect(plan.operations).toEqual([{ ...restore, in_place: true }]);
  });

  it('is renamed into place when its container is stopped anyway', () => {
    const stopped = aPresent({
      services: { ...services, prometheus: { ...services.prometheus, states: ['exited'] } },
      files: { 'prometheus.yml': 'new' },
    });
    const { operations } = planned(stopped, target);
    expect(outline(operations)).toEqual([
      'restore-file prometheus.yml',
      'start prometheus',
      'verify prometheus',
    ]);
    expect(operations[0]).toMatchObject({ in_place: false });
  });

  it('restarts a paused container: unpausing it would leave it on the old bytes', () => {
    const paused = aPresent({
      services: { prometheus: { binds: ['prometheus.yml'], states: ['paused'] }, redis: {} },
      files: { 'prometheus.yml': 'new' },
    });
    const traits = { prometheus: traitsOf('prometheus', { reloads: true }) };
    expect(outline(planned(paused, target, { traits }).operations)).toEqual([
      'stop prometheus',
      'restore-file prometheus.yml',
      'start prometheus',
      'verify prometheus',
    ]);
  });

  it('stops replicas that would serve on if only their number differed', () => {
    const bound = { binds: ['app.conf'], scale: 1 };
    const now = aPresent({
      services: { api: { ...bound, states: ['running', 'running'] } },
      files: { 'app.conf': 'new' },
    });
    const then = aPoint({ services: { api: bound }, files: { 'app.conf': 'old' } });
    expect(outline(planned(now, then).operations)).toEqual([
      'stop api',
      'restore-file app.conf',
      'up api',
      'verify api',
    ]);
  });
});

describe('a file that only compose reads', () => {
  const services = { api: { binds: ['.'] } };

  it('restarts nobody, even where the project is mounted whole', () => {
    const files = { 'compose.yaml': 'new', 'compose.override.yaml': 'new' };
    const before = { 'compose.yaml': 'old', 'compose.override.yaml': 'old' };
    const plan = planned(aPresent({ services, files }), aPoint({ services, files: before }));
    expect(outline(plan.operations)).toEqual([
      'restore-file compose.override.yaml',
      'restore-file compose.yaml',
    ]);
    expect(plan.unchanged).toEqual(['api']);
    expect(plan.risks).toEqual([replaced('2 configuration files')]);
  });

  it('is removed when it appeared, with what it added', () => {
    const present = aPresent({
      services: { api: {}, debug: { volumes: ['dumps'] } },
      files: { 'compose.override.yaml': 'services: { debug: … }' },
    });
    const target = aPoint({ services: { api: {} }, files: { 'compose.override.yaml': null } });
    expect(planned(present, target)).toEqual(
      aPlan({
        operations: [
          {
            kind: 'remove',
            services: ['debug'],
            containers: ['debug-1'],
            cause: 'it had no containers at the point',
          },
          {
            kind: 'remove-file',
            path: 'compose.override.yaml',
            outside: false,
            cause: 'it was not there at the point',
          },
        ],
        unchanged: ['api'],
        risks: [
          replaced('compose.override.yaml'),
          {
            code: 'service-removed',
            message: 'debug was not there at the point: its containers are removed, its volumes stay',
            hint: null,
          },
        ],
      }),
    );
  });
});

describe('a file, a link, a directory', () => {
  it('gets its mode back', () => {
    const now = { '.env': { content: 'old', mode: 0o644 } };
    expect(differences(now, { '.env': { content: 'old', mode: 0o600 } })).toEqual({
      operations: [
        {
          kind: 'restore-file',
          path: '.env',
          ...oldBytes,
          mode: 0o600,
          in_place: false,
          cause: 'its mode is 644, it was 600',
        },
      ],
      blockers: [],
    });
  });

  it('comes back when it is gone, without a risk: nothing is replaced', () => {
    const plan = planned(
      aPresent({ services: { api: {} }, files: { '.env': null } }),
      aPoint({ services: { api: {} }, files: { '.env': 'old' } }),
    );
    expect(plan).toEqual(
      aPlan({
        operations: [
          { kind: 'restore-file', path: '.env', ...oldBytes, in_place: false, cause: 'it is gone' },
        ],
        unchanged: ['api'],
      }),
    );
  });

  it('replaces a link by a file and a file by a link', () => {
    const { operations } = differences(
      { one: { link: 'there' }, two: 'new', three: { link: 'there' } },
      { one: 'old', two: { link: 'here' }, three: { link: 'here' } },
    );
    expect(operations).toEqual([
      { kind: 'restore-file', path: 'one', ...oldBytes, in_place: false, cause: 'it is a link now' },
      { kind: 'restore-link', path: 'three', target: 'here', outside: false, cause: 'it points elsewhere' },
      { kind: 'restore-link', path: 'two', target: 'here', outside: false, cause: 'it points elsewhere' },
    ]);
  });

  it('never destroys what is not ours: another kind of thing in the way is a blocker', () => {
    const { operations, blockers } = differences(
      {
        a: { directory: 0o755, more: { others: true } },
        b: { other: 'a socket' },
        d: { other: 'a device' },
      },
      { a: 'old', b: null, d: 'old' },
    );
    const hint = 'move it away, then try again';
    expect(operations).toEqual([]);
    expect(blockers).toEqual([
      { code: 'in-the-way', message: 'a is a directory now, where the point has a file', hint },
      { code: 'in-the-way', message: 'b is a socket now, where the point has nothing', hint },
      { code: 'in-the-way', message: 'd is a device now, where the point has a file', hint },
    ]);
  });
});

describe('a directory recorded as a whole', () => {
  it('loses what appeared in it, the innermost first, and gets back what went, the outermost first', () => {
    const then: Stack = {
      directories: ['conf'],
      files: { conf: { directory: 0o755 }, 'conf/old': { directory: 0o700 }, 'conf/old/a.yml': 'old' },
    };
    const now: Stack = {
      files: {
        conf: { directory: 0o700 },
        'conf/new': { directory: 0o755 },
        'conf/new/b.yml': 'new',
        'conf.bak': 'not inside',
        'conf/socket': { other: 'a socket' },
      },
    };
    const appeared = { outside: false, cause: 'it was not there at the point' };
    expect(planned(aPresent(now), aPoint(then)).operations).toEqual([
      {
        kind: 'restore-directory',
        path: 'conf',
        mode: 0o755,
        outside: false,
        cause: 'its mode is 700, it was 755',
      },
      { kind: 'restore-directory', path: 'conf/old', mode: 0o700, outside: false, cause: 'it is gone' },
      { kind: 'restore-file', path: 'conf/old/a.yml', ...oldBytes, in_place: false, cause: 'it is gone' },
      { kind: 'remove-file', path: 'conf/new/b.yml', ...appeared },
      { kind: 'remove-file', path: 'conf/new', ...appeared },
    ]);
  });

  it('restarts the container that mounts it', () => {
    const services = { api: { binds: ['conf'] } };
    const present = aPresent({ services, files: { conf: { directory: 0o755 }, 'conf/a.yml': 'new' } });
    const target = aPoint({ services, files: { conf: { directory: 0o755 } }, directories: ['conf'] });
    expect(outline(planned(present, target).operations)).toEqual([
      'stop api',
      'remove-file conf/a.yml',
      'start api',
      'verify api',
    ]);
  });
});

describe('a file outside the project', () => {
  const present = aPresent({ services: { api: {} }, outside: { '/etc/shop.conf': 'new' } });
  const target = aPoint({ services: { api: {} }, outside: { '/etc/shop.conf': 'old' } });

  it('is left alone and named', () => {
    const outsideDiffers = {
      code: 'outside-differs',
      message: 'outside the project, and left alone: /etc/shop.conf',
      hint: 'add --outside to restore them too',
    };
    expect(planned(present, target)).toEqual(aPlan({ unchanged: ['api'], risks: [outsideDiffers] }));
  });

  it('that gives a service its definition: nothing else would, so it is not stopped for nothing', () => {
    const outside = { '/etc/shop.yaml': 'new' };
    const now = { services: { api: { hash: 'new' }, web: {} }, outside };
    const then = { services: { api: { hash: 'old' }, web: {} }, outside: { '/etc/shop.yaml': 'old' } };
    const plan = planned(aPresent(now), aPoint(then));
    expect([plan.operations, plan.unchanged]).toEqual([[], ['web']]);
    expect(plan.risks).toContainEqual(
      expect.objectContaining({
        message: 'api is left as it is: its definition changed, in files that are left alone',
      }),
    );

    const kinds = (observed: Observation, options = {}) =>
      planned(observed, aPoint(then), { options }).operations.map(({ kind }) => kind);
    const applied = ['stop', 'up', 'verify'];
    expect(kinds(aPresent(now), { outside: true })).toEqual(['stop', 'restore-file', 'up', 'verify']);
    expect(kinds(aPresent({ ...now, variables: { TAG: '2' } }))).toEqual([]);
    const drifted = { ...now, services: { ...now.services, api: { hash: 'new', filesHash: 'newer' } } };
    expect(kinds(aPresent(drifted))).toEqual(applied);
    const shell = { ...then, variables: { TAG: '1' } };
    const differing = planned(aPresent({ ...now, variables: { TAG: '2' } }), aPoint(shell));
    expect(differing.operations.map(({ kind }) => kind)).toEqual(applied);
  });

  it('is restored when asked', () => {
    const plan = planned(present, target, { options: { outside: true } });
    expect(plan.operations).toEqual([
      {
        kind: 'restore-file',
        path: '/etc/shop.conf',
        ...oldBytes,
        outside: true,
        in_place: false,
        cause: 'its content changed',
      },
    ]);
  });
});
