import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerResults, podmanResults } from '../../src/migrate/validate/engines.js';
import { permissionResults, securityResults, systemResults } from '../../src/migrate/validate/machine.js';
import { backupResults, networkResults } from '../../src/migrate/validate/project.js';
import type { Result } from '../../src/migrate/validate/checks.js';
import type { Machine } from '../../src/migrate/validate/machine-facts.js';
import type { Podman } from '../../src/migrate/validate/podman-facts.js';
import type { Docker, Source } from '../../src/migrate/source.js';
import { composeModelSchema } from '../../src/model/compose.js';
import type { Container } from '../../src/model/engine.js';
import { RollbackError } from '../../src/model/errors.js';
import { aContainer } from '../support/planning.js';

/** Machines that the tests do not have: rootless ones above all. */

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'migrate-checks-'));
  await writeFile(join(directory, 'compose.yaml'), 'services: {}\n');
});
afterAll(() => rm(directory, { recursive: true }));

const MACHINE: Machine = {
  platform: 'linux',
  kernel: '6.1.0',
  processors: 2,
  memory: { total: 8e9, available: 4e9 },
  user: { id: 1000, name: 'ann' },
  systemd: true,
  lingering: true,
  runtimeDirectory: { path: '/run/user/1000', problem: undefined },
  subordinate: { uids: 65_536, gids: 65_536 },
  missingMappers: [],
  namespaces: { user: true, network: true },
  lowestPort: 1024,
  tun: true,
  nftables: true,
  forwarding: 'open',
};

const podman = (other: Partial<Podman> = {}): Podman => ({
  version: '4.3.1',
  rootless: true,
  cgroups: 'v2',
  selinux: false,
  apparmor: false,
  searched: [],
  networkDrivers: ['bridge'],
  logDrivers: ['journald'],
  networkBackend: 'netavark',
  forwarders: ['/usr/bin/slirp4netns'],
  forwarder: undefined,
  database: undefined,
  storage: { directory, driver: 'overlay' },
  ...other,
});

const DOCKER: Docker = {
  version: '20.10.24+dfsg1',
  host: 'unix:///run/docker.sock',
  services: [],
  takenPorts: [],
  images: 0,
  volumes: 0,
};

const source = (other: Partial<Source> = {}): Source => ({
  project: {
    name: 'shop',
    directory,
    files: [join(directory, 'compose.yaml')],
    origin: 'default',
    profiles: [],
    envFiles: [],
  },
  model: composeModelSchema.parse({}),
  modelError: undefined,
  backupDir: join(directory, 'rollback/backups'),
  backup: undefined,
  docker: DOCKER,
  ...other,
});

const COMPOSE = { name: 'podman-compose', version: '1.0.3' };

async function everything(machine: Machine, found: Podman): Promise<Result[]> {
  return [
    ...(await systemResults(machine, source(), found)),
    ...podmanResults(machine, found, COMPOSE, true),
    ...(await permissionResults(machine, source(), true)),
    ...networkResults(machine, found, true),
    ...securityResults(machine, found, true),
  ];
}

const told = (results: Result[]) =>
  results.flatMap(({ id, grade, fix }) =>
    grade === 'ok' ? [] : [`${grade} ${id}${fix === null ? '!' : ''}`],
  );

it('of a user who has everything nothing is said', async () => {
  expect(told(await everything(MACHINE, podman()))).toEqual([]);
});

it.each<[string, Partial<Machine>, Partial<Podman>, string]>([
  ['another system', { platform: 'darwin' }, {}, 'critical system.platform'],
  ['little memory', { memory: { total: 1e9, available: 1e8 } }, {}, 'warning system.memory'],
  [
    'no subordinate ids',
    { subordinate: { uids: 65_536, gids: 0 } },
    {},
    'critical permissions.subordinate-ids',
  ],
  [
    'few subordinate ids',
    { subordinate: { uids: 1000, gids: 1000 } },
    {},
    'warning permissions.subordinate-ids',
  ],
  ['no newuidmap', { missingMappers: ['newuidmap'] }, {}, 'critical permissions.id-mappers'],
  [
    'no user namespaces',
    { namespaces: { user: false, network: true } },
    {},
    'critical permissions.user-namespaces',
  ],
  [
    'no network namespaces',
    { namespaces: { user: true, network: false } },
    {},
    'critical network.namespaces',
  ],
  ['no tun', { tun: false }, {}, 'critical network.tun'],
  ['CNI', {}, { networkBackend: 'cni' }, 'note network.backend'],
  ['no slirp4netns', {}, { forwarders: [] }, 'critical podman.rootless-network'],
  [
    'a forwarder that is not used',
    {},
    { version: '5.8.6', forwarder: 'pasta' },
    'critical podman.rootless-network',
  ],
  ['no nft for Podman 5', { nftables: false }, { version: '5.8.6' }, 'warning network.firewall'],
  ['no nft for Podman 6', { nftables: false }, { version: '6.0.0' }, 'critical network.firewall'],
  [
    'a firewall that Docker closed for Podman 5',
    { forwarding: 'closed' },
    { version: '5.8.6', rootless: false },
    'warning network.forwarding',
  ],
  ['a database that Podman gives up', {}, { database: 'boltdb' }, 'note podman.database'],
  ['an old Podman', {}, { version: '4.2.0' }, 'warning podman.version'],
  ['a Podman with too old an API', {}, { version: '4.1.1' }, 'critical podman.version'],
  ['vfs', {}, { storage: { directory: '/tmp', driver: 'vfs' } }, 'warning podman.storage'],
  ['no lingering', { lingering: false }, {}, 'warning podman.lingering'],
  ['no systemd', { systemd: false, lingering: false }, {}, 'note podman.systemd'],
  [
    'no runtime directory',
    { runtimeDirectory: { path: undefined, problem: 'it is not set' } },
    {},
    'warning podman.runtime-directory',
  ],
  [
    "another's runtime directory",
    { runtimeDirectory: { path: '/run/user/0', problem: 'of another' } },
    {},
    'critical podman.runtime-directory',
  ],
  ['control groups v1', {}, { cgroups: 'v1' }, 'warning security.cgroups'],
])('%s', async (_, machine, found, expected) => {
  expect(told(await everything({ ...MACHINE, ...machine }, podman(found)))).toEqual([expected]);
});

