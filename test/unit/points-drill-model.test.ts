import { describe, expect, test } from 'vitest';
import { composeModelSchema } from '../../src/model/compose.js';
import { drillModel, mountKey, mountSources, type Replacement } from '../../src/points/drill-model.js';

/** What a drill runs, literally: nothing of the project is left in it. */

const LABELS = { 'compose-rollback.drill': 'drill-0a' };
const NETWORK = { internal: true, labels: LABELS };

function drilled(
  model: object,
  images: Record<string, string> = { web: 'drill:0' },
  mounts: Record<string, Replacement> = {},
) {
  const parts = { project: 'shop', mark: 'drill-0a', images, mounts: new Map(Object.entries(mounts)) };
  return drillModel(composeModelSchema.parse(model), parts);
}

test('a whole service: only how its program runs is kept', () => {
  const { document, warnings } = drilled({
    name: 'shop',
    services: {
      web: {
        image: 'shop-web:latest',
        build: { context: '/srv/shop' },
        container_name: 'shop-web',
        command: ['serve', '--port=80'],
        entrypoint: [],
        environment: { PRICE: 'costs $5', FROM_SHELL: null },
        user: '1000',
        restart: 'always',
        labels: { 'traefik.enable': 'true' },
        logging: { driver: 'syslog' },
        deploy: { replicas: 3 },
        scale: 3,
        profiles: ['all'],
        ports: [{ target: 80, published: '8080', protocol: 'tcp', mode: 'ingress' }],
        expose: ['9090'],
        networks: { default: null, back: { aliases: ['www'], ipv4_address: '10.5.0.7' } },
        healthcheck: { test: ['CMD', 'true'], interval: '1s' },
      },
    },
    networks: {
      default: { name: 'shop_default' },
      back: { name: 'shared', external: true, ipam: { config: [{ subnet: '10.5.0.0/16' }] } },
    },
  });
  expect(warnings).toEqual([]);
  expect(document).toEqual({
    services: {
      web: {
        image: 'drill:0',
        labels: LABELS,
        restart: 'no',
        command: ['serve', '--port=80'],
        entrypoint: [],
        environment: { PRICE: 'costs $$5', FROM_SHELL: null },
        user: '1000',
        expose: ['9090', '80'],
        networks: { default: {}, back: { aliases: ['www'] } },
        healthcheck: { test: ['CMD', 'true'], interval: '1s' },
      },
    },
    networks: { default: NETWORK, back: NETWORK },
  });
});

test('data is mounted from volumes of the drill, configuration from its directory, the rest not at all', () => {
  const model = {
    services: {
      web: {
        volumes: [
          { type: 'volume', source: 'data', target: '/data', volume: { nocopy: true } },
          { type: 'volume', source: 'own', target: '/own', volume: {} },
          { type: 'volume', target: '/scratch' },
          { type: 'bind', source: '/srv/shop/files', target: '/files', bind: { create_host_path: true } },
          { type: 'bind', source: '/srv/shop/web.conf', target: '/etc/web.conf', read_only: true },
          { type: 'bind', source: '/run/docker.sock', target: '/run/docker.sock' },
          { type: 'tmpfs', target: '/tmp', tmpfs: { size: 1000 } },
        ],
        configs: [{ source: 'site', target: '/site' }, { source: 'inline' }, { source: 'swarm' }],
        secrets: [{ source: 'token' }],
      },
    },
    volumes: { data: { name: 'elsewhere', external: true }, own: null },
    configs: {
      site: { name: 'shop_site', file: '/srv/shop/site' },
      inline: { name: 'shop_inline', content: '$A' },
      swarm: { name: 'swarm', external: true },
    },
    secrets: { token: { name: 'shop_token', environment: 'TOKEN' } },
  };
  const { document, warnings } = drilled(model, undefined, {
    'volume:elsewhere': { volume: 'd_0' },
    'volume:shop_own': { volume: 'd_1' },
    'bind:/srv/shop/files': { volume: 'd_2' },
    'bind:/srv/shop/web.conf': { path: '/tmp/d/web.conf' },
    'bind:/srv/shop/site': { path: '/tmp/d/site' },
  });
  expect(document).toMatchObject({
    services: {
      web: {
        volumes: [
          { type: 'volume', source: 'd_0', target: '/data', read_only: false, volume: { nocopy: true } },
          { type: 'volume', source: 'd_1', target: '/own', read_only: false, volume: {} },
          { type: 'volume', target: '/scratch' },
          { type: 'volume', source: 'd_2', target: '/files', read_only: false, volume: { nocopy: true } },
          { type: 'bind', source: '/tmp/d/web.conf', target: '/etc/web.conf', read_only: true },
          { type: 'tmpfs', target: '/tmp', tmpfs: { size: 1000 } },
        ],
        configs: [{ source: 'site', target: '/site' }, { source: 'inline' }],
        secrets: [{ source: 'token' }],
      },
    },
    volumes: {
      d_0: { external: true, name: 'd_0' },
      d_1: { external: true, name: 'd_1' },
      d_2: { external: true, name: 'd_2' },
    },
    configs: { site: { file: '/tmp/d/site' }, inline: { content: '$$A' } },
    secrets: { token: { environment: 'TOKEN' } },
  });
  expect(JSON.stringify(document)).not.toMatch(/\/srv\/|docker\.sock|elsewhere|swarm/);
  expect(warnings).toEqual([
    'web runs without /run/docker.sock, where /run/docker.sock was mounted',
    'web runs without the config "swarm"',
  ]);
});

