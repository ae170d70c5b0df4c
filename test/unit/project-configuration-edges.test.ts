import { createHash } from 'node:crypto';
import { chmod, lchown, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readAccess } from '../../src/project/access.js';
import { composeModelSchema } from '../../src/model/compose.js';
import { configurationOf, paths } from '../support/configuration.js';
import { makeFolder } from '../support/folder.js';

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

test('outside of the project only what is listed', async () => {
  const outside = await makeFolder({
    'base.yaml': '',
    'x.env': '',
    'mounted.conf': '',
    'dir/x': '',
    'secret.txt': '',
  });
  const folder = await makeFolder({
    'compose.yaml': `services: { api: { env_file: ${outside.at('x.env')} } }`,
  });
  const model = composeModelSchema.parse({
    secrets: { s: { file: outside.at('secret.txt') } },
    services: {
      api: {
        volumes: [
          { type: 'bind', source: outside.at('mounted.conf'), target: '/a' },
          { type: 'bind', source: outside.at('dir'), target: '/b', read_only: true },
          { type: 'bind', source: outside.path, target: '/c' },
        ],
      },
    },
  });
  const files = { files: [outside.at('base.yaml'), folder.at('compose.yaml')], origin: 'told' as const };
  const configuration = await configurationOf(folder, { model, files });
  expect(configuration.outside.map(({ path }) => path)).toEqual([
    outside.at('base.yaml'),
    outside.at('x.env'),
  ]);
  expect(configuration.skipped.map(({ path }) => path)).toEqual([
    outside.at('dir'),
    outside.at('mounted.conf'),
    outside.at('secret.txt'),
  ]);
  for (const { reason } of configuration.skipped) expect(reason).toContain('config_files');
});

test('symlinks: followed inside, recorded and explained where they lead out or in circles', async () => {
  const outside = await makeFolder({ file: '1', deep: '2' });
  const folder = await makeFolder({ 'real/app.conf': '', 'real/dir/x.conf': '' });
  await symlink('real/app.conf', folder.at('app.conf'));
  await symlink('real', folder.at('way'));
  await symlink(outside.at('file'), folder.at('out.conf'));
  await symlink(outside.path, folder.at('out.dir'));
  await symlink(outside.path, folder.at('outdir'));
  await symlink('b.conf', folder.at('a.conf'));
  await symlink('a.conf', folder.at('b.conf'));
  const configuration = await configurationOf(folder, {
    globs: ['app.conf', 'way/dir/x.conf', 'out.conf', 'outdir/deep', 'out.dir', 'a.conf'],
  });
  expect(paths(configuration)).toEqual([
    'a.conf',
    'app.conf',
    'b.conf',
    'out.conf',
    'out.dir',
    'outdir',
    'real/app.conf',
    'real/dir/x.conf',
    'way',
  ]);
  expect(configuration.entries).toContainEqual(
    expect.objectContaining({ path: 'out.conf', type: 'symlink', target: outside.at('file') }),
  );
  expect(configuration.outside).toEqual([
    expect.objectContaining({ path: outside.at('deep'), via: 'outdir/deep', sha256: sha256('2') }),
    expect.objectContaining({ path: outside.at('file'), via: 'out.conf', sha256: sha256('1') }),
  ]);
  expect(configuration.skipped).toEqual([
    { path: 'a.conf', reason: expect.stringContaining('circles') },
    { path: 'out.dir', reason: expect.stringMatching(/leads out.*is a directory/) },
  ]);
});

