import { describe, expect, it } from 'vitest';
import {
  isPodman,
  toContainer,
  toIdentity,
  toImage,
  type ContainerDocument,
} from '../../src/engine/docker-mapping.js';

const running: ContainerDocument = {
  Id: 'c1',
  Name: '/shop-api-2',
  Path: 'docker-entrypoint.sh',
  Args: ['node', 'server.js'],
  Image: 'sha256:aaa',
  RestartCount: 3,
  State: {
    Status: 'running',
    ExitCode: 0,
    StartedAt: '2026-01-02T03:04:05.6Z',
    Pid: 4711,
    Health: { Status: 'healthy' },
  },
  Config: {
    Image: 'shop-api:v1',
    User: '999:999',
    Labels: {
      'com.docker.compose.project': 'shop',
      'com.docker.compose.service': 'api',
      'com.docker.compose.container-number': '2',
      'com.docker.compose.oneoff': 'False',
      'com.docker.compose.config-hash': 'abc',
      'com.docker.compose.version': '2.26.1',
    },
    Env: ['A=1', 'URL=redis://h?a=b', 'EMPTY=', 'BARE'],
    ExposedPorts: { '8000/tcp': {}, '53/udp': {} },
  },
  HostConfig: { NetworkMode: 'shop_default', Tmpfs: { '/tmp': '' } },
  Mounts: [
    { Type: 'bind', Source: '/srv/shop/a.conf', Destination: '/etc/a.conf', RW: false },
    {
      Type: 'volume',
      Name: 'shop_data',
      Source: '/var/lib/docker/volumes/shop_data/_data',
      Destination: '/data',
      RW: true,
    },
  ],
  NetworkSettings: {
    Ports: {
      '8000/tcp': [
        { HostIp: '0.0.0.0', HostPort: '18000' },
        { HostIp: '::', HostPort: '18000' },
      ],
      '53/udp': null,
    },
    Networks: {
      shop_default: { IPAddress: '172.18.0.3' },
      six: { IPAddress: '', GlobalIPv6Address: 'fd00::3' },
      gone: { IPAddress: '' },
    },
  },
};

/** What engines send for a container that nobody gave anything. */
const bare: ContainerDocument = {
  Id: 'c2',
  Name: '/x',
  Path: 'true',
  Args: null,
  Image: 'sha256:bbb',
  State: { Status: 'exited', ExitCode: 7, StartedAt: '0001-01-01T00:00:00Z', Pid: 0 },
  Config: { Image: 'busybox' },
  HostConfig: {},
  NetworkSettings: {},
};

const inState = (Status: string, ExitCode = 0): ContainerDocument => ({
  ...bare,
  State: { ...bare.State, Status, ExitCode },
});
const labelled = (Labels: Record<string, string>): ContainerDocument => ({
  ...bare,
  Config: { ...bare.Config, Labels },
});

