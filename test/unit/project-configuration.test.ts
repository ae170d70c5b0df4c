import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { currentUser } from '../../src/project/access.js';
import { composeModelSchema } from '../../src/model/compose.js';
import { absent, configurationOf, paths } from '../support/configuration.js';
import { containerOf, makeFolder } from '../support/folder.js';

const owner = { uid: process.getuid?.(), gid: process.getgid?.() };
const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

test('compose files, .env and the absence of what compose would load by itself', async () => {
  const folder = await makeFolder({ 'compose.yml': 'services: {}', 'docker-compose.yml': 'ignored' });
  await folder.write({ '.env': 'A=1\n' }, 0o600);
  const configuration = await configurationOf(folder, { files: { files: [folder.at('compose.yml')] } });
  expect(configuration).toEqual({
    entries: [
      { path: '.env', type: 'file', owner, mode: 0o600, size: 4, sha256: sha256('A=1\n') },
      { path: 'compose.override.yaml', type: 'absent' },
      { path: 'compose.override.yml', type: 'absent' },
      { path: 'compose.yaml', type: 'absent' },
      { path: 'compose.yml', type: 'file', owner, mode: 0o644, size: 12, sha256: sha256('services: {}') },
      { path: 'docker-compose.override.yaml', type: 'absent' },
      { path: 'docker-compose.override.yml', type: 'absent' },
    ],
    outside: [],
    skipped: [],
    directories: [],
    access: { user: currentUser(), refused: {}, mountPoints: [] },
  });
});

test('files that were named leave nothing to be found by default', async () => {
  const folder = await makeFolder({ 'a.yaml': 'services: {}', '.env': '', 'prod.env': '' });
  const files = { files: [folder.at('a.yaml')], origin: 'told' as const, envFiles: [folder.at('prod.env')] };
  const configuration = await configurationOf(folder, { files });
  expect(configuration.entries.map(({ path }) => path)).toEqual(['a.yaml', 'prod.env']);
});

test('env files, configs, secrets, includes and extends', async () => {
  const folder = await makeFolder({
    'compose.yaml':
      'include: [sub/inc.yaml]\nservices: { api: { image: x, env_file: [api.env, gone.env], extends: { file: base.yaml, service: a } } }',
    'sub/inc.yaml': '',
    'base.yaml': 'services: { a: {} }',
    'api.env': '',
    'conf/app.conf': '',
    'token.txt': '',
  });
  const model = composeModelSchema.parse({
    configs: { app: { file: folder.at('conf/app.conf') } },
    secrets: { token: { file: folder.at('token.txt') } },
  });
  const configuration = await configurationOf(folder, { model });
  expect(paths(configuration)).toEqual([
    'api.env',
    'base.yaml',
    'compose.yaml',
    'conf/app.conf',
    'sub/inc.yaml',
    'token.txt',
  ]);
  expect(absent(configuration)).toEqual(expect.arrayContaining(['.env', 'gone.env', 'sub/.env']));
});

test('without a model, configs and secrets are taken from the files themselves', async () => {
  const folder = await makeFolder({
    'compose.yaml': 'configs: { a: { file: a.conf } }\nservices: [',
    'a.conf': '',
  });
  expect(paths(await configurationOf(folder, { model: undefined }))).toEqual(['a.conf', 'compose.yaml']);
});

test('binds: files are configuration, read-only directories too, writable ones are data', async () => {
  const folder = await makeFolder({
    'compose.yaml': '',
    'nginx.conf': 'server',
    'conf/a.ini': '1',
    'conf/deep/b.ini': '2',
    'data/db.bin': '3',
    'shared/x': '4',
    'other/y': '5',
  });
  await mkdir(folder.at('conf/empty'), { mode: 0o700 });
  await symlink('a.ini', folder.at('conf/link.ini'));
  const mounts = [
    { source: folder.at('nginx.conf') },
    { source: folder.at('conf'), read_only: true },
    { source: folder.at('data') },
    { source: folder.at('shared'), read_only: true },
  ];
  const mounted = { type: 'bind' as const, name: undefined, target: '/s' };
  const containers = [
    containerOf('web', { mounts: [{ ...mounted, source: folder.at('shared'), readOnly: false }] }),
    containerOf('job', { mounts: [{ ...mounted, source: folder.at('other'), readOnly: true }] }),
  ];
  const configuration = await configurationOf(folder, { mounts, containers });
  expect(paths(configuration)).toEqual([
    'compose.yaml',
    'conf',
    'conf/a.ini',
    'conf/deep',
    'conf/deep/b.ini',
    'conf/empty',
    'conf/link.ini',
    'nginx.conf',
    'other',
    'other/y',
  ]);
  expect(configuration.directories).toEqual(['conf', 'other']);
  expect(configuration.entries).toContainEqual({
    path: 'conf/link.ini',
    type: 'symlink',
    owner,
    target: 'a.ini',
  });
  expect(configuration.entries).toContainEqual({ path: 'conf/empty', type: 'directory', owner, mode: 0o700 });
  expect(configuration.skipped).toEqual([]);
});

