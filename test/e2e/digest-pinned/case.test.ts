import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { aStack, answer, cli, create, docker, freePort, ok, until, type Stack } from '../../support/e2e.js';
import { containerOf, roundTrip, SLEEPER, sleeper, stateOf } from '../../support/round-trip.js';
import { PODMAN } from '../../support/engine.js';
import { digestIn } from '../../support/registry.js';
import { leavesOnlyATrace } from '../../support/untouched.js';

/** Images that are named by digest, out of a real registry on this machine. */

let registry: ChildProcess;
let port: number;
let stack: Stack;
/** `127.0.0.1:PORT/NAME` */
let repository: string;
let digests: { one: string; two: string };

const composeFile = (name: string, image: string) => `
name: ${name}
services:
  pinned: { ${sleeper(image)} }
  idle: { ${SLEEPER} }
`;

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-digest', (name) => ({
    'registry/config.yml': `
version: 0.1
storage: { filesystem: { rootdirectory: /tmp/${name}-registry } }
http: { addr: '127.0.0.1:${port}' }
`,
  }));
  await startRegistry();

  repository = `127.0.0.1:${port}/${stack.name}`;
  digests = { one: await push('one'), two: await push('two') };
});

beforeEach(() => deploy('one'));

afterAll(async () => {
  await stack.remove();
  await docker(
    'image',
    'rm',
    '--force',
    ...Object.values(digests).map((digest) => `${repository}@${digest}`),
  );
  await stopRegistry();
  await rm(`/tmp/${stack.name}-registry`, { recursive: true });
});

/** Unless it runs. */
async function startRegistry(): Promise<void> {
  if ((await answer(port, '/v2/')) === '{}') return;
  const program = process.env['REGISTRY_BIN'];
  if (program === undefined) throw new Error('REGISTRY_BIN is not set: eval "$(scripts/lab.sh env)"');
  registry = spawn(program, ['serve', stack.path('registry/config.yml')], { stdio: 'ignore' });
  await until(async () => (await answer(port, '/v2/')) === '{}', 'the registry answers');
}

async function stopRegistry(): Promise<void> {
  const ended = once(registry, 'exit');
  registry.kill();
  await ended;
}

/** Builds an image and leaves it in the registry alone; its digest. */
async function push(version: string): Promise<string> {
  const tag = `${repository}:${version}`;
  await stack.write({
    'image/Dockerfile': `FROM busybox:latest\nLABEL of=${stack.name} version=${version}\n`,
  });
  await docker('build', '--quiet', '--tag', tag, stack.path('image'));
  await docker('push', '--quiet', tag);
  await docker('image', 'rm', tag);
  // What is pushed need not have the digest that it had here: Podman compresses anew.
  return await digestIn(port, stack.name, version);
}

async function deploy(version: 'one' | 'two'): Promise<void> {
  await stack.write({ 'compose.yaml': composeFile(stack.name, `${repository}@${digests[version]}`) });
  await stack.compose('up', '--detach', '--quiet-pull');
}

test('from one digest to another and back', async () => {
  const { image } = await containerOf(stack, 'pinned');
  const change = async () => {
    await deploy('two');
    expect((await containerOf(stack, 'pinned')).image).not.toBe(image);
  };
  await roundTrip(stack, { change, touched: ['pinned'], up: {} });
});

// Podman knows an image by its digest as long as it is there under any name.
const onDocker = PODMAN === undefined ? test : () => undefined;
onDocker(
  'a digest that is not here any more is pulled; without its registry it is named, and nothing is touched',
  async () => {
    const before = await stateOf(stack);
    const point = await create(stack, 'with one');
    await deploy('two');
    await docker('image', 'rm', `${repository}@${digests.one}`);

    onTestFinished(startRegistry);
    await stopRegistry();
    const { exitCode, stderr } = await leavesOnlyATrace(stack, () => cli(stack, 'rollback', point, '--yes'));
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`docker pull ${repository}@${digests.one}`);

    await startRegistry();
    await ok(stack, 'rollback', point, '--yes');
    expect(await stateOf(stack)).toEqual(before);
  },
);
