import { beforeAll, expect, test } from 'vitest';
import { aStack, docker, type Stack } from '../../support/e2e.js';
import { composeAs, containerOf, roundTrip, SLEEPER } from '../../support/round-trip.js';

/** Images that are built on the spot and have no name in the compose file, or a policy that would build or pull them again. */

const composeFile = (name: string) => `
name: ${name}
services:
  api:
    build: ./api
  always:
    build: ./api
    pull_policy: build
  nowhere:
    image: ${name}-nowhere:1
    pull_policy: always
  idle: { ${SLEEPER} }
`;

const dockerfile = (name: string) => `
FROM busybox:latest
ARG VERSION=unasked
LABEL of=${name} version=$VERSION
STOPSIGNAL SIGKILL
CMD ["sleep", "infinity"]
`;

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-build', (name) => ({
    'compose.yaml': composeFile(name),
    'api/Dockerfile': dockerfile(name),
  }));
  await release('1');
});

async function release(version: string): Promise<void> {
  await composeAs(stack, {}, 'build', '--build-arg', `VERSION=${version}`);
  await docker('tag', `${stack.name}-api:latest`, `${stack.name}-nowhere:1`);
  await composeAs(stack, {}, 'up', '--detach', '--no-build', '--pull', 'never');
}

async function built(): Promise<string[]> {
  const list = ['image', 'ls', '--all', '--quiet', '--no-trunc', '--filter', `label=of=${stack.name}`];
  return [...new Set((await docker(...list)).split('\n'))].toSorted();
}

test('the image that ran comes back under the name that compose gave it; nothing is built or pulled', async () => {
  const first = await containerOf(stack, 'api');
  let images: string[] = [];
  const change = async () => {
    await release('2');
    expect((await containerOf(stack, 'api')).image).not.toBe(first.image);
    images = await built(); // building without the argument would give a third one
  };
  await roundTrip(stack, { change, touched: ['api', 'always', 'nowhere'] });
  expect(await built()).toEqual(images);
});