test('a directory that is writable under its other name is data', async () => {
  const folder = await makeFolder({ 'real/x': '' });
  await symlink('real', folder.at('way'));
  const mounts = [{ source: folder.at('way'), read_only: true }, { source: folder.at('real') }];
  const configuration = await configurationOf(folder, { mounts });
  expect(paths(configuration)).toEqual(['way']);
  expect(configuration.directories).toEqual([]);
});

test('writable directories inside of a read-only one are data', async () => {
  const folder = await makeFolder({ 'conf/a.ini': '', 'conf/cache/x': '' });
  const mounts = [{ source: folder.at('conf'), read_only: true }, { source: folder.at('conf/cache') }];
  const configuration = await configurationOf(folder, { mounts });
  expect(paths(configuration)).toEqual(['conf', 'conf/a.ini']);
});

test.each([true, false])(
  'the project root mounted (read-only: %s) takes neither points nor .git',
  async (read_only) => {
    const folder = await makeFolder({
      'compose.yaml': '',
      'src/app.js': '',
      '.git/HEAD': '',
      'sub/.git/HEAD': '',
      'rollback/backups/rb-1/point.json': '',
    });
    const configuration = await configurationOf(folder, { mounts: [{ source: folder.path, read_only }] });
    expect(paths(configuration)).toEqual(
      read_only ? ['compose.yaml', 'rollback', 'src', 'src/app.js', 'sub'] : ['compose.yaml'],
    );
    expect(configuration.directories).toEqual(read_only ? ['.'] : []);
  },
);

test('the backup directory itself, listed or mounted, is never configuration', async () => {
  const folder = await makeFolder({ 'rollback/backups/rb-1/point.json': '' });
  const configuration = await configurationOf(folder, {
    mounts: [
      { source: folder.at('rollback/backups'), read_only: true },
      { source: folder.at('rollback/backups/rb-1/point.json') },
    ],
    globs: ['rollback/**'],
  });
  expect(paths(configuration)).toEqual([]);
  expect(configuration.directories).toEqual([]);
});

test('sockets, pipes, kernel files and databases are left out; large files say why', async () => {
  const folder = await makeFolder({
    'small.db': '',
    'plain.txt': 'SQLite format 3\0rest',
    'just.conf': 'x'.repeat(1 << 20),
  });
  await writeFile(folder.at('under.conf'), 'x'.repeat((1 << 20) - 1));
  const server = createServer().listen(folder.at('docker.sock'));
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  await promisify(execFile)('mkfifo', [folder.at('pipe')]);
  const names = ['small.db', 'plain.txt', 'just.conf', 'under.conf', 'docker.sock', 'pipe', 'gone.conf'];
  const mounts = [
    ...names.map((name) => ({ source: folder.at(name) })),
    { source: '/proc/meminfo' },
    { source: '/sys', read_only: true },
  ];
  const configuration = await configurationOf(folder, { mounts });
  expect(paths(configuration)).toEqual(['under.conf']);
  expect(absent(configuration)).not.toContain('gone.conf');
  expect(configuration.skipped).toEqual([
    { path: 'just.conf', reason: expect.stringContaining('1.0 MB') },
    { path: 'plain.txt', reason: expect.stringContaining('database') },
    { path: 'small.db', reason: expect.stringContaining('database') },
  ]);
});

test('what is too large is recorded when it is listed', async () => {
  const folder = await makeFolder({ 'large.conf': 'x'.repeat(1 << 20) });
  const configuration = await configurationOf(folder, {
    mounts: [{ source: folder.at('large.conf') }],
    globs: ['*.conf'],
  });
  expect(paths(configuration)).toEqual(['large.conf']);
  expect(configuration.skipped).toEqual([]);
});

test('a read-only directory of 10 MB or more is left out and says why', async () => {
  const folder = await makeFolder({
    'models/a.bin': 'x'.repeat(6 << 20),
    'models/b.bin': 'x'.repeat(4 << 20),
  });
  const configuration = await configurationOf(folder, {
    mounts: [{ source: folder.at('models'), read_only: true }],
  });
  expect(paths(configuration)).toEqual([]);
  expect(configuration.directories).toEqual([]);
  expect(configuration.skipped).toEqual([{ path: 'models', reason: expect.stringContaining('10.0 MB') }]);
});

test('globs and plain paths from the settings; missing ones are remembered as missing', async () => {
  const folder = await makeFolder({ 'a.ini': '', 'conf/b.ini': '', 'conf/.hidden': '', 'x.log': '' });
  const elsewhere = await makeFolder({ 'etc/app.conf': 'hello' });
  const globs = [
    '**/*.ini',
    '!a.ini',
    'conf/.hidden',
    'gone.ini',
    `${elsewhere.path}/etc/*`,
    `${elsewhere.path}/none`,
  ];
  const configuration = await configurationOf(folder, { globs });
  expect(paths(configuration)).toEqual(['conf/.hidden', 'conf/b.ini']);
  expect(absent(configuration)).toContain('gone.ini');
  expect(configuration.outside).toEqual([
    {
      path: elsewhere.at('etc/app.conf'),
      type: 'file',
      owner,
      mode: 0o644,
      size: 5,
      sha256: sha256('hello'),
    },
    { path: elsewhere.at('none'), type: 'absent' },
  ]);
});