it('of a user who has everything of today nothing is said', async () => {
  const today = {
    version: '6.0.0',
    forwarders: ['/usr/bin/pasta'],
    forwarder: 'pasta',
    database: 'sqlite',
  };
  expect(told(await everything(MACHINE, podman(today)))).toEqual([]);
  expect(told(await everything({ ...MACHINE, nftables: false }, podman()))).toEqual([]);
  // Podman 4 opens it by iptables, and rootless containers are in another network.
  const closed: Machine = { ...MACHINE, forwarding: 'closed' };
  for (const version of ['4.9.3', '5.8.6'])
    expect(told(await everything(closed, podman({ ...today, version })))).toEqual([]);
});

it('images and volumes have to fit beside themselves', async () => {
  const large = source({ docker: { ...DOCKER, images: 1e15, volumes: 1e15 } });
  expect(told(await systemResults(MACHINE, large, podman()))).toEqual(['critical system.disk']);
  expect(told(await backupResults(large))).toContain('warning backup.disk');
});

it('no compose program', () => {
  expect(told(podmanResults(MACHINE, podman(), undefined, true))).toEqual(['critical podman.compose']);
});

describe('Docker', () => {
  const service = (container: Partial<Container>) => ({
    name: 'web',
    filesHash: undefined,
    matchesFiles: true,
    containers: [aContainer('web', 1, container)],
  });
  it.each([
    ['one that runs', service({ state: 'running', health: 'healthy' }), []],
    ['one that is not well', service({ state: 'running', health: 'unhealthy' }), ['warning docker.services']],
    ['one that is down', service({ state: 'exited', exitCode: 137 }), ['note docker.services']],
    ['a job that is done', service({ state: 'exited', exitCode: 0 }), []],
  ])('%s', (_, observed, expected) => {
    const services = [observed];
    expect(told(dockerResults(source({ docker: { ...DOCKER, services } })))).toEqual(expected);
  });

  it('is too old, or not there, or its files do not resolve', () => {
    const old = source({ docker: new RollbackError('engine-not-supported', 'it speaks API version 1.40') });
    expect(told(dockerResults(old))).toEqual(['critical docker.daemon']);
    const absent = source({ docker: new RollbackError('engine-unreachable', 'nobody answers') });
    expect(told(dockerResults(absent))).toEqual(['critical docker.daemon']);
    const broken = source({ model: undefined, modelError: 'yaml: line 1\nmore' });
    expect(told(dockerResults(broken))).toEqual(['critical docker.compose-file']);
  });
});

describe('the backup', () => {
  const backup = (timestamp: string): Source['backup'] => ({
    id: 'rb-000000000001',
    timestamp,
    description: '',
    kind: 'migration',
    name: null,
    pinned: true,
    project: 'shop',
    services: [],
    failing: [],
    images: 0,
    volumes: 0,
    bytes: 0,
    git_commit: null,
  });
  it('is there, is older than the files, is not there, cannot be told', async () => {
    await utimes(join(directory, 'compose.yaml'), new Date(), new Date('2026-01-02T00:00:00Z'));
    const of = async (one: Source['backup']) => told(await backupResults(source({ backup: one })));
    expect(await of(backup('2026-01-03T00:00:00Z'))).toEqual([]);
    expect(await of(backup('2026-01-01T00:00:00Z'))).toEqual(['note backup.point']);
    expect(await of(undefined)).toEqual(['note backup.point']);
    expect(await of(new RollbackError('damaged', 'the index is broken'))).toEqual(['warning backup.point']);
  });
});