describe('toContainer', () => {
  it('names the containers whose namespaces it lives in, each once', () => {
    const HostConfig = { NetworkMode: 'container:a1', PidMode: 'container:a1', IpcMode: 'container:b2' };
    expect(toContainer({ ...bare, HostConfig }).joins).toEqual(['a1', 'b2']);
    expect(toContainer({ ...bare, HostConfig: { NetworkMode: 'host', PidMode: '' } }).joins).toEqual([]);
  });

  it('maps a running compose container', () => {
    expect(toContainer(running)).toEqual({
      id: 'c1',
      name: 'shop-api-2',
      project: 'shop',
      service: 'api',
      number: 2,
      oneOff: false,
      state: 'running',
      exitCode: undefined,
      startedAt: '2026-01-02T03:04:05.6Z',
      restart: 'no',
      restartCount: 3,
      pid: 4711,
      imageId: 'sha256:aaa',
      imageRef: 'shop-api:v1',
      configHash: 'abc',
      composeVersion: '2.26.1',
      labels: running.Config.Labels,
      env: { A: '1', URL: 'redis://h?a=b', EMPTY: '', BARE: '' },
      command: ['docker-entrypoint.sh', 'node', 'server.js'],
      mounts: [
        { type: 'bind', source: '/srv/shop/a.conf', name: undefined, target: '/etc/a.conf', readOnly: true },
        { type: 'volume', source: '', name: 'shop_data', target: '/data', readOnly: false },
        { type: 'tmpfs', source: '', name: undefined, target: '/tmp', readOnly: false },
      ],
      ports: [
        { containerPort: 8000, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 18_000 },
        { containerPort: 8000, protocol: 'tcp', hostIp: '::', hostPort: 18_000 },
      ],
      exposed: ['8000/tcp', '53/udp'],
      addresses: { shop_default: '172.18.0.3', six: 'fd00::3' },
      networkMode: 'shop_default',
      user: '999:999',
      needs: [],
      joins: [],
      health: 'healthy',
      settings: {
        'environment.A': '1',
        'environment.BARE': '\0',
        'environment.EMPTY': '',
        'environment.URL': 'redis://h?a=b',
        'expose.53/udp': true,
        'expose.8000/tcp': true,
        'mount./data': { type: 'volume', volume: 'shop_data' },
        'mount./etc/a.conf': { read_only: true, source: '/srv/shop/a.conf', type: 'bind' },
        'mount./tmp': { type: 'tmpfs' },
        name: 'shop-api-2',
        'network.gone': {},
        'network.shop_default': {},
        'network.six': {},
        user: '999:999',
      },
    });
  });

  it('takes everything an engine may leave out', () => {
    expect(toContainer(bare)).toMatchObject({
      project: undefined,
      service: undefined,
      number: undefined,
      oneOff: false,
      configHash: undefined,
      composeVersion: undefined,
      labels: {},
      env: {},
      command: ['true'],
      mounts: [],
      ports: [],
      exposed: [],
      addresses: {},
      networkMode: '',
      user: '',
      needs: [],
      restart: 'no',
      restartCount: 0,
      health: 'none',
    });
  });

  it.each([
    ['created', 'created', undefined],
    ['running', 'running', undefined],
    ['paused', 'paused', undefined],
    ['restarting', 'restarting', 7],
    ['exited', 'exited', 7],
    ['dead', 'dead', 7],
    ['configured', 'created', undefined],
    ['stopped', 'exited', 7],
  ])('reads the state %s as %s, exit code %s', (status, state, exitCode) => {
    expect(toContainer(inState(status, 7))).toMatchObject({ state, exitCode });
  });

  it('refuses a state it does not know', () => {
    expect(() => toContainer(inState('levitating'))).toThrow('unknown state "levitating"');
  });

  it('knows one-off containers by version 1 and version 2 labels', () => {
    const container = toContainer(
      labelled({ 'com.docker.compose.project': 'p', 'com.docker.compose.oneoff': 'True' }),
    );
    expect(container.oneOff).toBe(true);
  });

  const unnumbered = { 'com.docker.compose.project': 'p', 'com.docker.compose.service': 's' };
  const replica = { ...unnumbered, 'com.docker.compose.container-number': '1' };
  it.each([
    ['a replica of version 2', { ...replica, 'com.docker.compose.oneoff': 'False' }, false],
    ['a replica without that label, as podman-compose makes it', replica, false],
    ['a pre_start hook of compose 5.3', unnumbered, true],
    [
      'a failed pre_start hook that later versions keep',
      { ...unnumbered, 'com.docker.compose.hook': 'pre_start' },
      true,
    ],
    ['any hook, numbered or not', { ...replica, 'com.docker.compose.hook': 'pre_start' }, true],
    ['a container that compose did not make', {}, false],
  ])('%s: one-off %s', (_name, labels, expected) => {
    expect(toContainer(labelled(labels)).oneOff).toBe(expected);
  });

  it("reads podman-compose's labels, and takes no hash from them", () => {
    const labels = {
      'io.podman.compose.project': 'p',
      'io.podman.compose.config-hash': 'h',
      'io.podman.compose.version': '1.0.3',
      'com.docker.compose.service': 's',
    };
    expect(toContainer(labelled(labels))).toMatchObject({
      project: 'p',
      service: 's',
      configHash: undefined,
      composeVersion: '1.0.3',
    });
  });

  it('keeps network_mode host, where there is neither address nor published port', () => {
    const host = {
      ...running,
      HostConfig: { NetworkMode: 'host' },
      NetworkSettings: { Ports: {}, Networks: { host: { IPAddress: '' } } },
    };
    expect(toContainer(host)).toMatchObject({
      networkMode: 'host',
      addresses: {},
      ports: [],
      exposed: ['8000/tcp', '53/udp'],
    });
  });
});

