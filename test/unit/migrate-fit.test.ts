import { expect, it } from 'vitest';
import { differencesOnPodman, type Surroundings } from '../../src/migrate/fit/fit.js';
import { composeModelSchema } from '../../src/model/compose.js';

/** What no file shows that the docker compose of the tests resolves: it is older, or says it in other words. */

const PODMAN_COMPOSE: Surroundings = {
  rootless: false,
  podmanVersion: '4.3.1',
  provider: 'podman-compose',
  providerVersion: '1.0.3',
  systemd: true,
  selinux: false,
  apparmor: false,
  cgroups: 'v2',
  searched: ['docker.io'],
  networkDrivers: ['bridge'],
  logDrivers: ['journald'],
  lowestPort: 1024,
  sources: { missing: new Set(), denied: new Set(), foreign: new Map() },
};

function idsOf(service: object, at: Partial<Surroundings> = {}): string[] {
  const model = composeModelSchema.parse({ services: { web: { image: 'quay.io/web', ...service } } });
  return differencesOnPodman(model, { ...PODMAN_COMPOSE, ...at }).map(({ id, grade }) => `${grade} ${id}`);
}

it.each<[string, object, string[]]>([
  ['a policy that Podman does not know', { pull_policy: 'daily' }, ['critical image.pull-policy']],
  ['hooks', { post_start: [{ command: ['true'] }] }, ['critical compose.post-start']],
  ['GPUs of newer files', { gpus: 'all' }, ['critical rights.gpus']],
  ['a short name that registries.conf resolves', { image: 'redis:7' }, ['note image.short-name']],
  ['keys without a value', { dns: [], profiles: [], pid: null, volumes_from: null }, []],
  ['one container', { scale: 1 }, []],
  ['a check that is switched off', { healthcheck: { test: ['NONE'] } }, []],
])('%s', (_, service, expected) => {
  expect(idsOf(service)).toEqual(expected);
});

it('the gravest is told first', () => {
  expect(idsOf({ image: 'redis:7', dns: ['10.0.0.53'], network_mode: 'none' })).toEqual([
    'critical compose.network-mode',
    'warning compose.dns',
    'note image.short-name',
  ]);
});

it('ports from the lowest one on are free to everybody', () => {
  const ports = { ports: [{ target: 80, published: '80' }] };
  expect(idsOf(ports, { rootless: true })).toContain('critical port.privileged');
  expect(idsOf(ports, { rootless: true, lowestPort: 80 })).not.toContain('critical port.privileged');
  expect(idsOf(ports)).toEqual([]);
});

const TODAY = { podmanVersion: '5.8.6', providerVersion: '1.6.0' };

it('Podman heeds a mac_address over its socket from 5.8 on', () => {
  const service = { mac_address: '02:42:ac:11:65:43' };
  const overSocket = { provider: 'docker compose' as const };
  expect(idsOf(service, overSocket)).toEqual(['warning network.mac-address']);
  expect(idsOf(service, { ...TODAY, ...overSocket })).toEqual([]);
});

it('podman-compose asks for the GPUs that deploy reserves from 1.2 on', () => {
  const reserving = (driver?: string) => ({
    deploy: { resources: { reservations: { devices: [{ driver, capabilities: ['gpu'] }] } } },
  });
  expect(idsOf(reserving('nvidia'))).toEqual(['critical rights.gpus']);
  expect(idsOf(reserving('nvidia'), TODAY)).toEqual(['warning rights.gpus']);
  expect(idsOf(reserving(), TODAY)).toEqual(['critical rights.gpus']);
  expect(idsOf({ gpus: 'all', ...reserving('nvidia') }, TODAY)).toEqual(['critical rights.gpus']);
  expect(idsOf(reserving('nvidia'), { ...TODAY, provider: 'docker compose' })).toEqual([
    'critical rights.gpus',
  ]);
});

it('podman-compose waits for health from 1.3 on, on Podman from 4.6 on', () => {
  const service = { depends_on: { db: { condition: 'service_healthy' } } };
  expect(idsOf(service)).toEqual(['warning health.dependency']);
  expect(idsOf(service, { providerVersion: '1.6.0' })).toEqual(['warning health.dependency']);
  expect(idsOf(service, TODAY)).toEqual([]);
});

it('podman-compose ties a service to its jobs from 1.0.6 on', () => {
  const service = { depends_on: { job: { condition: 'service_completed_successfully' } } };
  expect(idsOf(service)).toEqual([]);
  expect(idsOf(service, TODAY)).toEqual(['warning compose.job-dependency']);
  expect(idsOf(service, { ...TODAY, provider: 'docker compose' })).toEqual([]);
});

it("rootless, directories have to be reached, and to be the user's own", () => {
  const sources = {
    missing: new Set<string>(),
    denied: new Set(['/root/a']),
    foreign: new Map([['/srv/b', 999]]),
  };
  const volumes = ['/root/a', '/srv/b'].map((source) => ({ type: 'bind', source, target: source }));
  const found = idsOf({ volumes }, { rootless: true, sources });
  expect(found).toEqual(['critical mount.denied', 'warning mount.owner']);
  expect(idsOf({ volumes }, { sources })).toEqual([]);
  const readOnly = volumes.map((volume) => ({ ...volume, read_only: true }));
  expect(idsOf({ volumes: readOnly }, { rootless: true, sources })).toEqual(['critical mount.denied']);
});
