import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/model/plan.js';
import type { FileAccess } from '../../src/model/project.js';
import { aPoint } from '../support/mirror.js';
import { sha256, type FileSpec } from '../support/file-specs.js';
import { aPlan, aPresent, outline, planned, type Stack } from '../support/planning.js';

/** Owners, directories, links, mount points and rights: what of files is no content. */

const oldBytes = { mode: 0o644, size: 3, sha256: sha256('old'), outside: false };

/** What a plan makes of files alone. */
function differences(now: Record<string, FileSpec>, then: Record<string, FileSpec>) {
  const { operations, blockers } = planned(aPresent({ files: now }), aPoint({ files: then }));
  return { operations, blockers };
}

describe('the owner of a file', () => {
  const root = { uid: 0, gid: 0 };
  const ours = { uid: 1000, gid: 1000 };
  const theirs = { uid: 1234, gid: 1234 };
  const key = (owner: typeof root | undefined, mode = 0o400) => ({
    'certs/key': { content: 'old', mode, ...(owner && { owner }) },
  });
  const services = { web: { binds: ['certs'] } };
  const as = (user: FileAccess['user']) => ({ user });

  it('is restored by root, alone or with the content', () => {
    const { operations } = differences(key(root), key(theirs));
    expect(operations).toEqual([
      {
        kind: 'restore-file',
        path: 'certs/key',
        ...oldBytes,
        mode: 0o400,
        owner: theirs,
        in_place: false,
        cause: 'its owner is 0:0, it was 1234:1234',
      },
    ]);
  });

  it('is no difference where an older point did not record it', () => {
    expect(differences(key(root), key(undefined)).operations).toEqual([]);
  });

  it.each([
    ['its group, which is one of the user', { ...ours, gid: 50 }, ['restore-file certs/key']],
    ['the group of others', { ...ours, gid: 51 }, []],
    ['another user', theirs, []],
  ])('another user restores %s', (_, owner, expected) => {
    const access = as({ uid: 1000, groups: [1000, 50] });
    const plan = planned(aPresent({ files: key(ours), access }), aPoint({ files: key(owner) }));
    expect(outline(plan.operations)).toEqual(expected);
  });

  const change = (mode: number, owner: typeof root, kind: Plan['kind'] = 'rollback') =>
    planned(
      aPresent({
        services,
        files: { 'certs/key': { content: 'new', mode, owner: ours } },
        access: as({ uid: 1000, groups: [1000] }),
      }),
      aPoint({ services, files: key(owner, mode) }),
      { options: { kind } },
    );

  it('blocks where a service could not read the file of somebody else', () => {
    const plan = change(0o440, theirs);
    expect(plan.blockers).toEqual([
      {
        code: 'owner-unreadable',
        message:
          'certs/key belonged to 1234:1234 (mode 440), and would belong to 1000:1000: web might not read it',
        hint: 'run this as root',
      },
    ]);
  });

  it.each([
    ['everybody may read it', change(0o444, theirs)],
    ['it was for root, who reads everything', change(0o400, root)],
  ])('is only a risk where %s', (_, { blockers, risks }) => {
    expect(blockers).toEqual([]);
    expect(risks.map(({ code }) => code)).toContain('owner-differs');
  });

  it('never blocks the way back', () => {
    expect(change(0o440, theirs, 'return').blockers).toEqual([]);
  });
});

describe('a directory in the place of a file or a link', () => {
  const services = { web: { binds: ['app.ini', 'current'] } };
  const then = { 'app.ini': 'old', current: { link: 'releases/1' } };

  it('that is empty, as an engine makes it, is replaced', () => {
    const files = { 'app.ini': { directory: 0o755 }, current: { directory: 0o755 } };
    const plan = planned(aPresent({ services, files }), aPoint({ services, files: then }));
    expect(outline(plan.operations)).toEqual([
      'stop web',
      'restore-file app.ini',
      'restore-link current',
      'start web',
      'verify web',
    ]);
  });

  it('that holds what the same plan removes is emptied first', () => {
    const { operations, blockers } = differences(
      { current: { directory: 0o755 }, 'current/d': { directory: 0o755 }, 'current/d/f': 'x', b: null },
      { current: { link: 'releases/1' }, 'current/d': null, 'current/d/f': null, b: 'old' },
    );
    expect(blockers).toEqual([]);
    expect(outline(operations)).toEqual([
      'remove-file current/d/f',
      'remove-file current/d',
      'restore-file b',
      'restore-link current',
    ]);
  });

  it('that holds anything else is in the way', () => {
    const { operations, blockers } = differences(
      { current: { directory: 0o755 }, 'current/f': { other: 'a socket' } },
      { current: { link: 'releases/1' }, 'current/f': null },
    );
    expect(operations).toEqual([]);
    expect(blockers.map(({ message }) => message)).toEqual([
      'current is a directory now, where the point has a link',
    ]);
  });

  it('gives way to the link through which its files were read', () => {
    const { operations } = differences(
      { conf: { directory: 0o755 }, 'conf/f': 'copied' },
      { conf: { link: 'conf.new' }, 'conf/f': 'old' },
    );
    expect(outline(operations)).toEqual(['remove-file conf/f', 'restore-link conf']);
  });

  it.each<[string, FileSpec]>([
    ['link', { link: 'conf.new' }],
    ['file', 'new'],
  ])('comes back where a %s stands now, with all that was in it', (_, spec) => {
    const { operations } = differences(
      { conf: spec, 'conf/f': 'old' },
      { conf: { directory: 0o755 }, 'conf/f': 'old' },
    );
    expect(outline(operations)).toEqual(['restore-directory conf', 'restore-file conf/f']);
  });
});