describe('toImage', () => {
  it('maps platform, layers and references', () => {
    const image = toImage({
      Id: 'sha256:i',
      RepoTags: ['a:1', '<none>:<none>', 'a@sha256:d'],
      RepoDigests: ['a@sha256:d', '<none>@<none>'],
      Os: 'linux',
      Architecture: 'arm64',
      Variant: 'v8',
      RootFS: { Layers: ['sha256:l'] },
      Size: 12,
    });
    expect(image).toEqual({
      id: 'sha256:i',
      tags: ['a:1'],
      digests: ['a@sha256:d'],
      platform: 'linux/arm64/v8',
      diffIds: ['sha256:l'],
      sizeBytes: 12,
      settings: {},
    });
  });

  it('takes nulls, and no variant', () => {
    const image = toImage({
      Id: 'i',
      RepoTags: null,
      RepoDigests: null,
      Os: 'linux',
      Architecture: 'amd64',
      Variant: '',
      RootFS: {},
      Size: 0,
    });
    expect(image).toMatchObject({ tags: [], digests: [], platform: 'linux/amd64', diffIds: [] });
  });
});

describe('toIdentity', () => {
  const info = {
    ID: 'ID',
    Name: 'host1',
    Driver: 'overlay2',
    DockerRootDir: '/var/lib/docker',
    SecurityOptions: ['name=seccomp,profile=default', 'name=rootless'],
  };
  const version = { Version: '20.10.24', ApiVersion: '1.41' };

  it('tells rootless and local', () => {
    expect(toIdentity(info, version, 'unix:///run/docker.sock')).toEqual({
      kind: 'docker',
      id: 'ID',
      hostname: 'host1',
      version: '20.10.24',
      apiVersion: '1.41',
      host: 'unix:///run/docker.sock',
      local: true,
      rootless: true,
      pauses: true,
      changesRestart: true,
      storageDriver: 'overlay2',
      imageIdIsConfigDigest: true,
      storageDirectory: '/var/lib/docker',
      defaults: { logging: 'json-file', runtime: 'runc' },
    });
  });

  it('ids of images are digests of configurations, but in the containerd store', () => {
    const DriverStatus = [['driver-type', 'io.containerd.snapshotter.v1']];
    const { imageIdIsConfigDigest } = toIdentity({ ...info, DriverStatus }, version, 'unix:///x.sock');
    expect(imageIdIsConfigDigest).toBe(false);
  });

  it('pauses, but not without root where control groups are of version 1', () => {
    const pauses = (more: object) => toIdentity({ ...info, ...more }, version, 'unix:///x.sock').pauses;
    expect(pauses({ CgroupVersion: '2' })).toBe(true);
    expect(pauses({ CgroupVersion: '1' })).toBe(false);
    expect(pauses({ CgroupVersion: '1', SecurityOptions: [] })).toBe(true);
  });

  it.each([
    ['tcp://127.0.0.1:2375', true],
    ['tcp://[::1]:2375', true],
    ['tcp://10.0.0.5:2376', false],
    ['ssh://root@localhost', false],
  ])('%s: local %s', (host, local) => {
    expect(toIdentity(info, version, host).local).toBe(local);
  });

  it('leaves out of the settings what compose 1 and Podman add', () => {
    const more = {
      Config: { ...running.Config, Env: ['A=1', 'affinity:container==8fd0'] },
      HostConfig: { Tmpfs: { '/a': 'rw,nosuid', '/b': 'nosuid', '/c': 'rw' } },
    };
    const { settings } = toContainer({ ...running, ...more });
    expect(Object.entries(settings).filter(([key]) => key.startsWith('environment'))).toEqual([
      ['environment.A', '1'],
    ]);
    expect(settings).toMatchObject({
      'mount./a': { type: 'tmpfs', options: 'nosuid' },
      'mount./b': { type: 'tmpfs', options: 'nosuid' },
      'mount./c': { type: 'tmpfs' },
    });
  });

  it('knows Podman by its components', () => {
    const podman = { ...version, Components: [{ Name: 'Podman Engine' }, { Name: 'Conmon' }] };
    expect([isPodman(podman), isPodman(version)]).toEqual([true, false]);
  });
});
