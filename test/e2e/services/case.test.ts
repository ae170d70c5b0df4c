import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  aStack,
  buildApi,
  cli,
  containersOf,
  create,
  docker,
  imageId,
  ok,
  snapshot,
  type ContainerFacts,
  type Stack,
} from '../../support/e2e.js';

/** Rollbacks of a part: replicas, chosen services, one service to an image, files alone. */

let stack: Stack;
let tag: string;
let images: { v1: string; v2: string };

function compose(name: string, release: string): string {
  return `
name: ${name}
services:
  api:
    image: ${name}-api:latest
    labels: { release: ${release} }
  worker:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    hostname: ${release}
    depends_on: [api]
`;
}

async function containers(service: string): Promise<ContainerFacts[]> {
  return Object.values(await containersOf(stack)).filter((container) => container.service === service);
}

beforeAll(async () => {
  stack = await aStack('e2e-services', (name) => ({ 'compose.yaml': compose(name, 'old') }));
  tag = `${stack.name}-api:latest`;
  images = {
    v1: await buildApi(stack, `${stack.name}-api:v1`, 'v1'),
    v2: await buildApi(stack, `${stack.name}-api:v2`, 'v2'),
  };
});

/** v1 with the old file, or v2 with the new one. */
async function runs(version: 'v1' | 'v2', workers: number): Promise<void> {
  await stack.write({ 'compose.yaml': compose(stack.name, version === 'v1' ? 'old' : 'new') });
  await docker('tag', images[version], tag);
  await stack.compose('up', '-d', '--scale', `worker=${workers}`);
}

describe('replicas', () => {
  let point: string;

  beforeAll(async () => {
    await runs('v1', 3);
    point = await create(stack, 'three workers');
  });

  test.each([1, 4])('from %i back to three, and those that were there serve on', async (count) => {
    await stack.compose('up', '-d', '--no-recreate', '--scale', `worker=${count}`);
    const before = await containersOf(stack);
    await ok(stack, 'rollback', point, '--yes');
    const now = await containersOf(stack);
    const workers = Object.values(now).filter(({ service }) => service === 'worker');
    expect(workers.map(({ state }) => state)).toEqual(['running', 'running', 'running']);
    const stayed = Object.entries(before).filter(([name]) => name in now);
    expect(stayed).toHaveLength(1 + Math.min(count, 3));
    expect(now).toMatchObject(Object.fromEntries(stayed));
  });
});

describe('a part of what changed', () => {
  let point: string;

  beforeAll(async () => {
    await runs('v1', 1);
    point = await create(stack, 'v1');
  });

  beforeEach(() => runs('v2', 1));

  test('--services brings back those, and leaves the others running as they are', async () => {
    const worker = await containers('worker');
    const { stdout } = await ok(stack, 'rollback', point, '--services', 'api', '--dry-run');
    expect(stdout).toMatch(/also concern worker/);
    await ok(stack, 'rollback', point, '--services', 'api', '--yes');
    expect(await containers('api')).toMatchObject([{ image: images.v1, state: 'running' }]);
    expect(await imageId(tag)).toBe(images.v1);
    expect(await containers('worker')).toEqual(worker);
    expect((await snapshot(stack)).files['compose.yaml']).toContain('hostname: old');
  });

  test('--services leaves alone what they depend on, even where the restored files say otherwise', async () => {
    const [[api], [worker]] = await Promise.all([containers('api'), containers('worker')]);
    await ok(stack, 'rollback', point, '--services', 'worker', '--yes');
    expect(await containers('api')).toEqual([api]);
    const [now] = await containers('worker');
    expect(now?.id).not.toBe(worker?.id);
    expect(await docker('inspect', '--format', '{{.Config.Hostname}}', now?.id ?? '')).toBe('old');
  });

  test('--config-only writes files, and touches neither containers nor tags', async () => {
    const before = await snapshot(stack);
    await ok(stack, 'rollback', point, '--config-only', '--yes');
    const now = await snapshot(stack);
    expect(now.files['compose.yaml']).toBe(`file 644 ${compose(stack.name, 'old')}`);
    expect(now.containers).toEqual(before.containers);
    expect(await imageId(tag)).toBe(images.v2);
  });

  test('rollback-service brings back one image, no file and no other service', async () => {
    const before = await snapshot(stack);
    const worker = await containers('worker');
    await ok(stack, 'rollback-service', 'api', '--yes');
    expect(await containers('api')).toMatchObject([{ image: images.v1, state: 'running' }]);
    expect(await imageId(tag)).toBe(images.v1);
    expect(await containers('worker')).toEqual(worker);
    expect((await snapshot(stack)).files).toEqual(before.files);

    await ok(stack, 'undo', '--yes');
    expect(await containers('api')).toMatchObject([{ image: images.v2, state: 'running' }]);
    expect(await imageId(tag)).toBe(images.v2);
    expect(await containers('worker')).toEqual(worker);
  });

  test('rollback-service takes another tag of the image, and refuses one that is not there', async () => {
    const worker = await containers('worker');
    await ok(stack, 'rollback-service', 'api', 'v1', '--yes');
    expect(await containers('api')).toMatchObject([{ image: images.v1, state: 'running' }]);
    expect(await imageId(tag)).toBe(images.v1);
    expect(await containers('worker')).toEqual(worker);

    const before = await snapshot(stack);
    const result = await cli(stack, 'rollback-service', 'api', 'v7', '--yes');
    expect(result.exitCode, result.stderr).toBe(3);
    expect(result.stderr).toContain(`${stack.name}-api:v7`);
    const { containers: now, tags } = await snapshot(stack);
    expect({ now, tags }).toEqual({ now: before.containers, tags: before.tags });
  });
});
