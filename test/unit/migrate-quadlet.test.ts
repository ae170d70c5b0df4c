import { describe, expect, it } from 'vitest';
import { quadletOf, type Quadlet } from '../../src/migrate/quadlet/quadlet.js';
import { withoutSecrets } from '../../src/migrate/quadlet/secrets.js';
import { composeModelSchema } from '../../src/model/compose.js';

/** What becomes of a compose model as Quadlet units, written out. */

const modelOf = (model: object) => composeModelSchema.parse(model);

const convert = (model: object, profiles: string[] = []): Quadlet =>
  quadletOf(modelOf(model), { project: 'shop', profiles });

const HEAD = '# Of the compose project shop, for Podman 4.8 or newer\n';

function unit({ units }: Quadlet, name: string): string {
  const text = units.find((one) => one.name === name)?.text ?? '';
  expect(text.startsWith(HEAD)).toBe(true);
  return text.slice(HEAD.length);
}

/** Lines of the unit of a service alone, without those that all have; and its remarks. */
function ofService(service: object, model: object = {}) {
  const quadlet = convert({ ...model, services: { web: { image: 'quay.io/web', ...service } } });
  const always = /^(?:Description|ContainerName|Image)=|^Network=shop-default.network:alias=web$|^\[|^$/;
  return {
    lines: unit(quadlet, 'shop-web.container')
      .split('\n')
      .filter((text) => !always.test(text)),
    remarks: quadlet.remarks.map(({ about, remark }) => `${about}: ${remark}`),
  };
}

const STACK = {
  services: {
    web: {
      image: 'nginx:1.25',
      container_name: 'front',
      command: ['nginx', '-g', 'daemon off;'],
      environment: { GREETING: '100% of $HOME', PASSWORD: 'hunter22hunter' },
      ports: [{ target: 80, published: '8080', host_ip: '127.0.0.1' }],
      volumes: [
        { type: 'volume', source: 'data', target: '/data', volume: {} },
        { type: 'bind', source: '/srv/conf', target: '/conf', read_only: true, bind: { selinux: 'z' } },
      ],
      networks: { default: null, front: { aliases: ['www'], ipv4_address: '10.9.0.7' } },
      labels: { 'app.title': 'The "shop"' },
      depends_on: { db: { condition: 'service_healthy' } },
      restart: 'always',
      user: '101:102',
      working_dir: '/srv',
    },
    db: {
      image: 'postgres',
      volumes: [{ type: 'volume', source: 'old', target: '/var/lib/postgresql/data' }],
      healthcheck: { test: ['CMD', 'pg_isready', '-q'], interval: '5s', retries: 3 },
    },
    admin: { image: 'adminer', profiles: ['tools'] },
  },
  volumes: { data: { name: 'shop_data', labels: { of: 'shop' } }, old: { name: 'old', external: true } },
  networks: {
    default: { name: 'shop_default' },
    front: {
      name: 'shop_front',
      driver: 'bridge',
      internal: true,
      ipam: { config: [{ subnet: '10.9.0.0/24' }] },
    },
  },
};

describe('a stack', () => {
  const quadlet = convert(STACK);

  it('becomes a unit of each service, volume and network', () => {
    expect(quadlet.units.map(({ name }) => name)).toEqual([
      'shop-db.container',
      'shop-web.container',
      'shop-data.volume',
      'shop-default.network',
      'shop-front.network',
    ]);
    expect(unit(quadlet, 'shop-web.container')).toBe(`
[Unit]
Description=web of shop
Requires=shop-db.service
After=shop-db.service
StartLimitIntervalSec=0

[Container]
ContainerName=front
Image=docker.io/library/nginx:1.25
Exec=nginx -g "daemon off;"
WorkingDir=/srv
User=101
Group=102
EnvironmentFile=shop-web.env
Label="app.title=The \\"shop\\""
Network=shop-default.network:alias=web
Network=shop-front.network:alias=web,alias=www,ip=10.9.0.7
PublishPort=127.0.0.1:8080:80/tcp
Volume=shop-data.volume:/data
Volume=/srv/conf:/conf:ro,z

[Service]
Restart=always
RestartSec=1

[Install]
WantedBy=default.target
`);
    expect(unit(quadlet, 'shop-db.container')).toBe(`
[Unit]
Description=db of shop

[Container]
ContainerName=shop-db
Image=docker.io/library/postgres
Network=shop-default.network:alias=db
Volume=old:/var/lib/postgresql/data
HealthCmd=["pg_isready","-q"]
HealthInterval=5s
HealthRetries=3
`);
  });

  it('keeps the names of its volumes and networks: the data is there', () => {
    expect(unit(quadlet, 'shop-data.volume')).toBe('\n[Volume]\nVolumeName=shop_data\nLabel=of=shop\n');
    expect(unit(quadlet, 'shop-front.network')).toBe(
      '\n[Network]\nNetworkName=shop_front\nDriver=bridge\nInternal=true\nSubnet=10.9.0.0/24\n',
    );
  });

  it('has values of variables in no unit', () => {
    expect(quadlet.environments).toEqual([
      {
        name: 'shop-web.env',
        variables: [
          ['GREETING', '100% of $HOME'],
          ['PASSWORD', 'hunter22hunter'],
        ],
      },
    ]);
    expect(JSON.stringify(quadlet.units)).not.toContain('hunter22hunter');
  });

  it('tells what is otherwise, or left out', () => {
    expect(quadlet.remarks).toEqual([
      {
        about: 'web',
        remark:
          'it starts when db has started, not when it is healthy: from Podman 5.0 on, Notify=healthy in shop-db.container makes it wait',
      },
      { about: 'admin', remark: 'it is left out: give --profile tools to have it too' },
    ]);
    const all = convert(STACK, ['tools']);
    expect(all.units.map(({ name }) => name)).toContain('shop-admin.container');
    expect(all.remarks).toHaveLength(1);
  });
});

describe('single keys', () => {
  it.each<[string, object, string[], string[]]>([
    ['a random port', { ports: [{ target: 80 }] }, ['PublishPort=80/tcp'], []],
    [
      'a random port of one address',
      { ports: [{ target: 53, host_ip: '::1', protocol: 'udp' }] },
      ['PublishPort=[::1]::53/udp'],
      [],
    ],
    [
      'a tmpfs',
      { volumes: [{ type: 'tmpfs', target: '/t', tmpfs: { size: '1024', mode: 0o1777 } }] },
      ['Tmpfs=/t:size=1024,mode=1777'],
      [],
    ],
    [
      'a shell of a health check',
      { healthcheck: { test: ['CMD-SHELL', 'ls "$HOME"'] } },
      ['PodmanArgs="--health-cmd=ls \\"$$HOME\\""'],
      [],
    ],
    ['no health check', { healthcheck: { disable: true } }, ['PodmanArgs=--no-healthcheck'], []],
    ['an entrypoint', { entrypoint: ['/e', 'a b'] }, ['PodmanArgs="--entrypoint=[\\"/e\\",\\"a b\\"]"'], []],
    ['no entrypoint', { entrypoint: [] }, ['PodmanArgs=--entrypoint='], []],
    ['read only', { read_only: true }, ['ReadOnly=true', 'ReadOnlyTmpfs=false'], []],
    ['not read only', { read_only: false, tty: false, command: null, dns: [] }, [], []],
    [
      'a built image',
      { build: { context: '/srv' } },
      ['Pull=never'],
      ['web: its image is built: `podman build --tag quay.io/web`, unless a move has brought it'],
    ],
    [
      'limits, once',
      { cpus: 0.5, deploy: { replicas: 1, resources: { limits: { cpus: 0.5 } } } },
      ['PodmanArgs=--cpus=0.5'],
      [],
    ],
    [
      'kernel settings',
      { sysctls: { 'net.core.somaxconn': '1024' }, ulimits: { nproc: 4, nofile: { soft: 1, hard: 2 } } },
      [
        'PodmanArgs=--sysctl=net.core.somaxconn=1024',
        'PodmanArgs=--ulimit=nproc=4',
        'PodmanArgs=--ulimit=nofile=1:2',
      ],
      [],
    ],
    [
      'time to stop',
      { stop_grace_period: '1m30s' },
      ['PodmanArgs=--stop-timeout=90', 'TimeoutStopSec=120'],
      [],
    ],
    [
      'a device and a host',
      {
        devices: [{ source: '/dev/null', target: '/dev/x', permissions: 'r' }],
        extra_hosts: ['db=10.0.0.1'],
      },
      ['PodmanArgs=--add-host=db:10.0.0.1', 'PodmanArgs=--device=/dev/null:/dev/x:r'],
      [],
    ],
    [
      'restarts, limited',
      { restart: 'on-failure:3' },
      ['Restart=on-failure'],
      ['web: it does not stop at 3 restarts, but at StartLimitBurst= of systemd'],
    ],
    ['several', { scale: 2 }, [], ['web: a unit is one container, and it has 2']],
    [
      'what has no counterpart',
      { gpus: [{ count: -1 }], 'x-own': 1 },
      [],
      ['web: gpus has no counterpart in a unit'],
    ],
    [
      'a command of which nothing may be left',
      { command: [] },
      [],
      ["web: it has no command; in a unit the image's own one comes back"],
    ],
    [
      'words that no unit can hold',
      { command: ['find', ';'] },
      [],
      ['web: its command has an empty word or a lone semicolon, which no unit can hold: wrap it in a script'],
    ],
    [
      'a value of two lines',
      { environment: { KEY: 'a\nb', NONE: null } },
      [],
      [
        'web: KEY fits no line of an environment file: give it as a secret, `podman secret create` and Secret=',
        'web: NONE has no value here, and is left out',
      ],
    ],
    [
      'a path with a colon',
      { volumes: [{ type: 'bind', source: '/a:b', target: '/c' }] },
      [],
      ['web: its mount at "/c" cannot be written in a unit'],
    ],
    [
      'part of a volume',
      { volumes: [{ type: 'volume', source: 'd', target: '/d', volume: { subpath: 'a', nocopy: true } }] },
      ['Volume=shop-d.volume:/d:nocopy'],
      ['web: subpath of its mount at /d has no counterpart'],
    ],
    [
      'a line that would be another section',
      { hostname: 'a\n[Service]\nExecStart=/bin/sh' },
      ['PodmanArgs="--hostname=a\\x0a[Service]\\x0aExecStart=/bin/sh"'],
      [],
    ],
  ])('%s', (_, service, lines, remarks) => {
    expect(ofService(service)).toEqual({ lines, remarks });
  });

  it('secrets and configs that are files are mounted, others are told of', () => {
    const service = {
      secrets: [{ source: 'token' }, { source: 'shell' }],
      configs: [{ source: 'conf', target: '/c' }],
    };
    const model = {
      secrets: { token: { file: '/srv/token' }, shell: { environment: 'SHELL' } },
      configs: { conf: { file: '/srv/conf' } },
    };
    expect(ofService(service, model)).toEqual({
      lines: ['Volume=/srv/token:/run/secrets/token:ro', 'Volume=/srv/conf:/c:ro'],
      remarks: [
        'web: secret shell comes from no file: make one of it, or `podman secret create` and Secret=',
      ],
    });
  });

  it('somebody who is waited for has to end, and to stay ended', () => {
    const quadlet = convert({
      services: {
        web: { image: 'a', depends_on: { setup: { condition: 'service_completed_successfully' } } },
        setup: { image: 'b', restart: 'always' },
      },
    });
    const [, ...service] = unit(quadlet, 'shop-setup.container').split('[Service]\n');
    expect(service).toEqual(['Type=oneshot\nRemainAfterExit=yes\n']);
    expect(quadlet.remarks).toEqual([
      { about: 'setup', remark: 'it is not started again: another service waits until it has ended' },
    ]);
  });

  it("another service's network, and the processes of a third", () => {
    const quadlet = convert({
      services: {
        web: { image: 'a', network_mode: 'service:db', pid: 'service:db', depends_on: { db: {} } },
        db: { image: 'b', container_name: 'data' },
      },
    });
    const text = unit(quadlet, 'shop-web.container');
    expect(text).toContain('Network=container:data\nPodmanArgs=--pid=container:data\n');
  });

  it.each([
    ['a service', { services: { 'a/../b\n': { image: 'x' } } }],
    ['an image', { services: { web: { image: 'x\nExec=/bin/sh' } } }],
    [
      'a volume',
      {
        services: { web: { image: 'x', volumes: [{ type: 'volume', source: 'v', target: '/v' }] } },
        volumes: { v: { name: '%h' } },
      },
    ],
  ])('%s whose name no unit can hold is refused', (_, model) => {
    expect(() => convert(model)).toThrow(/cannot stand in a unit as a name/);
  });
});

it('shows no secret: neither of the environment, nor of the shell', () => {
  const model = modelOf({
    services: {
      web: {
        image: 'a',
        environment: { PASSWORD: 'pa$$w"rd' },
        command: ['--requirepass', 'pa$$w"rd', '--token=abc123'],
        labels: { auth: 'user:pa$$w"rd' },
      },
    },
  });
  const shown = quadletOf(withoutSecrets(model, { MY_TOKEN: 'abc123', USER: 'web' }), {
    project: 'shop',
    profiles: [],
  });
  const text = unit(shown, 'shop-web.container');
  expect(text).toContain('Exec=--requirepass "***" "--token=***"\n');
  expect(text).toContain('Label="auth=user:***"\n');
});
