import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';
import type { Point } from '../../../src/model/point.js';
import { aStack, cli, create, docker, ok, until, type Stack } from '../../support/e2e.js';
import { buildsIndexes } from '../../support/engine.js';
import { containerOf, SLEEPER } from '../../support/round-trip.js';
import { leavesOnlyATrace } from '../../support/untouched.js';

/** A build moves the only tag of an image that runs: with containerd's store and BuildKit the engine then has no record of that image. */

/** Other engines keep what runs. */
const loses = await buildsIndexes();

let stack: Stack;
/** The point with v1, made after a second build of v1. */
let first: Point;
/** Had the engine lost v1's image by then? */
let lostByThen: boolean;

beforeAll(async () => {
  stack = await aStack('e2e-lost', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { image: '${name}-web:latest', stop_signal: SIGKILL }
  idle: { ${SLEEPER} }
`,
  }));
  await build('v1');
  await stack.compose('up', '--detach');
  await build('v1');
  lostByThen = await isLost();
  first = await recordOf(await create(stack));
});

async function build(version: string): Promise<void> {
  await stack.write({
    'image/Dockerfile': 'FROM busybox:latest\nCOPY version /version\nCMD ["sleep", "infinity"]\n',
    'image/version': `${stack.name} ${version}`,
  });
  await docker('build', '--quiet', '--tag', `${stack.name}-web:latest`, stack.path('image'));
}

async function recordOf(point: string): Promise<Point> {
  return JSON.parse(await readFile(stack.path(`rollback/backups/${point}/point.json`), 'utf8'));
}

async function serves(version: string): Promise<void> {
  const [id = ''] = await stack.ids('web');
  const read = async () => (await docker('exec', id, 'cat', '/version')).trim();
  await until(async () => (await read()) === `${stack.name} ${version}`, `web is ${version}`);
}

const isLost = async () => {
  const { image } = await containerOf(stack, 'web');
  return (await execa('docker', ['image', 'inspect', image], { reject: false })).exitCode !== 0;
};

test('after a second build of the same files the image is kept under its new record', async () => {
  expect(lostByThen).toBe(loses);
  expect(first.warnings).toEqual([]);
  const web = first.images['web'] ?? expect.fail('no image of web');
  expect(web.diff_ids.length).toBeGreaterThan(0);
  expect(web.kept_tag).not.toBeNull();

  await ok(stack, 'rollback', first.id, '--yes');
  const { stdout } = await ok(stack, 'rollback', first.id, '--dry-run');
  expect(stdout).toContain('Nothing to do');

  await build('v2');
  await stack.compose('up', '--detach');
  await serves('v2');
  await ok(stack, 'rollback', first.id, '--yes');
  await serves('v1');
});

test.runIf(loses)(
  'a point without it says so, and going back to it is blocked; another way is not',
  async () => {
    await build('v3');
    await stack.compose('up', '--detach');
    const { image: lost } = await containerOf(stack, 'web');
    await build('v4');
    expect(await isLost()).toBe(true);
    const { stdout, stderr } = await ok(stack, 'create');
    const short = lost.replace('sha256:', '').slice(0, 12);
    const told = `web runs image ${short} (${stack.name}-web:latest), which the engine no longer has`;
    expect(stderr).toContain(told);
    expect(stderr).toContain('2 services, 1 image,');
    const id = /rb-[0-9a-f]{12}/.exec(stdout)?.[0] ?? expect.fail(stdout);
    expect((await recordOf(id)).images['web']).toMatchObject({ id: lost, kept_tag: null, diff_ids: [] });
    expect((await ok(stack, 'rollback', id, '--dry-run')).stdout).toContain('Nothing to do');

    await stack.compose('up', '--detach');
    await serves('v4');
    const blocked = await leavesOnlyATrace(stack, () => cli(stack, 'rollback', id, '--yes'));
    expect(blocked.exitCode).toBe(3);
    expect(blocked.stderr).toContain(`web: the engine had lost image ${stack.name}-web:latest (${short})`);
    await ok(stack, 'rollback', first.id, '--yes');
    await serves('v1');
  },
);

test.runIf(loses)(
  'a rollback that takes such a container away says that undo cannot make it again',
  async () => {
    await build('v5');
    await stack.compose('up', '--detach');
    await build('v6');
    const { stdout } = await cli(stack, 'rollback', first.id, '--dry-run');
    expect(stdout).toContain('which the engine no longer has: undo cannot make it again');
  },
);
