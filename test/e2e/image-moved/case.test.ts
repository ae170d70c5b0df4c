import { beforeEach, expect, onTestFinished, test } from 'vitest';
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
import { PODMAN_COMPOSE } from '../../support/engine.js';

/** The API is built anew over the same tag; the old image loses its name and is pruned as far as the engine lets it. */

let stack: Stack;
let tag: string;
let images: { v1: string; v2: string };
let ports: { api: number; redis: number; prometheus: number };
let others: Record<string, ContainerFacts>;

// Not in beforeAll: nothing but its point may keep v1, so that a second try needs a stack of its own.
beforeEach(async () => {
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
  await create(stack, 'before v2');

  const v2 = await buildApi(stack, tag, 'v2');
  images = { v1, v2 };
  await stack.compose('up', '-d');
  await docker('image', 'prune', '--force', '--filter', `label=of=${stack.name}`);
  await serves('v2');
  others = await containersOf(stack);
});

async function serves(version: string): Promise<void> {
  await until(async () => (await answer(ports.api)) === version, `the API answers ${version}`);
}

async function running(service: string): Promise<ContainerFacts> {
  const found = Object.values(await containersOf(stack)).find((container) => container.service === service);
  if (!found) throw new Error(`${service} has no container`);
  return found;
}

test('the old version comes back and nobody else loses a request; undo, undo of that, and then nothing is left to do', async () => {
  const kept = overKeptRedis(ports.redis);
  onTestFinished(kept.close);
  const prometheus = overHttp(`http://127.0.0.1:${ports.prometheus}/-/healthy`);
  const pollers = [prometheus, overRedis(ports.redis), kept.ask].map((ask) => new Poller(ask));
  const stop = () => Promise.all(pollers.map((poller) => poller.stop()));
  onTestFinished(async () => void (await stop()));

  expect(await imageId(tag)).toBe(images.v2);
  await ok(stack, 'rollback', 'latest', '--yes');
  await expectRuns('v1');
  for (const tally of await stop()) {
    expect(tally.lost).toEqual([]);
    expect(tally.requests).toBeGreaterThan(50);
  }
  for (const service of ['redis', 'prometheus']) {
    expect(Object.values(others)).toContainEqual(await running(service));
  }

  await ok(stack, 'undo', '--yes');
  await expectRuns('v2');
  await ok(stack, 'undo', '--yes');
  await expectRuns('v1');

  const before = await snapshot(stack);
  await ok(stack, 'rollback', 'latest', '--yes');
  // Our podman-compose takes down before it brings up.
  if (PODMAN_COMPOSE === undefined) await stack.compose('up', '-d');
  expect(await snapshot(stack)).toEqual(before);
});

/** It answers, from the very image that was built, which has the tag. */
async function expectRuns(version: 'v1' | 'v2'): Promise<void> {
  expect(await answer(ports.api)).toBe(version);
  expect((await running('api')).image).toBe(images[version]);
  expect(await imageId(tag)).toBe(images[version]);
}
