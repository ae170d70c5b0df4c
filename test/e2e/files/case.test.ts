import {
  appendFile,
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
} from 'node:fs/promises';
import { realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  aStack,
  cli,
  containersOf,
  create,
  docker,
  environmentOf,
  filesOf,
  json,
  MAIN,
  ok,
  type CliResult,
  type Stack,
} from '../../support/e2e.js';
import { leavesOnlyATrace } from '../../support/untouched.js';

/** Files are what they were: owners, links, mount points, directories, and files that services write themselves. */

const OTHER = 4321;
const IDLE = 'image: busybox:latest, command: [sleep, infinity], stop_signal: SIGKILL';

/** Everything that could be seen of the project's files from outside: type, mode, owner, bytes. */
async function listing(stack: Stack): Promise<Record<string, string>> {
  const files = Object.entries(await filesOf(stack.directory)).filter(
    ([path]) => !path.startsWith('rollback'),
  );
  const seen = files.map(async ([path, what]) => {
    const { uid, gid } = await lstat(stack.path(path));
    return [path, `${uid}:${gid} ${what}`] as const;
  });
  return Object.fromEntries(await Promise.all(seen));
}

async function containerOf(stack: Stack, service: string): Promise<string> {
  const found = Object.values(await containersOf(stack)).find((container) => container.service === service);
  return found?.id ?? `no container of ${service}`;
}

async function inside(stack: Stack, service: string, ...argv: string[]): Promise<string> {
  return docker('exec', await containerOf(stack, service), ...argv);
}

