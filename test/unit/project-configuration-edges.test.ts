import { createHash } from 'node:crypto';
import { chmod, rm, symlink } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
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
  const outside = await makeFolder({ secret: 'do not read' });
  const folder = await makeFolder({ 'real/app.conf': '', 'real/dir/x.conf': '' });
  await symlink('real/app.conf', folder.at('app.conf'));
  await symlink('real', folder.at('way'));
  await symlink(outside.at('secret'), folder.at('out.conf'));
  await symlink(outside.path, folder.at('outdir'));
  await symlink('b.conf', folder.at('a.conf'));
  await symlink('a.conf', folder.at('b.conf'));
  const configuration = await configurationOf(folder, {
    globs: ['app.conf', 'way/dir/x.conf', 'out.conf', 'outdir/secret', 'a.conf'],
  });
  expect(paths(configuration)).toEqual([
    'a.conf',
    'app.conf',
    'b.conf',
    'out.conf',
    'outdir',
    'real/app.conf',
    'real/dir/x.conf',
    'way',
  ]);
  expect(configuration.entries).toContainEqual({
    path: 'out.conf',
    type: 'symlink',
    target: outside.at('secret'),
  });
  expect(configuration.skipped).toEqual([
    { path: 'a.conf', reason: expect.stringContaining('circles') },
    { path: 'out.conf', reason: expect.stringContaining('leads out') },
    { path: 'outdir/secret', reason: expect.stringContaining('leads out') },
  ]);
  expect(JSON.stringify(configuration)).not.toContain(sha256('do not read'));
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
