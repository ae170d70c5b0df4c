import { readFile, rm } from 'node:fs/promises';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { overHttp, Poller } from '../../support/clients.js';
import {
  answer,
  aStack,
  buildApi,
  cli,
  containersOf,
  create,
  docker,
  freePort,
  imageId,
  snapshot,
  until,
  type CliResult,
  type ContainerFacts,
  type Snapshot,
  type Stack,
} from '../../support/e2e.js';

/** The rollback goes wrong: the earlier state is running again afterwards, and the exit code says so. */

let stack: Stack;
let port: number;
let tag: string;
let v1: string;
let v2: string;
/** v1 was well. */
let point: string;

const SETTINGS = 'services: { api: { health_timeout: 3s } }\n';

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-unhealthy', (name) => ({
    'compose.yaml': compose(name, 'v1'),
    'rollback.yaml': SETTINGS,
    'data/here': '',
  }));
  tag = `${stack.name}-api:latest`;
  v2 = await buildApi(stack, `${stack.name}-api:v2`, 'v2');
  v1 = await buildApi(stack, `${stack.name}-api:v1`, 'v1');
  await docker('tag', v1, tag);
  await stack.compose('up', '-d');
  await serves('v1');
  point = await create(stack, 'v1 was well');
});

beforeEach(async () => {
  for (const flag of ['broken-v1', 'broken-v2', 'dead-v2']) {
    await rm(stack.path(`data/${flag}`), { force: true });
  }
  await stack.write({ 'rollback.yaml': SETTINGS });
  await upgrade();
});

function compose(name: string, label: string): string {
  return `
name: ${name}
services:
  redis:
    image: redis:7-alpine
  api:
    image: ${name}-api:latest
    labels: { release: ${label} }
    ports: ['127.0.0.1:${port}:8000']
    volumes: ['./data:/data']
    depends_on: [redis]
`;
}

async function serves(version: string): Promise<void> {
  await until(async () => (await answer(port)) === version, `the API answers ${version}`);
}

/** v2 over the same tag, with other files. */
async function upgrade(): Promise<void> {
  await docker('tag', v2, tag);
  await stack.write({ 'compose.yaml': compose(stack.name, 'v2'), 'compose.override.yaml': 'services: {}\n' });
  await stack.compose('up', '-d');
  await serves('v2');
}

async function api(): Promise<ContainerFacts | undefined> {
  return Object.values(await containersOf(stack)).find(({ service }) => service === 'api');
}