/** Somebody who may talk to the engine, and is neither root nor the owner of everything. */
async function asUser(stack: Stack, ...argv: string[]): Promise<CliResult> {
  const socket = (process.env['DOCKER_HOST'] ?? '/var/run/docker.sock').replace('unix://', '');
  const { gid } = await lstat(socket);
  const user = [
    `--reuid=${OTHER}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
  ];
  const { exitCode, stdout, stderr } = await execa('setpriv', [...user, process.execPath, MAIN, ...argv], {
    cwd: stack.directory,
    env: { ...environmentOf(stack), HOME: '/nonexistent' },
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

async function outsideFolder(): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'e2e-files-outside-')));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

describe('a project after an update that cleaned too much', () => {
  let stack: Stack;
  let point: string;
  let before: Record<string, string>;
  let broken: Record<string, string>;
  const compose = (name: string, version: number) => `
name: ${name}
services:
  ini: { ${IDLE}, labels: [v=${version}], volumes: ['./app.ini:/app.ini'] }
  web: { ${IDLE}, volumes: ['./current:/srv', './current/sub:/sub:ro'] }
  key: { ${IDLE}, user: '${OTHER}', volumes: ['./certs:/certs:ro'] }
  conf: { ${IDLE}, labels: [v=${version}]${version === 1 ? ", volumes: ['./conf:/conf:ro']" : ''} }
  kept: { ${IDLE}, volumes: ['./kept:/kept:ro'] }
`;

  beforeAll(async () => {
    stack = await aStack('e2e-files', (name) => ({
      'compose.yaml': compose(name, 1),
      'app.ini': 'mode = good\n',
      'releases/1/sub/index': 'one\n',
      'releases/2/sub/index': 'two\n',
      'certs/key': 'key\n',
      'conf/f': 'c1\n',
      'conf/sub/g': 'c2\n',
      'kept/f': 'k\n',
    }));
    await symlink('releases/1', stack.path('current'));
    await chown(stack.path('certs/key'), OTHER, OTHER);
    await chmod(stack.path('certs/key'), 0o400);
    await stack.compose('up', '-d');
    before = await listing(stack);
    point = await create(stack, 'good');

    await Promise.all(
      ['app.ini', 'current', 'certs/key', 'conf', 'kept'].map((path) =>
        rm(stack.path(path), { recursive: true }),
      ),
    );
    await symlink('releases/2', stack.path('current'));
    await stack.write({ 'compose.yaml': compose(stack.name, 2), 'certs/key': 'new key\n' });
    await stack.compose('up', '-d', '--force-recreate', 'ini', 'web', 'key', 'conf');
    broken = await listing(stack);
    expect(broken['app.ini']).toContain('directory'); // made by the engine
  });

  test('has its files back, and what was there before with undo and after a run that failed', async () => {
    await ok(stack, 'rollback', point, '--yes');
    expect(await listing(stack)).toEqual(before);
    expect(await inside(stack, 'ini', 'cat', '/app.ini')).toBe('mode = good');
    expect(await inside(stack, 'web', 'cat', '/srv/sub/index', '/sub/index')).toBe('one\none');
    expect(await inside(stack, 'key', 'cat', '/certs/key')).toBe('key');
    expect(await inside(stack, 'conf', 'cat', '/conf/f', '/conf/sub/g')).toBe('c1\nc2');
    expect(await inside(stack, 'kept', 'cat', '/kept/f')).toBe('k');
    // The engine makes it for the container that mounts it.
    const started = { ...broken, kept: '0:0 directory 755' };

    await ok(stack, 'undo', '--yes');
    expect(await listing(stack)).toEqual(started);
    expect(await inside(stack, 'web', 'cat', '/srv/sub/index')).toBe('two');

    await stack.write({ 'rollback.yaml': 'services: { conf: { after_rollback: [{ run: ["false"] }] } }\n' });
    const { exitCode, stderr } = await cli(stack, 'rollback', point, '--yes');
    expect(exitCode, stderr).toBe(20);
    await rm(stack.path('rollback.yaml'));
    expect(await listing(stack)).toEqual(started);
  });

  test('a difference of the owner alone is told by diff, and restored', async () => {
    await ok(stack, 'rollback', point, '--yes');
    await chown(stack.path('certs/key'), 0, 0);
    expect(await json(stack, 'diff', point)).toMatchObject({
      differences: [{ name: 'certs/key', change: `owner ${OTHER}:${OTHER} -> 0:0` }],
    });
    await ok(stack, 'rollback', point, '--yes');
    expect(await listing(stack)).toEqual(before);
  });
});

describe('.env is a link that leads out of the project', () => {
  const compose = (name: string) => `
name: ${name}
services:
  web: { ${IDLE}, environment: { TAG: '\${TAG}' } }
`;

  test('its target is put back when asked, and the service runs as it did either way', async () => {
    const shared = await outsideFolder();
    const stack = await aStack('e2e-files-env', (name) => ({ 'compose.yaml': compose(name) }));
    await writeFile(join(shared, 'app.env'), 'TAG=1\n');
    await symlink(join(shared, 'app.env'), stack.path('.env'));
    await stack.compose('up', '-d');
    const point = await create(stack, 'good');
    await writeFile(join(shared, 'app.env'), 'TAG=2\n');
    await stack.compose('up', '-d');

    const { stderr } = await ok(stack, 'rollback', point, '--yes');
    expect(stderr).toContain(join(shared, 'app.env')); // named, and left alone
    expect(await readFile(join(shared, 'app.env'), 'utf8')).toBe('TAG=2\n');
    expect(await inside(stack, 'web', 'sh', '-c', 'echo $TAG')).toBe('1');

    await ok(stack, 'rollback', point, '--outside', '--yes');
    expect(await readFile(join(shared, 'app.env'), 'utf8')).toBe('TAG=1\n');
    expect(await inside(stack, 'web', 'sh', '-c', 'echo $TAG')).toBe('1');
  });

  test('made by another user it shows nothing that this user could not read', async () => {
    const shared = await outsideFolder();
    await chmod(shared, 0o755);
    const stack = await aStack('e2e-files-trick', (name) => ({ 'compose.yaml': compose(name) }));
    await writeFile(join(shared, 'id_rsa'), 'SECRET=of-root\n', { mode: 0o600 });
    await symlink(join(shared, 'id_rsa'), stack.path('.env'));
    await lchown(stack.path('.env'), OTHER, OTHER);
    const point = await create(stack, 'tricked');
    expect(await json(stack, 'show', point)).toMatchObject({
      outside: [],
      skipped: [{ path: '.env', reason: expect.stringContaining('may not read') }],
    });
    const stored = await filesOf(stack.path(`rollback/backups/${point}/configs`));
    expect(JSON.stringify(stored)).not.toContain('of-root');
    expect(await readFile(join(shared, 'id_rsa'), 'utf8')).toBe('SECRET=of-root\n');
  });
});

test('a file that is a mount point is written in place', async () => {
  const secrets = await outsideFolder();
  const stack = await aStack('e2e-files-mount', (name) => ({
    'compose.yaml': `name: ${name}\nservices:\n  web: { ${IDLE}, environment: { TAG: '\${TAG}' } }\n`,
    '.env': '',
  }));
  await writeFile(join(secrets, 'env'), 'TAG=1\n');
  await execa('mount', ['--bind', join(secrets, 'env'), stack.path('.env')]);
  try {
    await stack.compose('up', '-d');
    const point = await create(stack, 'good');
    await writeFile(stack.path('.env'), 'TAG=2\n');
    await stack.compose('up', '-d');
    await ok(stack, 'rollback', point, '--yes');
    expect(await inside(stack, 'web', 'sh', '-c', 'echo $TAG')).toBe('1');
    expect(await readFile(join(secrets, 'env'), 'utf8')).toBe('TAG=1\n');
  } finally {
    await execa('umount', [stack.path('.env')]);
  }
});

test('what this user may not write blocks before anything stops', async () => {
  const stack = await aStack('e2e-files-user', (name) => ({
    'compose.yaml': `name: ${name}\nservices:\n  web: { ${IDLE}, volumes: ['./conf/site.conf:/site.conf:ro'] }\n`,
    'conf/site.conf': 'one\n',
  }));
  await chown(stack.directory, OTHER, 0);
  await chmod(stack.directory, 0o755);
  await chmod(stack.path('conf'), 0o755);
  await execa('chmod', ['1777', stack.locks]);
  await stack.compose('up', '-d');
  const created = await asUser(stack, 'create', '--quiet', 'good');
  expect(created.exitCode, created.stderr).toBe(0);
  await stack.write({ 'conf/site.conf': 'two\n' });

  await leavesOnlyATrace(stack, async () => {
    for (const more of [['--dry-run'], ['--yes']]) {
      const { exitCode, stdout, stderr } = await asUser(stack, 'rollback', created.stdout, ...more);
      expect(exitCode).toBe(3);
      expect(stdout + stderr).toContain(`this user may not write to ${stack.path('conf')}`);
    }
  });
});

test('a file that its service always writes is no reason to fail, to be stale, or to lose what was written', async () => {
  const write = 'n=0; while :; do echo line-$$n >>/access.log; n=$$((n+1)); usleep 20000; done';
  const compose = (name: string, version: number) => `
name: ${name}
services:
  web:
    image: busybox:latest
    command: [sh, -c, '${write}']
    stop_signal: SIGKILL
    labels: [v=${version}]
    volumes: ['./access.log:/access.log']
`;
  const stack = await aStack('e2e-files-log', (name) => ({
    'compose.yaml': compose(name, 1),
    'access.log': 'first\n',
  }));
  await stack.compose('up', '-d');
  const point = await create(stack, 'good');
  const record = await json(stack, 'show', point);
  expect(record).toMatchObject({
    entries: expect.arrayContaining([expect.objectContaining({ path: 'access.log', unsteady: true })]),
  });
  const container = await containerOf(stack, 'web');
  await ok(stack, 'rollback', point, '--yes'); // nothing to do
  expect(await containerOf(stack, 'web')).toBe(container);

  await stack.write({ 'compose.yaml': compose(stack.name, 2) });
  await stack.compose('up', '-d');
  await appendFile(stack.path('access.log'), 'of the bad version\n');
  await ok(stack, 'rollback', point, '--yes');
  await ok(stack, 'undo', '--yes');
  expect(await readFile(stack.path('access.log'), 'utf8')).toContain('of the bad version\n');
  await stack.compose('stop'); // or the folder could not be removed under it
});

test('a data directory that was deleted is made again with its data', async () => {
  const stack = await aStack('e2e-files-data', (name) => ({
    'compose.yaml': `name: ${name}\nservices:\n  web: { ${IDLE}, volumes: ['./var/data:/data'] }\n`,
    'var/data/orders': 'order 1\n',
  }));
  await chown(stack.path('var/data'), OTHER, OTHER);
  await stack.compose('up', '-d');
  const before = await listing(stack);
  const point = await create(stack, 'good', '--include-volumes');
  await rm(stack.path('var/data'), { recursive: true });

  await ok(stack, 'rollback', point, '--yes');
  expect(await listing(stack)).toEqual(before);
  expect(await inside(stack, 'web', 'cat', '/data/orders')).toBe('order 1');

  await rm(stack.path('var'), { recursive: true });
  await mkdir(stack.path('var'));
  await stack.compose('rm', '-sf', 'web');
  const { stderr } = await cli(stack, 'rollback', point, '--no-volumes', '--dry-run');
  const plan = await json(stack, 'rollback', point, '--no-volumes', '--dry-run');
  expect(plan, stderr).toMatchObject({
    risks: expect.arrayContaining([expect.objectContaining({ code: 'directory-missing' })]),
  });
});

test('a submodule that moved comes back with --git, with undo too, and its changes block', async () => {
  const stack = await aStack('e2e-files-git', (name) => ({
    'compose.yaml': `name: ${name}\nservices: { web: { ${IDLE} } }\n`,
    '.gitignore': 'rollback/\n',
  }));
  const settings = ['user.name=Test', 'user.email=test@localhost', 'protocol.file.allow=always'];
  const git = async (path: string, ...argv: string[]) => {
    const given = settings.flatMap((one) => ['-c', one]);
    return (await execa('git', ['-C', stack.path(path), ...given, ...argv])).stdout;
  };
  const library = await mkdtemp(join(tmpdir(), 'e2e-files-git-'));
  onTestFinished(() => rm(library, { recursive: true }));
  await execa('git', ['init', '--quiet', library]);
  for (const content of ['one', 'two']) {
    await writeFile(join(library, 'file'), content);
    await execa('git', ['-C', library, 'add', '--all']);
    await execa('git', [
      '-C',
      library,
      '-c',
      'user.name=T',
      '-c',
      'user.email=t@localhost',
      'commit',
      '-qm',
      content,
    ]);
  }
  await git('.', 'init', '--quiet');
  await git('.', 'submodule', '--quiet', 'add', library, 'lib');
  await git('.', 'add', '--all');
  await git('.', 'commit', '--quiet', '--message', 'project');
  const named = await git('lib', 'rev-parse', 'HEAD');
  await stack.compose('up', '-d');
  const point = await create(stack);
  expect(await json(stack, 'rollback', point, '--git', '--dry-run')).toMatchObject({ operations: [] });
  await git('lib', 'checkout', '--quiet', 'HEAD~1');
  const moved = await git('lib', 'rev-parse', 'HEAD');
  await writeFile(stack.path('lib/file'), 'edited');
  const refused = await cli(stack, 'rollback', point, '--git', '--yes');
  expect(refused.exitCode).toBe(3);
  expect(refused.stderr).toContain('submodule lib has changes that are not committed');
  await git('lib', 'checkout', '--quiet', 'file');

  await ok(stack, 'rollback', point, '--git', '--yes');
  expect(await git('lib', 'rev-parse', 'HEAD')).toBe(named);
  await ok(stack, 'undo', '--yes');
  expect(await git('lib', 'rev-parse', 'HEAD')).toBe(moved);
});