describe('what a service shares', () => {
  const shared = (service: object) => {
    const model = { services: { web: service, db: {}, job: {} }, networks: { default: null } };
    const { document, warnings } = drilled(model, { web: 'drill:0', db: 'drill:1' });
    return { ...JSON.parse(JSON.stringify(document)).services.web, warnings };
  };
  const bare = { environment: {}, image: 'drill:0', labels: LABELS, restart: 'no' };

  test.each([
    [
      { network_mode: 'service:db', pid: 'service:db' },
      { network_mode: 'service:db', pid: 'service:db' },
      [],
    ],
    [{ network_mode: 'none', ipc: 'shareable' }, { network_mode: 'none', ipc: 'shareable' }, []],
    [{ network_mode: 'bridge' }, {}, []],
    [{ network_mode: 'host', pid: 'host' }, {}, ['network_mode host', 'pid host']],
    [{ network_mode: 'service:job' }, {}, ['network_mode service:job']],
    [{ network_mode: 'container:other' }, {}, ['network_mode container:other']],
    [{ privileged: true, devices: [{ source: '/dev/sda' }] }, {}, ['its privileged', 'its devices']],
    [{ privileged: false, external_links: null, 'x-note': 1 }, {}, []],
    [{ links: ['db:store', 'job'] }, { links: ['db:store'] }, []],
    [
      { depends_on: { db: { condition: 'service_healthy', required: true }, job: {} } },
      { depends_on: { db: { condition: 'service_started' } } },
      [],
    ],
  ])('%j becomes %j', (service, kept, leftOut) => {
    const warnings = leftOut.map((what) => `web runs without ${what}`);
    expect(shared(service)).toEqual({ ...bare, ...kept, warnings });
  });
});

test('what only services mount that run in the drill, each once, read-only when nobody writes', () => {
  const model = composeModelSchema.parse({
    services: {
      a: {
        volumes: [
          { type: 'bind', source: '/srv/x', target: '/x', read_only: true },
          { type: 'volume', source: 'data', target: '/d' },
        ],
        secrets: [{ source: 'key' }],
      },
      b: { volumes: [{ type: 'bind', source: '/srv/x', target: '/x' }] },
      c: { volumes: [{ type: 'bind', source: '/srv/y', target: '/y' }] },
    },
    secrets: { key: { file: '/srv/key' } },
  });
  const found = mountSources(model, 'shop', ['a', 'b']);
  expect(found.map((one) => [mountKey(one), one.readOnly])).toEqual([
    ['bind:/srv/x', false],
    ['volume:shop_data', false],
    ['bind:/srv/key', true],
  ]);
  expect(mountSources(model, 'shop', ['b', 'a'])[0]).toMatchObject({ source: '/srv/x', readOnly: false });
});