/** The records of the journal that there was not before, in order. */
async function journalSince(before: Snapshot): Promise<Record<string, unknown>[]> {
  const { backups } = await snapshot(stack);
  const isRun = (path: string) => path.endsWith('.jsonl') && path.includes('/runs/');
  const runs = Object.keys(backups).filter((path) => isRun(path) && !(path in before.backups));
  expect(runs).toHaveLength(1);
  const text = await readFile(stack.path(runs[0] ?? ''), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
}

/** Files, tags and the untouched services are as before, v2 runs and answers, and everybody is told so. */
async function expectReturned(result: CliResult, before: Snapshot): Promise<void> {
  expect(result.exitCode, result.stderr).toBe(20);
  expect(result.stderr).toContain('the earlier state is back');
  const now = await snapshot(stack);
  expect(now.files).toEqual(before.files);
  expect(now.tags[tag]).toBe(v2);
  expect(await answer(port, '/health')).toBe('v2');
  expect(await api()).toMatchObject({ state: 'running', image: v2 });
  const isRedis = ({ service }: ContainerFacts) => service === 'redis';
  expect(Object.values(now.containers).find(isRedis)).toEqual(Object.values(before.containers).find(isRedis));
  expect((await journalSince(before)).at(-1)).toMatchObject({ type: 'end', result: 'returned' });
}

test('a version that was well is not when it comes back: the newer one runs again', async () => {
  await stack.write({ 'data/broken-v1': '' });
  const before = await snapshot(stack);
  await expectReturned(await cli(stack, 'rollback', point, '--yes'), before);

  // What is back is what compose would make: it finds nothing to do.
  const settled = await containersOf(stack);
  await stack.compose('up', '-d');
  expect(await containersOf(stack)).toEqual(settled);
});

test('asked not to return, it leaves the failed version running and says how to go back', async () => {
  await stack.write({ 'data/broken-v1': '' });
  const before = await snapshot(stack);
  const result = await cli(stack, 'rollback', point, '--yes', '--no-return');
  expect(result.exitCode, result.stderr).toBe(21);
  expect(await answer(port, '/health')).toBe('500 v1');

  const [run = ''] = /run-[0-9a-f]{12}/.exec(result.stderr) ?? [];
  expect((await cli(stack, 'undo', run, '--yes')).exitCode).toBe(0);
  expect((await snapshot(stack)).files).toEqual(before.files);
  expect(await answer(port, '/health')).toBe('v2');
});

test('the old version cannot even be started: the newer one runs again', async () => {
  // The engine mounts this directory when the container starts, and by then it will be gone.
  const device = stack.path('scratch');
  const scratch = `volumes: { scratch: { driver_opts: { type: none, o: bind, device: ${device} } } }\n`;
  const mounted = compose(stack.name, 'v1').replace("'./data:/data'", "'./data:/data', 'scratch:/scratch'");
  await docker('tag', v1, tag);
  await stack.write({ 'compose.yaml': mounted + scratch, 'scratch/file': '' });
  await rm(stack.path('compose.override.yaml'));
  await stack.compose('up', '-d');
  await serves('v1');
  const unmountable = await create(stack, 'v1 with its scratch directory');
  await upgrade();
  await rm(device, { recursive: true });
  const before = await snapshot(stack);
  await expectReturned(await cli(stack, 'rollback', unmountable, '--yes'), before);
});

test('a hook that refuses before anything stops: nothing was touched', async () => {
  const hooks = 'services: { api: { before_rollback: [{ run: ["false"] }] } }\n';
  await stack.write({ 'rollback.yaml': hooks });
  const before = await snapshot(stack);
  const poller = new Poller(overHttp(`http://127.0.0.1:${port}/health`));
  const result = await cli(stack, 'rollback', point, '--yes');
  const { lost } = await poller.stop();
  await expectReturned(result, before);
  expect((await snapshot(stack)).containers).toEqual(before.containers);
  expect(await imageId(tag)).toBe(v2);
  expect(lost).toEqual([]);
});

test('neither version can be had: it says so, and what is missing', async () => {
  await stack.write({ 'data/broken-v1': '', 'data/dead-v2': '' });
  const before = await snapshot(stack);
  const result = await cli(stack, 'rollback', point, '--yes');
  expect(result.exitCode, result.stderr).toBe(21);
  expect(result.stderr).toContain('the earlier state is not back');
  expect(result.stderr).toContain('exited with code 3');
  expect((await journalSince(before)).at(-1)).toMatchObject({
    type: 'end',
    result: 'not-returned',
  });
});

test('undo into a version that was well and dies: the older one runs again', async () => {
  expect((await cli(stack, 'rollback', point, '--yes')).exitCode).toBe(0);
  await stack.write({ 'data/dead-v2': '' });
  const result = await cli(stack, 'undo', '--yes');
  expect(result.exitCode, result.stderr).toBe(20);
  await serves('v1');
});

test('undo into a version that was no better before: it is back as it was, and that is told', async () => {
  await stack.write({ 'data/broken-v2': '' });
  expect((await cli(stack, 'rollback', point, '--yes')).exitCode).toBe(0);
  const result = await cli(stack, 'undo', '--yes');
  expect(result.exitCode, result.stderr).toBe(0);
  expect(result.stderr).toContain('it may have been so before');
  expect(await answer(port, '/health')).toBe('500 v2');
});