describe.runIf(process.getuid?.() === 0)('a link of another user, read by root', () => {
  const OTHER = 12_345;

  async function linkTo(mode: number, directoryMode: number) {
    const outside = await makeFolder({ 'keys/id': 'secret' });
    await chmod(outside.at('keys/id'), mode);
    await chmod(outside.at('keys'), directoryMode);
    await chmod(dirname(outside.path), 0o755);
    const folder = await makeFolder({ 'compose.yaml': '' });
    await symlink(outside.at('keys/id'), folder.at('hop'));
    await symlink('hop', folder.at('.env'));
    await lchown(folder.at('hop'), OTHER, OTHER);
    return { outside, configuration: await configurationOf(folder) };
  }

  test.each([
    ['a private file', 0o600, 0o755],
    ['a file in a private directory', 0o644, 0o700],
    ['a file that is closed to its group', 0o604, 0o755],
  ])('%s is not recorded, and named', async (_, mode, directoryMode) => {
    const { configuration } = await linkTo(mode, directoryMode);
    expect(configuration.outside).toEqual([]);
    expect(paths(configuration)).toEqual(['.env', 'compose.yaml', 'hop']);
    expect(configuration.skipped).toEqual([
      { path: '.env', reason: expect.stringContaining('the owner of the link may not read') },
    ]);
    expect(JSON.stringify(configuration)).not.toContain(sha256('secret'));
  });

  test('a file that everybody may read is recorded', async () => {
    const { outside, configuration } = await linkTo(0o644, 0o755);
    expect(configuration.outside.map(({ path }) => path)).toEqual([outside.at('keys/id')]);
    expect(configuration.skipped).toEqual([]);
  });
});

test('links on the way to a mount are configuration, whoever may write there', async () => {
  const folder = await makeFolder({ 'compose.yaml': '', 'releases/1/index': '', 'releases/1/conf/a': '' });
  await symlink('releases/1', folder.at('current'));
  await symlink('releases/9', folder.at('next'));
  const configuration = await configurationOf(folder, {
    mounts: [
      { source: folder.at('current') },
      { source: folder.at('next') },
      { source: folder.at('current/conf'), read_only: true },
    ],
  });
  const read = ['releases/1/conf', 'releases/1/conf/a'];
  expect(paths(configuration)).toEqual(['compose.yaml', 'current', 'next', ...read]);
  expect(configuration.directories).toEqual(['releases/1/conf']);
});

describe('the paths of a target', () => {
  test('folders that are gone are told, and directories that hold anything else', async () => {
    const folder = await makeFolder({ 'compose.yaml': '', 'a/known': '', 'b/known': '', 'b/other': '' });
    await mkdir(folder.at('empty'));
    const { entries } = await configurationOf(folder, {
      alsoPaths: ['a', 'a/known', 'b', 'b/known', 'empty', 'gone/deep/file'],
    });
    const seen = entries
      .filter(({ path }) => !path.includes('compose'))
      .map((entry) => [entry.path, entry.type, 'others' in entry]);
    expect(seen).toEqual([
      ['.env', 'absent', false],
      ['a', 'directory', false],
      ['a/known', 'file', false],
      ['b', 'directory', true],
      ['b/known', 'file', false],
      ['empty', 'directory', false],
      ['gone', 'absent', false],
      ['gone/deep', 'absent', false],
      ['gone/deep/file', 'absent', false],
    ]);
  });

  test('that always change are marked, and those that change while they are read', async () => {
    const folder = await makeFolder({ 'compose.yaml': '', log: '', steady: '', written: '' });
    for (const path of ['log', 'steady']) await utimes(folder.at(path), 1000, 1000);
    await utimes(folder.at('written'), 3000, 3000);
    const { entries } = await configurationOf(folder, {
      alsoPaths: ['log', 'steady', 'written'],
      unsteady: ['log'],
      began: 2_000_000,
    });
    expect(entries.flatMap((entry) => ('unsteady' in entry ? entry.path : []))).toEqual([
      'compose.yaml',
      'log',
      'written',
    ]);
  });

  test.runIf(process.getuid?.() === 0)(
    'that another user could not write are told with the reason',
    async () => {
      const folder = await makeFolder({ 'compose.yaml': '', 'conf/site': '', 'tmp/mine': '', 'open/x': '' });
      await chmod(folder.at('tmp'), 0o1777);
      await chmod(folder.at('open'), 0o777);
      await chmod(dirname(folder.path), 0o755);
      process.seteuid?.(12_345);
      try {
        const places = ['conf/site', 'conf/new/x', 'tmp/mine', 'open/x'];
        const access = await readAccess(new Map(places.map((path) => [path, folder.at(path)])));
        expect(access.user?.uid).toBe(12_345);
        expect(access.refused).toMatchObject({ 'tmp/mine': expect.stringContaining('sticky') });
        expect(access.refused).not.toHaveProperty('open/x');
      } finally {
        process.seteuid?.(0);
      }
    },
  );
});

