import { beforeAll, expect, test } from 'vitest';
import { aStack, docker, imageId, ok, type Stack } from '../../support/e2e.js';
import { containerOf, roundTrip, SLEEPER, sleeper } from '../../support/round-trip.js';

/** Two services of one tag, one of which was made anew after the tag had moved and the other was not. */

let stack: Stack;
let tag: string;

beforeAll(async () => {
  stack = await aStack('e2e-shared', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  old: { ${sleeper(`${name}-app:latest`)} }
  new: { ${sleeper(`${name}-app:latest`)} }
  idle: { ${SLEEPER} }
`,
    'image/Dockerfile': 'FROM busybox:latest\n',
  }));
  tag = `${stack.name}-app:latest`;
  await build('1');
  await stack.compose('up', '--detach');
  await build('2');
  await stack.compose('up', '--detach', '--no-deps', 'new');
});

async function build(version: string): Promise<void> {
  const labels = ['--label', `of=${stack.name}`, '--label', `version=${version}`];
  // Without a second name Docker 28 with containerd's store forgets the image that a build takes the name from.
  const tags = ['--tag', tag, '--tag', `${stack.name}-app:${version}`];
  await docker('build', '--quiet', ...labels, ...tags, stack.path('image'));
}

test('both images come back, and the tag to where it pointed', async () => {
  const [old, fresh] = [(await containerOf(stack, 'old')).image, (await containerOf(stack, 'new')).image];
  expect([old === fresh, await imageId(tag)]).toEqual([false, fresh]);
  const change = async () => {
    await build('3');
    await stack.compose('up', '--detach');
    expect((await containerOf(stack, 'old')).image).toBe((await containerOf(stack, 'new')).image);
    const { stdout } = await ok(stack, 'rollback', 'latest', '--dry-run');
    expect(stdout).toContain(`new and old share ${tag}`);
  };
  await roundTrip(stack, { change, touched: ['new', 'old'] });

  await ok(stack, 'rollback', 'latest', '--yes');
  expect((await containerOf(stack, 'old')).image).toBe(old);
  expect((await containerOf(stack, 'new')).image).toBe(fresh);
  expect(await imageId(tag)).toBe(fresh);
});
