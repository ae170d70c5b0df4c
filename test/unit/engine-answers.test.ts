import { describe, expect, it } from 'vitest';
import { FakeEngine, Refusal, type Answers } from '../support/fake-engine.js';

/** Literal answers in which API versions from 1.41 to 1.56 differ, as far as we read them. */

const DOCKER = { 'GET /version': { Version: '28.5.2', ApiVersion: '1.51' } };
const engineWith = async (answers: Answers) => (await FakeEngine.start({ ...DOCKER, ...answers })).connect();

describe('the sizes of volumes', () => {
  const sizesOf = async (usage: object) =>
    (await engineWith({ 'GET /v1.51/system/df': usage })).volumeSizes();
  const volumes = [
    { Name: 'data', UsageData: { RefCount: 1, Size: 4096 } },
    { Name: 'remote', UsageData: { RefCount: 0, Size: -1 } },
    { Name: 'unknown', UsageData: null },
  ];

  it.each([
    ['up to API 1.51', { LayersSize: 0, Volumes: volumes }],
    ['in API 1.52', { Volumes: volumes, VolumeUsage: { TotalCount: 3, Items: volumes } }],
    ['after API 1.52', { VolumeUsage: { ActiveCount: 1, TotalCount: 3, TotalSize: 4096, Items: volumes } }],
    ['of an engine that counts and does not list them', { Volumes: volumes, VolumeUsage: { TotalCount: 3 } }],
  ])('are read as they come %s', async (_, usage) => {
    expect(await sizesOf(usage)).toEqual({ data: 4096 });
  });

  it.each([{}, { Volumes: null }, { VolumeUsage: null }, { VolumeUsage: {} }])(
    'of no volumes (%j) are none',
    async (usage) => {
      expect(await sizesOf(usage)).toEqual({});
    },
  );
});

describe('a pull that fails after the engine has answered 200', () => {
  const begun = '{"status":"Pulling from library/redis","id":"7"}\r\n';

  it.each([
    ['up to API 1.47', '{"errorDetail":{"message":"no space left"},"error":"no space left"}\r\n'],
    ['later', '{"errorDetail":{"code":500,"message":"no space left"}}\r\n'],
    ['by the deprecated field alone', '{"error":"no space left"}\r\n'],
  ])('is told %s', async (_, failure) => {
    const engine = await engineWith({ 'POST /v1.51/images/create': begun + failure });
    await expect(engine.pull('redis:7')).rejects.toMatchObject({
      code: 'failed',
      message: 'the engine says: no space left',
    });
  });
});

it('an image has what an engine leaves out from API 1.52 on', async () => {
  const engine = await engineWith({
    'GET /v1.51/images/shop:1/json': {
      Id: 'sha256:8fdb09eb8955fc1a55ba12c28785a088f834fac0a11b4700cad9868c9d405267',
      RepoTags: [],
      RepoDigests: [],
      Architecture: 'amd64',
      Os: 'linux',
      Size: 1117029,
      RootFS: { Type: 'layers' },
      Config: {},
    },
  });
  expect(await engine.image('shop:1')).toEqual({
    id: 'sha256:8fdb09eb8955fc1a55ba12c28785a088f834fac0a11b4700cad9868c9d405267',
    tags: [],
    digests: [],
    platform: 'linux/amd64',
    diffIds: [],
    sizeBytes: 1117029,
    settings: {},
  });
});

it('an image that was pulled by digest has no tag, though containerd lists the digest as one', async () => {
  const name = `shop@sha256:${'d'.repeat(64)}`;
  const names = { Id: `sha256:${'d'.repeat(64)}`, RepoTags: [name], RepoDigests: [name] };
  const engine = await engineWith({
    [`GET /v1.51/images/${name}/json`]: {
      ...names,
      Architecture: 'amd64',
      Os: 'linux',
      Size: 1,
      RootFS: {},
    },
    'GET /v1.51/images/json': [names, { ...names, Id: 'sha256:e', RepoTags: ['shop:1'] }],
  });
  expect(await engine.image(name)).toMatchObject({ tags: [], digests: [name] });
  expect(await engine.references('shop')).toEqual([{ reference: 'shop:1', imageId: 'sha256:e' }]);
});

it('a container has an address in each of its networks, and none of its own from API 1.52 on', async () => {
  const id = 'c'.repeat(64);
  const engine = await engineWith({
    [`GET /v1.51/containers/${id}/json`]: {
      Id: id,
      Created: '2026-11-28T05:12:25Z',
      Path: 'sleep',
      Args: ['1000'],
      State: { Status: 'running', Running: true, ExitCode: 0, StartedAt: '2026-11-28T05:12:25Z', Pid: 7 },
      Image: 'sha256:i',
      Name: '/shop-web-1',
      Mounts: [],
      Config: { Image: 'shop:1', Cmd: ['sleep', '1000'], Labels: {} },
      HostConfig: { NetworkMode: 'shop_default', RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } },
      ImageManifestDescriptor: { digest: 'sha256:m' },
      NetworkSettings: {
        SandboxID: 's',
        SandboxKey: '/var/run/docker/netns/s',
        Ports: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] },
        Networks: { shop_default: { MacAddress: '02:42', IPAddress: '172.18.0.2', GlobalIPv6Address: '' } },
      },
    },
  });
  expect(await engine.container(id)).toMatchObject({
    addresses: { shop_default: '172.18.0.2' },
    ports: [{ containerPort: 80, hostIp: '127.0.0.1', hostPort: 8080 }],
    health: 'none',
    exposed: [],
    restartCount: 0,
  });
});

it('images are found by the manifest that a container runs, and never by an attestation', async () => {
  const container = {
    Id: 'c'.repeat(64),
    Path: 'sleep',
    Args: ['1000'],
    State: { Status: 'running', ExitCode: 0, StartedAt: '2026-11-28T05:12:25Z', Pid: 7 },
    Image: 'sha256:old',
    ImageManifestDescriptor: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: 'sha256:m' },
    Name: '/shop-web-1',
    Config: { Image: 'shop:1' },
    HostConfig: {},
    NetworkSettings: {},
  };
  const manifest = (ID: string, Kind: string, Available = true) => ({ ID, Kind, Available });
  const engine = await engineWith({
    [`GET /v1.51/containers/${container.Id}/json`]: container,
    'GET /v1.51/images/json': [
      { Id: 'sha256:new', Manifests: [manifest('sha256:m', 'image'), manifest('sha256:a', 'attestation')] },
      { Id: 'sha256:attested', Manifests: [manifest('sha256:m', 'attestation')] },
      { Id: 'sha256:partial', Manifests: [manifest('sha256:m', 'image', false)] },
      { Id: 'sha256:classic' },
    ],
  });
  const digest = (await engine.container(container.Id))?.imageManifest ?? expect.fail('no manifest');
  expect(await engine.imagesWithManifest(digest)).toEqual(['sha256:new']);
});

it('a container that ends by itself while it is stopped is stopped once more', async () => {
  let asked = 0;
  const engine = await FakeEngine.start({
    ...DOCKER,
    get 'POST /v1.51/containers/web/stop'() {
      asked += 1;
      // As Docker 20.10 says it of one that is restarted by itself.
      return asked === 1
        ? new Refusal(500, 'cannot stop container: web: Container 8fd is not running')
        : new Refusal(304, '');
    },
  });
  await (await engine.connect()).stop('web');
  expect(asked).toBe(2);
});
