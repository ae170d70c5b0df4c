import { beforeAll, expect, test } from 'vitest';
import { aStack, create, docker, imageId, json, ok, type Stack } from '../../support/e2e.js';
import { containerOf, sleeper } from '../../support/round-trip.js';

/** Containers that share a namespace or an image tag with what is rolled back: of the same project, and of another one. */

let stack: Stack;
let other: Stack;

const composeFile = (name: string, version: number) => `
name: ${name}
services:
  vpn: { ${sleeper(`${name}-vpn:latest`)}, container_name: ${name}-the-vpn, labels: [version=${version}] }
  tenant: { ${sleeper('busybox:latest')}, network_mode: 'container:${name}-the-vpn' }
  debugger: { ${sleeper('busybox:latest')}, pid: 'container:${name}-the-vpn' }
  web: { ${sleeper('busybox:latest')} }
`;

const neighbours = (name: string, vpn: string) => `
name: ${name}
services:
  inside: { ${sleeper('busybox:latest')}, network_mode: 'container:${vpn}-the-vpn' }
  same: { ${sleeper(`${vpn}-vpn:latest`)} }
`;

const idOf = async (service: string, of = stack) => (await containerOf(of, service)).id;
const tag = () => `${stack.name}-vpn:latest`;

beforeAll(async () => {
  stack = await aStack('e2e-lender', (name) => ({ 'compose.yaml': composeFile(name, 1) }));
  await docker('tag', 'busybox:latest', tag());
  await stack.compose('up', '-d', 'vpn');
  await stack.compose('up', '-d');
  other = await aStack('e2e-neighbour', (name) => ({ 'compose.yaml': neighbours(name, stack.name) }));
});

/** vpn is made anew by hand with everything in it, from another image. */
async function upgrade(): Promise<void> {
  await docker('tag', 'node:20-alpine', tag());
  await stack.write({ 'compose.yaml': composeFile(stack.name, 2) });
  await stack.compose('up', '-d', 'vpn');
  await stack.compose('up', '-d', '--force-recreate', 'tenant', 'debugger');
  await other.compose('up', '-d', '--force-recreate');
}

/** Whether tenant and debugger live in the vpn that runs now. */
async function expectInside(): Promise<void> {
  const vpn = `container:${await idOf('vpn')}`;
  const mode = async (service: string, name: string) =>
    docker('inspect', '--format', `{{.State.Status}} {{.HostConfig.${name}}}`, await idOf(service));
  expect([await mode('tenant', 'NetworkMode'), await mode('debugger', 'PidMode')]).toEqual([
    `running ${vpn}`,
    `running ${vpn}`,
  ]);
}

test('followers by container name go along, there and back; others are named and left alone', async () => {
  const point = await create(stack);
  await upgrade();
  const web = await idOf('web');
  const strangers = [await idOf('inside', other), await idOf('same', other)];

  const plan = await json(stack, 'rollback', point, '--dry-run');
  expect(plan).toMatchObject({
    unchanged: ['web'],
    risks: expect.arrayContaining([
      {
        code: 'neighbour-cut-off',
        message: expect.stringContaining(`inside of project ${other.name}`),
        hint: expect.stringContaining(`-p ${other.name} up -d --force-recreate inside`),
      },
      {
        code: 'tag-used-by-others',
        message: expect.stringContaining(`same of project ${other.name}`),
        hint: expect.stringContaining('--leave-tags'),
      },
    ]),
  });

  const { stdout } = await ok(stack, 'rollback', point, '--yes');
  await expectInside();
  expect(await imageId(tag())).toBe(await imageId('busybox:latest'));
  const [run = ''] = /run-[0-9a-f]{12}/.exec(stdout) ?? [];
  await ok(stack, 'undo', run, '--yes');
  await expectInside();
  expect(await imageId(tag())).toBe(await imageId('node:20-alpine'));
  expect(await idOf('web')).toBe(web);
  expect([await idOf('inside', other), await idOf('same', other)]).toEqual(strangers);

  await ok(stack, 'rollback', point, '--yes', '--leave-tags');
  const image = await docker('inspect', '--format', '{{.Image}}', await idOf('vpn'));
  expect([image, await imageId(tag())]).toEqual([
    await imageId('busybox:latest'),
    await imageId('node:20-alpine'),
  ]);
});
