import { afterAll, beforeAll, expect, test } from 'vitest';
import { atPodman, clearPodman, PATH_WITH_PODMAN, podman } from '../../support/podman-side.js';
import { aStack, cliWith, type Stack } from '../../support/e2e.js';
import { docker } from '../../support/engine.js';

/** A service that is only built is called otherwise by podman-compose: its image goes over all the same, and nothing is built. */

const { PODMAN_HOST = '', PODMAN_COMPOSE = '', DOCKER_HOST = '' } = process.env;
const env = { COMPOSE_ROLLBACK_PROVIDER: PODMAN_COMPOSE, PATH: PATH_WITH_PODMAN };
const forth = ['migrate', 'to-podman', '--target-host', PODMAN_HOST, '--yes'];
const back = ['migrate', 'to-docker', '--host', PODMAN_HOST, '--target-host', DOCKER_HOST, '--yes'];

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-built', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { build: ., init: true, volumes: ['data:/data'] }
volumes: { data: {} }
`,
    Dockerfile: 'FROM busybox:latest\nCMD ["sleep", "100000"]\n',
  }));
  await stack.compose('up', '--detach', '--build');
  await stack.compose('exec', '-T', 'web', 'sh', '-c', 'echo docker > /data/of');
  await stack.write({ Dockerfile: 'FROM not-to-be-built\n' });
});

afterAll(() => clearPodman(stack.name));

/** Engines call an image by ids of their own; its layers are the same everywhere. */
const LAYERS = ['image', 'inspect', '--format', '{{json .RootFS.Layers}}'];

test('to podman-compose and back to docker compose', async () => {
  const [container = ''] = await stack.ids('web');
  const image = await docker('inspect', '--format', '{{.Image}}', container);

  const there = await cliWith(stack, { env }, ...forth);
  expect([there.exitCode, there.stderr]).toEqual([0, expect.anything()]);
  const name = `${stack.name}_web_1`;
  expect(await atPodman('container', stack.name)).toEqual([name]);
  const moved = await podman('inspect', '--format', '{{.Image}}', name);
  expect(await podman(...LAYERS, moved)).toBe(await docker(...LAYERS, image));
  expect(await podman('exec', name, 'cat', '/data/of')).toBe('docker');
  await podman('exec', name, 'sh', '-c', 'echo podman > /data/of');

  const here = await cliWith(stack, { env }, ...back);
  expect([here.exitCode, here.stderr]).toEqual([0, expect.anything()]);
  expect(await docker('inspect', '--format', '{{.State.Status}} {{.Image}}', container)).toBe(
    `running ${image}`,
  );
  expect(await stack.compose('exec', '-T', 'web', 'cat', '/data/of')).toBe('podman');
});
