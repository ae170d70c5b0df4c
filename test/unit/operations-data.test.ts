import { expect, it } from 'vitest';
import { chooseCopier } from '../../src/operations/data.js';
import { FakeEngine } from '../support/fake-engine.js';
import { aPresent, imageId } from '../support/planning.js';

/** What data on another machine is copied with: a helper container of an image that is there. */

const id = 'c'.repeat(64);

/** The project has one container, and images of these names are there. */
async function copierWith(images: string[], kept: string[] = []) {
  const fake = await FakeEngine.start({
    'GET /version': { Version: '28.5.2', ApiVersion: '1.51' },
    'GET /v1.51/containers/json': [{ Id: id }],
    [`GET /v1.51/containers/${id}/json`]: {
      Id: id,
      Path: 'true',
      State: { Status: 'running', ExitCode: 0, StartedAt: '2026-11-28T05:12:25Z', Pid: 7 },
      Image: imageId('aa'),
      Name: '/shop-web-1',
      Config: {
        Image: 'shop:1',
        Labels: {
          'com.docker.compose.project': 'shop',
          'com.docker.compose.service': 'web',
          'com.docker.compose.container-number': '1',
          'com.docker.compose.config-hash': 'made',
          'com.docker.compose.image': imageId('aa'),
        },
      },
      HostConfig: {},
      NetworkSettings: {},
    },
    'GET /v1.51/images/json': kept.map((name) => ({
      Id: imageId(name),
      RepoTags: [`compose-rollback/kept:${name}`],
    })),
    'GET /v1.51/volumes/data': {
      Name: 'data',
      Driver: 'local',
      Mountpoint: '/v',
      Labels: null,
      Options: null,
    },
    'GET /v1.51/volumes': { Volumes: [{ Name: 'data' }] },
    ...Object.fromEntries(
      images.map((name) => [
        `GET /v1.51/images/${imageId(name)}/json`,
        { Id: imageId(name), Os: 'linux', Architecture: 'amd64', RootFS: {}, Size: 1 },
      ]),
    ),
  });
  const workspace = {
    engine: await fake.connect(),
    identity: { ...aPresent().engine, local: false },
    project: { name: 'shop', directory: '/srv/shop' },
  };
  const place = { kind: 'volume', name: 'data', path: '/v', driver: 'local', options: {} } as const;
  return await chooseCopier(workspace, place);
}

it('is the image of the container, or one that a point keeps where the engine has lost that', async () => {
  expect((await copierWith(['aa'])).driver).toBe('api');
  expect((await copierWith(['bb'], ['bb'])).driver).toBe('api');
});

it('is none where the engine has lost the only image', async () => {
  expect(await copierWith([])).toEqual({
    driver: null,
    problem: 'there is no image to make a helper container of',
  });
});