test('a name or a target that is not UTF-8 is named as not covered', async () => {
  const folder = await makeFolder({ 'compose.yaml': '', 'conf/a': '' });
  await writeFile(Buffer.concat([Buffer.from(folder.at('conf/caf')), Buffer.from([0xe9])]), 'x');
  await symlink(Buffer.from([0xe9]), folder.at('conf/link'));
  const configuration = await configurationOf(folder, {
    mounts: [{ source: folder.at('conf'), read_only: true }],
  });
  expect(paths(configuration)).toEqual(['compose.yaml', 'conf', 'conf/a']);
  expect(configuration.directories).toEqual([]);
  expect(configuration.skipped).toEqual([
    { path: 'conf/caf\\xe9', reason: expect.stringContaining('UTF-8') },
    { path: 'conf/link', reason: expect.stringContaining('UTF-8') },
  ]);
});

test('a project that is reached through a symlink is the same project', async () => {
  const folder = await makeFolder({ 'compose.yaml': '', 'conf/a': '' });
  const link = `${folder.path}-link`;
  await symlink(folder.path, link);
  onTestFinished(() => rm(link));
  const files = { directory: link, files: [`${link}/compose.yaml`] };
  const mounts = [{ source: folder.at('conf'), read_only: true }];
  expect(paths(await configurationOf(folder, { files, mounts }))).toEqual(['compose.yaml', 'conf', 'conf/a']);
});

test('the present state of wanted paths, whatever it is', async () => {
  const outside = await makeFolder({ hosts: '' });
  const folder = await makeFolder({
    'a.txt': '',
    'was-a-file/x': '',
    'conf/new.ini': '',
    'conf/sub/y': '',
    'file/x': '',
  });
  await symlink('a.txt', folder.at('link'));
  await symlink(outside.path, folder.at('escape'));
  await promisify(execFile)('mkfifo', [folder.at('pipe')]);
  const configuration = await configurationOf(folder, {
    alsoPaths: ['a.txt', 'gone', 'link', 'was-a-file', 'pipe', 'escape/hosts', 'a.txt/below'],
    alsoDirectories: ['conf', 'no-more'],
    alsoOutside: [outside.at('hosts'), outside.at('none')],
  });
  const states = Object.fromEntries(configuration.entries.map((entry) => [entry.path, entry.type]));
  expect(states).toMatchObject({
    'a.txt': 'file',
    gone: 'absent',
    link: 'symlink',
    'was-a-file': 'directory',
    pipe: 'other',
    'escape/hosts': 'other',
    'a.txt/below': 'absent',
    'conf/new.ini': 'file',
    'conf/sub/y': 'file',
  });
  expect(configuration.directories).toEqual([]);
  expect(configuration.outside.map(({ type }) => type)).toEqual(['file', 'absent']);
});

test.each(['../x', '/etc/passwd', 'a/../../x', 'a\nb', './a', ''])(
  'a wanted path %j is refused',
  async (path) => {
    const folder = await makeFolder();
    await expect(configurationOf(folder, { alsoPaths: [path] })).rejects.toMatchObject({ code: 'unsafe' });
    await expect(configurationOf(folder, { alsoDirectories: [path] })).rejects.toMatchObject({
      code: 'unsafe',
    });
  },
);

test('names that cannot be printed are not recorded, and their directory does not count as whole', async () => {
  const folder = await makeFolder({ 'conf/ok': '', 'conf/new\nline': '' });
  const configuration = await configurationOf(folder, {
    mounts: [{ source: folder.at('conf'), read_only: true }],
  });
  expect(paths(configuration)).toEqual(['conf', 'conf/ok']);
  expect(configuration.skipped).toEqual([{ path: '"conf/new\\nline"', reason: expect.any(String) }]);
  expect(configuration.directories).toEqual([]);
});

test('set-id and sticky bits are part of the mode', async () => {
  const folder = await makeFolder({ 'run.sh': '' });
  await chmod(folder.at('run.sh'), 0o4750);
  const configuration = await configurationOf(folder, { globs: ['run.sh'] });
  expect(configuration.entries).toContainEqual(expect.objectContaining({ path: 'run.sh', mode: 0o4750 }));
});