describe('a directory that was not there', () => {
  const then: Stack['files'] = { conf: null, 'conf/sub': null, 'conf/sub/g': null, 'conf/f': null };
  const now: Stack['files'] = {
    conf: { directory: 0o755 },
    'conf/f': 'c1',
    'conf/sub': { directory: 0o755 },
    'conf/sub/g': 'c2',
  };

  it('goes with the files that went into it', () => {
    const { operations, blockers } = differences(now, then);
    expect(blockers).toEqual([]);
    expect(outline(operations)).toEqual([
      'remove-file conf/sub/g',
      'remove-file conf/sub',
      'remove-file conf/f',
      'remove-file conf',
    ]);
  });

  it('stays, and is named, with what is not ours', () => {
    const present = aPresent({ files: { ...now, conf: { directory: 0o755, more: { others: true } } } });
    const plan = planned(present, aPoint({ files: then }));
    expect(plan.blockers).toEqual([]);
    expect(outline(plan.operations)).not.toContain('remove-file conf');
    expect(plan.risks).toContainEqual({
      code: 'directory-stays',
      message: 'conf was not there at the point; it holds other things, and stays',
      hint: null,
    });
  });
});

describe('a file that its service always writes', () => {
  const services = { web: { binds: ['access.log'] } };
  const log = (content: string, mode = 0o644) => ({
    'access.log': { content, mode, unsteady: true } as const,
  });

  it('keeps its content, and restarts nobody', () => {
    const plan = planned(
      aPresent({ services, files: log('more') }),
      aPoint({ services, files: log('some') }),
    );
    expect(plan).toEqual(aPlan({ unchanged: ['web'] }));
  });

  it('is named when anything else is done', () => {
    const present = aPresent({ services: { web: { ...services.web, image: 'web-v2' } }, files: log('more') });
    expect(planned(present, aPoint({ services, files: log('some') })).risks).toContainEqual({
      code: 'unsteady',
      message: 'written by services all the time, and left alone: access.log',
      hint: null,
    });
  });

  it('comes back when it is gone, and gets its mode back', () => {
    const target = aPoint({ services, files: log('some') });
    const restored = ['stop web', 'restore-file access.log', 'start web', 'verify web'];
    for (const files of [{ 'access.log': null }, log('more', 0o600)])
      expect(outline(planned(aPresent({ services, files }), target).operations)).toEqual(restored);
  });
});

describe('a path that this user may not write', () => {
  const refused = { conf: 'no', 'conf/gone': 'no', 'conf/site': 'no', 'conf/new': 'no' };

  it('blocks whatever would change it, all at once', () => {
    const present = aPresent({
      files: { conf: { directory: 0o755 }, 'conf/site': 'new', 'conf/new': 'x', 'conf/gone': null },
      access: { user: { uid: 1000, groups: [1000] }, refused },
    });
    const target = aPoint({
      files: { conf: { directory: 0o755 }, 'conf/site': 'old', 'conf/gone': 'old' },
      directories: ['conf'],
    });
    const { blockers } = planned(present, target);
    expect(new Set(blockers.map(({ code }) => code))).toEqual(new Set(['not-writable']));
    expect(blockers.map(({ message }) => message)).toEqual([
      'conf/gone cannot be restored: no',
      'conf/site cannot be restored: no',
      'conf/new cannot be removed: no',
    ]);
  });

  it('is no reason to block where nothing changes', () => {
    const files = { 'conf/site': 'old' };
    expect(planned(aPresent({ files, access: { refused } }), aPoint({ files })).blockers).toEqual([]);
  });

  it('that is a mount point is rewritten in place, and never removed', () => {
    const access = { mountPoints: ['.env', 'extra'] };
    const present = aPresent({ files: { '.env': 'new', extra: 'x' }, access });
    const { operations, blockers } = planned(present, aPoint({ files: { '.env': 'old', extra: null } }));
    expect(operations).toContainEqual(expect.objectContaining({ path: '.env', in_place: true }));
    expect(blockers.map(({ message }) => message)).toEqual([
      'extra cannot be removed: something is mounted there',
    ]);
  });
});
