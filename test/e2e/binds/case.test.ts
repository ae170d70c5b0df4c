import { once } from 'node:events';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  aStack,
  containersOf,
  create,
  docker,
  filesOf,
  json,
  ok,
  snapshot,
  type ContainerFacts,
  type Snapshot,
  type Stack,
} from '../../support/e2e.js';

/** What is bind-mounted is configuration or data, by what it is and who may write to it: DESIGN section 4. */

const IDLE = `image: busybox:latest\n    command: [sleep, infinity]\n    stop_signal: SIGKILL`;
const SOCKET = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');
const SQLITE = 'SQLite format 3\0 and its pages';
const BIG = 'x'.repeat(1 << 20);

/** Paths of what a point stores. */
async function stored(stack: Stack, point: string): Promise<string[]> {
  const files = await filesOf(stack.path(`rollback/backups/${point}/configs`));
  const isFile = ([, what]: [string, string]) => !what.startsWith('directory');
  return Object.entries(files)
    .filter(isFile)
    .map(([path]) => path);
}

async function byService(stack: Stack): Promise<Record<string, ContainerFacts>> {
  const containers = Object.values(await containersOf(stack));
  return Object.fromEntries(containers.map((container) => [container.service, container]));
}

describe('files, folders and sockets', () => {
  let stack: Stack;
  let printed: string;
  let before: Snapshot;
  let containers: Record<string, ContainerFacts>;

  beforeAll(async () => {
    stack = await aStack('e2e-binds', (name) => ({
      'compose.yaml': `
name: ${name}
services:
  file:
    ${IDLE}
    volumes: ['./app.conf:/app.conf']
  folder:
    ${IDLE}
    volumes: ['./settings:/settings:ro']
  data:
    ${IDLE}
    volumes: ['./data:/data', './cache.bin:/cache.bin', './big.bin:/big.bin:ro']
  socket:
    ${IDLE}
    volumes: ['${SOCKET}:/var/run/docker.sock']
`,
      'app.conf': 'mode = old\n',
      'settings/changed': 'old\n',
      'settings/deleted/deep': 'deep\n',
      'data/orders': 'order 1\n',
      'cache.bin': SQLITE,
      'big.bin': BIG,
    }));
    await stack.compose('up', '-d');
    before = await snapshot(stack);
    printed = Object.values(await ok(stack, 'create', 'with binds')).join('\n');
    containers = await byService(stack);
  });

  test('configuration is stored, data and sockets are not', async () => {
    const [point = ''] = /rb-[0-9a-f]{12}/.exec(printed) ?? [];
    expect(await stored(stack, point)).toEqual([
      'app.conf',
      'compose.yaml',
      'settings/changed',
      'settings/deleted/deep',
    ]);
  });

  test('create names what it left out, and why', () => {
    expect(printed).toMatch(/big\.bin.*1\.0 MB/);
    expect(printed).toMatch(/cache\.bin.*database/);
    expect(printed).not.toContain(SOCKET);
  });

  test('the rollback restores configuration and leaves data alone, and containers see just that', async () => {
    await stack.write({
      'app.conf': 'mode = new\n',
      'settings/changed': 'new\n',
      'settings/appeared/too': 'new\n',
      'data/orders': 'order 1\norder 2\n',
      'cache.bin': `${SQLITE} and more`,
      'big.bin': `${BIG}y`,
    });
    await rm(stack.path('settings/deleted'), { recursive: true, force: true });
    const { files } = await snapshot(stack);
    await ok(stack, 'rollback', 'latest', '--yes');
    const now = (await snapshot(stack)).files;
    const paths = ['data', 'data/orders', 'cache.bin', 'big.bin', 'rollback', 'rollback/backups'];
    const untouched = Object.fromEntries(paths.map((path) => [path, files[path]]));
    expect(now).toEqual({ ...before.files, ...untouched });

    expect(await stack.compose('exec', '-T', 'file', 'cat', '/app.conf')).toBe('mode = old');
    expect(await stack.compose('exec', '-T', 'folder', 'cat', '/settings/changed')).toBe('old');
    expect(await stack.compose('exec', '-T', 'data', 'cat', '/data/orders')).toBe('order 1\norder 2');
    // Those that see none of it were not touched.
    const { data, socket, ...others } = await byService(stack);
    expect({ data, socket }).toEqual({ data: containers.data, socket: containers.socket });
    expect(others).toMatchObject({
      file: { id: containers.file?.id },
      folder: { id: containers.folder?.id },
    });
  });
});

describe.each([
  { mount: 'read-only', options: ':ro', config: ['compose.yaml', 'notes.txt'], notes: 'old\n' },
  { mount: 'writable', options: '', config: ['compose.yaml'], notes: 'new\n' },
])('the project directory itself, mounted $mount', ({ options, config, notes }) => {
  let stack: Stack;
  let point: string;
  const server = createServer();

  beforeAll(async () => {
    stack = await aStack('e2e-root', (name) => ({
      'compose.yaml': `
name: ${name}
services:
  all:
    ${IDLE}
    volumes: ['.:/project${options}', './data:/data']
`,
      'notes.txt': 'old\n',
      'data/orders': 'order 1\n',
    }));
    server.listen(stack.path('app.sock'));
    await once(server, 'listening');
    await stack.compose('up', '-d');
    point = await create(stack, 'first');
    await create(stack, 'with the first in the backup directory');
  });

  afterAll(() => server.close());

  test('neither the backup directory, nor data, nor sockets are stored', async () => {
    for (const id of [point, await create(stack, 'a third')]) expect(await stored(stack, id)).toEqual(config);
  });

  test('the rollback touches neither of them', async () => {
    await stack.write({ 'notes.txt': 'new\n', 'data/orders': 'order 1\norder 2\n' });
    const before = await snapshot(stack);
    await ok(stack, 'rollback', point, '--yes');
    const now = await snapshot(stack);
    expect(now.files).toEqual({ ...before.files, 'notes.txt': `file 644 ${notes}` });
    expect(Object.keys(now.backups)).toEqual(expect.arrayContaining(Object.keys(before.backups)));
  });
});

test('data behind a link is named by its real place, and comes back where its container mounts it', async () => {
  const stack = await aStack('e2e-binds-release', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  web:
    ${IDLE}
    volumes: ['./current/data:/data']
`,
    'releases/1/data/value': 'one',
    'releases/2/data/value': 'two',
  }));
  const [current, one, two] = ['current', 'releases/1/data/value', 'releases/2/data/value'].map((path) =>
    stack.path(path),
  );
  if (!current || !one || !two) throw new Error('a path is missing');
  await symlink('releases/1', current);
  await stack.compose('up', '-d');
  const point = await create(stack, '--include-volumes');
  expect(await json(stack, 'show', point)).toMatchObject({ volumes: ['releases/1/data'] });
  await writeFile(one, 'changed');
  await rm(current);
  await symlink('releases/2', current);
  await stack.compose('up', '-d', '--force-recreate');

  await ok(stack, 'rollback', point, '--yes');
  expect(await readFile(one, 'utf8')).toBe('one');
  expect(await readFile(two, 'utf8')).toBe('two');
  const [container] = Object.values(await containersOf(stack));
  expect(await docker('exec', container?.id ?? '', 'cat', '/data/value')).toBe('one');
  await ok(stack, 'undo', '--yes');
  expect(await readFile(one, 'utf8')).toBe('changed');
  expect(await readFile(two, 'utf8')).toBe('two');
});
