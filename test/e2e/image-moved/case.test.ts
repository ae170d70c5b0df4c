import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { overHttp, overKeptRedis, overRedis, Poller } from '../../support/clients.js';
import {
  answer,
  aStack,
  buildApi,
  containersOf,
  create,
  docker,
  freePort,
  imageId,
  ok,
  snapshot,
  until,
  type ContainerFacts,
  type Stack,
} from '../../support/e2e.js';

/** The API is built anew over the same tag; the old image loses its name and is pruned as far as the engine lets it. */

let stack: Stack;
let tag: string;
let images: { v1: string; v2: string };
let ports: { api: number; redis: number; prometheus: number };
let original: Record<string, ContainerFacts>;

beforeAll(async () => {
  ports = { api: await freePort(), redis: await freePort(), prometheus: await freePort() };
  stack = await aStack('e2e-moved', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  redis:
    image: redis:7-alpine
    ports: ['127.0.0.1:${ports.redis}:6379']
  api:
    image: ${name}-api:latest
    ports: ['127.0.0.1:${ports.api}:8000']
    depends_on: [redis]
  prometheus:
    image: prom/prometheus:latest
    ports: ['127.0.0.1:${ports.prometheus}:9090']
`,
  }));
  tag = `${stack.name}-api:latest`;
  const v1 = await buildApi(stack, tag, 'v1');
  await stack.compose('up', '-d');
  await serves('v1');
  original = await containersOf(stack);
  await create(stack, 'before v2');

  const v2 = await buildApi(stack, tag, 'v2');
  images = { v1, v2 };
  await stack.compose('up', '-d');
  await docker('image', 'prune', '--force', '--filter', `label=of=${stack.name}`);
  await serves('v2');
});

async function serves(version: string): Promise<void> {
  await until(async () => (await answer(ports.api)) === version, `the API answers ${version}`);
}

async function running(service: string): Promise<ContainerFacts> {
  const found = Object.values(await containersOf(stack)).find((container) => container.service === service);
  if (!found) throw new Error(`${service} has no container`);
  return found;
}

describe('rolling back while clients ask', () => {
  const pollers: Poller[] = [];
  let close: () => void;

  beforeAll(() => {
    const kept = overKeptRedis(ports.redis);
    close = kept.close;
    const prometheus = overHttp(`http://127.0.0.1:${ports.prometheus}/-/healthy`);
    for (const ask of [prometheus, overRedis(ports.redis), kept.ask]) pollers.push(new Poller(ask));
  });

  afterAll(() => close());

  test('the old version answers again, from the very image that ran', async () => {
    expect(await imageId(tag)).toBe(images.v2);
    await ok(stack, 'rollback', 'latest', '--yes');
    expect(await answer(ports.api)).toBe('v1');
    expect((await running('api')).image).toBe(images.v1);
    expect(await imageId(tag)).toBe(images.v1);
  });

  test('nobody else lost a request, and no other container was touched', async () => {
    for (const tally of await Promise.all(pollers.map((poller) => poller.stop()))) {
      expect(tally.lost).toEqual([]);
      expect(tally.requests).toBeGreaterThan(50);
    }
    for (const service of ['redis', 'prometheus']) {
      expect(Object.values(original)).toContainEqual(await running(service));
    }
  });
});

test('undo brings the new version back, and undo of that the old one', async () => {
  await ok(stack, 'undo', '--yes');
  expect(await answer(ports.api)).toBe('v2');
  expect((await running('api')).image).toBe(images.v2);
  expect(await imageId(tag)).toBe(images.v2);

  await ok(stack, 'undo', '--yes');
  expect(await answer(ports.api)).toBe('v1');
  expect((await running('api')).image).toBe(images.v1);
  expect(await imageId(tag)).toBe(images.v1);
});

test('when all is as it was, neither another rollback nor compose itself touches anything', async () => {
  const before = await snapshot(stack);
  await ok(stack, 'rollback', 'latest', '--yes');
  await stack.compose('up', '-d');
  expect(await snapshot(stack)).toEqual(before);
});
