import { readdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { expect } from 'vitest';
import { aStack, containersOf, docker, keptTags, until, type Stack } from './e2e.js';

/** A stack with data in a volume and in a directory, which is changed and compared. */
export interface DataStack {
  stack: Stack;
  /** The value that Redis keeps in its volume. */
  get(): Promise<string>;
  set(value: string): Promise<void>;
  /** Where the volume's files are on this machine. */
  dataFolder(): Promise<string>;
  /** Changes, adds and removes data. */
  change(): Promise<void>;
  /** Puts the data back without our program. */
  reset(): Promise<void>;
  /** Removes all points, and the tags that they keep of images that others use too. */
  forget(): Promise<void>;
  /** Checks that no file of ours lies beside the data, no helper of ours runs, and that every service does. */
  leftNothing(): Promise<void>;
}

export async function dataStack(prefix: string): Promise<DataStack> {
  const stack = await aStack(prefix, (name) => ({
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

  const redis = (...argv: string[]) => stack.compose('exec', '-T', 'redis', 'redis-cli', ...argv);
  const set = async (value: string) => {
    await until(async () => (await redis('set', 'key', value)) === 'OK', 'Redis takes a value');
  };
  const dataFolder = () => docker('volume', 'inspect', `${stack.name}_data`, '--format', '{{.Mountpoint}}');
  await set('first');

  return {
    stack,
    set,
    dataFolder,
    get: () => redis('get', 'key'),
    async change() {
      await set('second');
      await writeFile(stack.path('files/a'), 'second\n');
      await writeFile(stack.path('files/added'), 'second\n');
      await rm(stack.path('files/deep'), { recursive: true });
    },
    async reset() {
      await set('first');
      await rm(stack.path('files/added'), { force: true });
      await stack.write({ 'files/a': 'first\n', 'files/deep/er/b': 'first\n' });
    },
    async forget() {
      const kept = Object.keys(await keptTags(stack));
      if (kept.length > 0) await docker('image', 'rm', '--force', ...kept);
      await rm(stack.path('rollback'), { recursive: true, force: true });
    },
    async leftNothing() {
      const beside = [...(await readdir(dirname(await dataFolder()))), ...(await readdir(stack.directory))];
      expect(beside.filter((name) => name.includes('compose-rollback-'))).toEqual([]);
      // Those of other tests come and go.
      const helpers = () => docker('ps', '-aq', '--filter', 'label=compose-rollback.helper');
      await until(async () => (await helpers()) === '', 'no helper is left');
      const states = Object.values(await containersOf(stack)).map(({ state }) => state);
      expect(new Set(states)).toEqual(new Set(['running']));
    },
  };
}

/** Everything in a directory: kind, mode, owner, time (the engine's own streams know whole seconds only), link target, contents. */
export async function listing(folder: string, driver = 'host'): Promise<string> {
  const time = driver === 'host' ? '%T@' : '%TY-%Tm-%Td %TH:%TM';
  const { stdout } = await execa('find', ['.', '-printf', `%P %y %m %U:%G ${time} %l\n`], { cwd: folder });
  const { stdout: sums } = await execa('find', ['.', '-type', 'f', '-exec', 'sha256sum', '{}', '+'], {
    cwd: folder,
  });
  return [...stdout.split('\n'), ...sums.split('\n')].toSorted().join('\n');
}
