import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ComposeV2 } from '../../src/engine/compose-v2.js';
import { FakeEngine } from '../support/fake-engine.js';
import { makeFolder } from '../support/folder.js';

/** Which builder compose is told to use: BuildKit runs in no Podman but as a container of its own. */

const DOCKER = {
  'GET /version': { Version: '28.5.2', ApiVersion: '1.51' },
  'GET /v1.51/info': { ID: 'i', Name: 'n', Driver: 'overlay2', DockerRootDir: '/var/lib/docker' },
};
const PODMAN = {
  'GET /version': { Version: '5.8.6', ApiVersion: '1.44', Components: [{ Name: 'Podman Engine' }] },
  'GET /v4.0.0/libpod/info': {
    host: { hostname: 'n', cgroupVersion: 'v2', security: { rootless: false } },
    store: { graphDriverName: 'overlay', graphRoot: '/var/lib/containers/storage' },
    version: { Version: '5.8.6', APIVersion: '5.8.6' },
  },
};

test.each<[string, object, Record<string, string>, string]>([
  ['on Podman it is not BuildKit', PODMAN, {}, '0'],
  ['on Podman an empty setting is none', PODMAN, { DOCKER_BUILDKIT: '' }, '0'],
  ["on Podman a person's own choice stays", PODMAN, { DOCKER_BUILDKIT: '1' }, '1'],
  ['on Docker compose chooses', DOCKER, {}, 'unset'],
  ["on Docker a person's own choice stays", DOCKER, { DOCKER_BUILDKIT: '0' }, '0'],
])('%s', async (_, answers, env, expected) => {
  const { endpoint } = await FakeEngine.start({ ...answers });
  const folder = await makeFolder();
  const script = `echo "\${DOCKER_BUILDKIT-unset} $*" > ${folder.at('called')}`;
  const program = { name: 'docker compose', argv: ['sh', '-c', script, '--'], endpoint };
  const request = { name: 'shop', directory: folder.path, files: [], profiles: [], envFiles: [] };
  await new ComposeV2(program, {}).build({ ...request, env: { PATH: process.env['PATH'], ...env } }, 'web');
  const [setting, ...argv] = (await readFile(folder.at('called'), 'utf8')).trim().split(' ');
  expect(setting).toBe(expected);
  expect(argv.slice(-3)).toEqual(['build', '--', 'web']);
});
