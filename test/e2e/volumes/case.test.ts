import { randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  aStack,
  cli,
  containersOf,
  docker,
  environmentOf,
  json,
  MAIN,
  ok,
  until,
  type CliResult,
  type Stack,
} from '../../support/e2e.js';
import { PODMAN } from '../../support/engine.js';
import { starts } from '../../support/round-trip.js';

/** Data of volumes and directories is recorded while services keep still, and comes back exactly, by either driver. */

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-data', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  redis:
    image: redis:7-alpine
    volumes: [data:/data]
  files:
    image: busybox:latest
    command: [sh, -c, 'test ! -e /files/poison && exec sleep infinity']
    stop_signal: SIGKILL
    volumes: ['./files:/files']
  idle:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
volumes:
  data:
`,
    'files/a': 'first\n',
    'files/deep/er/b': 'first\n',
  }));
  await stack.compose('up', '-d');
  await set('first');
});

const redis = (...argv: string[]) => stack.compose('exec', '-T', 'redis', 'redis-cli', ...argv);
const get = () => redis('get', 'key');

async function set(value: string): Promise<void> {
  await until(async () => (await redis('set', 'key', value)) === 'OK', 'Redis takes a value');
}

async function dataFolder(): Promise<string> {
  return docker('volume', 'inspect', `${stack.name}_data`, '--format', '{{.Mountpoint}}');
}

/** Everything in a directory: kind, mode, owner, time (the engine's own streams know whole seconds only), link target, contents. */
async function listing(folder: string, driver = 'host'): Promise<string> {
  const time = driver === 'host' ? '%T@' : '%TY-%Tm-%Td %TH:%TM';
  const { stdout } = await execa('find', ['.', '-printf', `%P %y %m %U:%G ${time} %l\n`], { cwd: folder });
  const { stdout: sums } = await execa('find', ['.', '-type', 'f', '-exec', 'sha256sum', '{}', '+'], {
    cwd: folder,
  });
  return [...stdout.split('\n'), ...sums.split('\n')].toSorted().join('\n');
}

/** Another state of everything: changed, added, removed. */
async function change(): Promise<void> {
  await set('second');
  await writeFile(stack.path('files/a'), 'second\n');
  await writeFile(stack.path('files/added'), 'second\n');
  await rm(stack.path('files/deep'), { recursive: true });
}

async function reset(): Promise<void> {
  await set('first');
  await rm(stack.path('files/added'), { force: true });
  await stack.write({ 'files/a': 'first\n', 'files/deep/er/b': 'first\n' });
}

/** Nothing of ours stands beside the data, and nothing of ours runs. */
async function leftNothing(): Promise<void> {
  const beside = [...(await readdir(dirname(await dataFolder()))), ...(await readdir(stack.directory))];
  expect(beside.filter((name) => name.includes('compose-rollback-'))).toEqual([]);
  // Those of other tests come and go.
  const helpers = () => docker('ps', '-aq', '--filter', 'label=compose-rollback.helper');
  await until(async () => (await helpers()) === '', 'no helper is left');
  const states = Object.values(await containersOf(stack)).map(({ state }) => state);
  expect(new Set(states)).toEqual(new Set(['running']));
}

/** These take root: to write into a volume from outside, to mount, to pause where control groups are of version 1. */
const ROOT = process.getuid?.() === 0;
const describeAsRoot = ROOT ? describe : () => undefined;
const testAsRoot = ROOT ? test : () => undefined;

/** Somebody who may talk to the engine and not read its folders. */
async function asUser(...argv: string[]): Promise<CliResult> {
  const { gid } = await stat((process.env['DOCKER_HOST'] ?? '/var/run/docker.sock').replace('unix://', ''));
  const user = ['--reuid=4321', `--regid=${gid}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
  const { exitCode, stdout, stderr } = await execa('setpriv', [...user, process.execPath, MAIN, ...argv], {
    cwd: stack.directory,
    env: { ...environmentOf(stack), HOME: '/nonexistent' },
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

const DRIVERS = [
  { driver: 'host', call: (...argv: string[]) => cli(stack, ...argv), prepare: async () => undefined },
  {
    driver: 'api',
    call: asUser,
    prepare: async () => {
      await rm(stack.path('rollback'), { recursive: true, force: true });
      await mkdir(stack.path('rollback'));
      await chown(stack.path('rollback'), 4321, 0);
      await execa('chmod', ['1777', stack.locks]);
      await execa('chmod', ['755', stack.directory]);
    },
  },
];

/** Podman's own streams do not serve: its data is copied where it lies, by whoever may. */
const drivers = PODMAN === undefined ? DRIVERS : DRIVERS.filter(({ driver }) => driver === 'host');

describe.each(drivers)('by the driver $driver', ({ driver, call, prepare }) => {
  const succeed = async (...argv: string[]) => {
    const result = await call(...argv);
    expect(result.exitCode, result.stderr).toBe(0);
    return result.stdout;
  };

  test('data comes back exactly, and goes forth again with undo', async () => {
    await prepare();
    await reset();
    const point = await succeed('create', '--quiet', '--include-volumes');
    const before = await listing(stack.path('files'), driver);
    const record = JSON.parse(await succeed('show', point, '--json'));
    expect(record.volume_data).toMatchObject([
      { name: `${stack.name}_data`, kind: 'volume', driver, services: ['redis'] },
      { name: 'files', kind: 'bind', driver, services: ['files'] },
    ]);
    await change();
    const after = await listing(stack.path('files'), driver);

    await starts(stack, ['redis', 'files'], () => succeed('rollback', point, '--yes'));
    expect(await get()).toBe('first');
    expect(await listing(stack.path('files'), driver)).toBe(before);
    await leftNothing();

    await starts(stack, ['redis', 'files'], () => succeed('undo', '--yes'));
    expect(await get()).toBe('second');
    expect(await listing(stack.path('files'), driver)).toBe(after);
    await leftNothing();
    expect((await call('verify', '--all')).exitCode).toBe(0);
  });

  test('a volume that is gone is made again, with its data', async () => {
    await reset();
    const point = await succeed('create', '--quiet', '--include-volumes');
    await stack.compose('down', '--volumes');
    await succeed('rollback', point, '--yes');
    expect(await get()).toBe('first');
    const labels = JSON.parse(
      await docker('volume', 'inspect', `${stack.name}_data`, '--format', '{{json .Labels}}'),
    );
    expect(labels).toMatchObject({
      'com.docker.compose.project': stack.name,
      'com.docker.compose.volume': 'data',
    });
    await leftNothing();
  });
});

describe('a point with data', () => {
  let point: string;

  beforeEach(async () => {
    await rm(stack.path('rollback'), { recursive: true, force: true });
    await reset();
    point = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
  });

  const inode = async (id: string) =>
    (await stat(join(stack.path('rollback/backups'), id, 'volumes/directories/files.tar.zst'))).ino;

  test('shares what nobody touched since with the next one', async () => {
    const next = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
    expect(await inode(next)).toBe(await inode(point));
    await writeFile(stack.path('files/a'), 'FIRST\n');
    const third = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
    expect(await inode(third)).not.toBe(await inode(point));
  });

  testAsRoot('is made while a service is paused, which stays so', async () => {
    await change();
    const ids = [...(await stack.ids('files')), ...(await stack.ids('redis'))];
    await docker('pause', ...ids);
    try {
      const next = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
      const states = Object.values(await containersOf(stack)).map(({ service, state }) => [service, state]);
      expect(Object.fromEntries(states)).toEqual({ redis: 'paused', files: 'paused', idle: 'running' });
      expect((await ok(stack, 'verify', next)).exitCode).toBe(0);
    } finally {
      await docker('unpause', ...ids);
    }
  });

  test('leaves data alone when asked to', async () => {
    await change();
    await starts(stack, [], () => ok(stack, 'rollback', point, '--yes', '--no-volumes'));
    expect(await get()).toBe('second');
  });

  test('is refused, untouched, while a container of another project uses the volume', async () => {
    await change();
    const other = `${stack.name}-other`;
    await docker(
      'run',
      '--detach',
      '--name',
      other,
      '--volume',
      `${stack.name}_data:/d`,
      'busybox:latest',
      'sleep',
      '1000',
    );
    try {
      await starts(stack, [], async () => {
        const { exitCode, stderr } = await cli(stack, 'rollback', point, '--yes');
        expect([exitCode, stderr]).toEqual([3, expect.stringContaining(`in use by container ${other}`)]);
      });
    } finally {
      await docker('rm', '--force', other);
    }
  });

  // What is stopped to be recorded would not start again.
  testAsRoot(
    'a service that does not start with the old data: the new data is back, bit for bit',
    async () => {
      await stack.write({ 'files/poison': '' });
      const poisoned = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
      await rm(stack.path('files/poison'));
      await change();
      const before = await listing(stack.path('files'));
      const { exitCode, stderr } = await cli(stack, 'rollback', poisoned, '--yes');
      expect([exitCode, stderr]).toEqual([20, expect.stringContaining('the earlier state is back')]);
      expect(await listing(stack.path('files'))).toBe(before);
      expect(await get()).toBe('second');
      await leftNothing();
    },
  );

  test('a damaged archive is refused before anything stops', async () => {
    const archive = join(stack.path('rollback/backups'), point, 'volumes', `${stack.name}_data.tar.zst`);
    const bytes = await readFile(archive);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(archive, bytes);
    await change();
    await starts(stack, [], async () => {
      const { exitCode, stderr } = await cli(stack, 'rollback', point, '--yes');
      expect([exitCode, stderr]).toEqual([3, expect.stringContaining(`${stack.name}_data.tar.zst`)]);
    });
  });
});

describeAsRoot('while much data is read', () => {
  let volume: string;

  beforeAll(async () => {
    volume = join(await dataFolder(), 'much');
    await writeFile(volume, randomBytes(300_000_000));
  });
  afterAll(() => rm(volume));

  const isPaused = async () => {
    const all = Object.values(await containersOf(stack));
    const redisContainer = all.find(({ service }) => service === 'redis');
    return redisContainer?.state === 'paused';
  };

  test('its service waits, and goes on when we are killed', async () => {
    const run = execa(process.execPath, [MAIN, 'create', '--include-volumes'], {
      cwd: stack.directory,
      env: environmentOf(stack),
      stdin: 'ignore',
      reject: false,
    });
    await until(isPaused, 'Redis is paused');
    run.kill('SIGKILL');
    await run;
    await until(async () => !(await isPaused()), 'Redis goes on');
    expect(await get()).not.toBe('');
    await ok(stack, 'cleanup', '--keep-last', '100', '--yes');
    expect(await readdir(stack.path('rollback/backups/holds'))).toEqual([]);
    expect(
      (await readdir(stack.path('rollback/backups'))).filter((name) => name.startsWith('.tmp-')),
    ).toEqual([]);
  });

  test('a kill while it is unpacked stops that, and leaves nothing', async () => {
    await rm(stack.path('rollback'), { recursive: true, force: true });
    const point = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
    const run = execa(process.execPath, [MAIN, 'rollback', point, '--yes'], {
      cwd: stack.directory,
      env: environmentOf(stack),
      stdin: 'ignore',
      reject: false,
    });
    const beside = dirname(volume).replace(/_data$/, '._data.compose-rollback-');
    const unpackers = async () => {
      const { stdout } = await execa(
        'find',
        ['/proc', '-maxdepth', '2', '-name', 'cwd', '-lname', `${beside}*`],
        {
          reject: false, // processes come and go
        },
      );
      return [...stdout.matchAll(/^\/proc\/(\d+)/gm)].map(([, pid]) => Number(pid));
    };
    await until(async () => (await unpackers()).length > 0, 'the data is being unpacked');
    run.kill('SIGKILL');
    // They would be done before anybody comes.
    for (const pid of await unpackers()) await execa('kill', ['-STOP', String(pid)], { reject: false }); // processes come and go
    await run;
    await ok(stack, 'abort');
    expect(await unpackers()).toEqual([]);
    await leftNothing();
  });

  test('and the backup directory fills up: one clear line, no point, services go on', async () => {
    const small = `${stack.locks}/small`;
    await mkdir(small);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', small]);
    try {
      const { exitCode, stderr } = await cli(
        stack,
        '--backup-dir',
        `${small}/backups`,
        'create',
        '--include-volumes',
      );
      expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/space/)]);
      expect(stderr).not.toMatch(/\n\s+at /);
      const { points } = JSON.parse(
        (await ok(stack, '--backup-dir', `${small}/backups`, 'list', '--json')).stdout,
      );
      expect(points).toEqual([]);
      await leftNothing();
    } finally {
      await execa('umount', [small]);
    }
  });
});

test('data of a service can be chosen, and its plan is JSON that fits its schema', async () => {
  const point = (await ok(stack, 'create', '--quiet', '--include-volumes', '--services', 'files')).stdout;
  expect(await json(stack, 'show', point)).toMatchObject({ volumes: ['files'] });
});
