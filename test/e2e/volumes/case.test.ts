import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  cli,
  containersOf,
  docker,
  environmentOf,
  json,
  MAIN,
  ok,
  until,
  type Stack,
} from '../../support/e2e.js';
import { dataStack, listing, type DataStack } from '../../support/data.js';
import { starts } from '../../support/round-trip.js';

/** Data of volumes and directories is recorded while services keep still, and a run that fails leaves it whole. */

let data: DataStack;
let stack: Stack;

beforeAll(async () => {
  data = await dataStack('e2e-data');
  ({ stack } = data);
});

/** These take root: to write into a volume from outside, to mount, to pause where control groups are of version 1. */
const ROOT = process.getuid?.() === 0;
const describeAsRoot = ROOT ? describe : () => undefined;
const testAsRoot = ROOT ? test : () => undefined;

describe('a point with data', () => {
  let point: string;

  beforeEach(async () => {
    await data.forget();
    await data.reset();
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
    await data.change();
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
    await data.change();
    await starts(stack, [], () => ok(stack, 'rollback', point, '--yes', '--no-volumes'));
    expect(await data.get()).toBe('second');
  });

  test('is refused, untouched, while a container of another project uses the volume', async () => {
    await data.change();
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
      onTestFinished(() => rm(stack.path('files/poison'), { force: true }));
      await stack.write({ 'files/poison': '' });
      const poisoned = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
      await rm(stack.path('files/poison'));
      await data.change();
      const before = await listing(stack.path('files'));
      const { exitCode, stderr } = await cli(stack, 'rollback', poisoned, '--yes');
      expect([exitCode, stderr]).toEqual([20, expect.stringContaining('the earlier state is back')]);
      expect(await listing(stack.path('files'))).toBe(before);
      expect(await data.get()).toBe('second');
      await data.leftNothing();
    },
  );

  test('a damaged archive is refused before anything stops', async () => {
    const archive = join(stack.path('rollback/backups'), point, 'volumes', `${stack.name}_data.tar.zst`);
    const bytes = await readFile(archive);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(archive, bytes);
    await data.change();
    await starts(stack, [], async () => {
      const { exitCode, stderr } = await cli(stack, 'rollback', point, '--yes');
      expect([exitCode, stderr]).toEqual([3, expect.stringContaining(`${stack.name}_data.tar.zst`)]);
    });
  });
});

describeAsRoot('while much data is read', () => {
  let volume: string;

  beforeAll(async () => {
    volume = join(await data.dataFolder(), 'much');
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
    expect(await data.get()).not.toBe('');
    await ok(stack, 'cleanup', '--keep-last', '100', '--yes');
    expect(await readdir(stack.path('rollback/backups/holds'))).toEqual([]);
    expect(
      (await readdir(stack.path('rollback/backups'))).filter((name) => name.startsWith('.tmp-')),
    ).toEqual([]);
  });

  test('a kill while it is unpacked stops that, and leaves nothing', async () => {
    await data.forget();
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
    await data.leftNothing();
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
      await data.leftNothing();
    } finally {
      await execa('umount', [small]);
    }
  });
});

test('data of a service can be chosen, and its plan is JSON that fits its schema', async () => {
  const point = (await ok(stack, 'create', '--quiet', '--include-volumes', '--services', 'files')).stdout;
  expect(await json(stack, 'show', point)).toMatchObject({ volumes: ['files'] });
});
