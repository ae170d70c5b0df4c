import { answer, aStack, buildApi, create, docker, freePort, type Stack, until } from './e2e.js';

/** A stack with something to roll back: an API whose v2 was built over the tag of v1, and a service that nothing concerns. */
export interface Shop extends Stack {
  /** Published port of the API on 127.0.0.1: it answers its version. */
  port: number;
  /** Of the API: v2's by now. */
  tag: string;
  images: { v1: string; v2: string };
  /** The point with v1. */
  point: string;
  /** Waits until this version answers. */
  serves: (version: string) => Promise<void>;
  /** Back to v2 by the files that are there, whatever the test before left. Asks `docker`, and acts only where it has to. */
  deployV2: () => Promise<void>;
}

export interface ShopOptions {
  /** Further lines of the API's definition, indented by four. */
  api?: string;
  /** Further files by path. */
  files?: Record<string, string>;
}

/** v1 ran, the point was made, v2 runs. */
export async function aShop(prefix: string, { api = '', files = {} }: ShopOptions = {}): Promise<Shop> {
  const port = await freePort();
  const stack = await aStack(prefix, (name) => ({
    'compose.yaml': `
name: ${name}
services:
  api:
    image: ${name}-api:latest
    ports: ['127.0.0.1:${port}:8000']
${api}
  idle:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
`,
    ...files,
  }));
  const tag = `${stack.name}-api:latest`;
  const serves = (version: string) =>
    until(async () => (await answer(port)) === version, `the API answers ${version}`);
  const v1 = await buildApi(stack, tag, 'v1');
  await stack.compose('up', '-d');
  await serves('v1');
  const point = await create(stack, 'with v1');
  const v2 = await buildApi(stack, tag, 'v2');
  await stack.compose('up', '-d');
  await serves('v2');
  const outlivesPoints = `${stack.name}-api:v2`;
  await docker('tag', v2, outlivesPoints);
  const deployV2 = async () => {
    await docker('tag', v2, tag);
    if ((await answer(port)) === 'v2') return;
    await stack.compose('up', '-d');
    await serves('v2');
  };
  return { ...stack, port, tag, images: { v1, v2 }, point, serves, deployV2 };
}
