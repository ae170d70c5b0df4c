import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ComposeProvider } from '../../src/engine/provider.js';
import { findProvider } from '../../src/engine/providers.js';
import { lookAtSources } from '../../src/migrate/bind-sources.js';
import { differencesOnPodman, type Surroundings } from '../../src/migrate/fit/fit.js';
import type { Check } from '../../src/model/readiness.js';
import { isMissing, skipWithout } from '../support/needs.js';

/** From a compose file, as docker compose resolves it, to what Podman does otherwise. Each file has one such thing, and is named after its rule. */

const FILES = fileURLToPath(new URL('fit/', import.meta.url));

const ROOTFUL: Omit<Surroundings, 'sources'> = {
  rootless: false,
  podmanVersion: '4.3.1',
  provider: 'docker compose',
  providerVersion: '2.26.1',
  systemd: true,
  selinux: false,
  apparmor: true,
  cgroups: 'v2',
  searched: [],
  networkDrivers: ['bridge', 'macvlan'],
  logDrivers: ['k8s-file', 'none', 'passthrough', 'journald'],
  lowestPort: 1024,
};

/** By the folder of a file: where it would run. */
const PLACES: Record<string, typeof ROOTFUL> = {
  rootful: ROOTFUL,
  rootless: { ...ROOTFUL, rootless: true },
  'rootless-v1': { ...ROOTFUL, rootless: true, cgroups: 'v1' },
  'no-systemd': { ...ROOTFUL, systemd: false },
  selinux: { ...ROOTFUL, selinux: true },
  'podman-compose': { ...ROOTFUL, provider: 'podman-compose', providerVersion: '1.0.3' },
  'podman-compose-newer': {
    ...ROOTFUL,
    provider: 'podman-compose',
    providerVersion: '1.6.0',
    podmanVersion: '5.8.6',
  },
};

skipWithout('docker compose');

let provider: ComposeProvider;

beforeAll(async () => {
  if (isMissing('docker compose')) return;
  const endpoint = { host: 'unix:///nobody', certPath: undefined, sshAgent: undefined, origin: 'test' };
  provider = await findProvider({ endpoint, env: process.env, prefer: 'docker compose' });
});

async function differences(file: string, place: typeof ROOTFUL): Promise<Check[]> {
  const request = { name: 'fit', directory: dirname(file), files: [file], profiles: [], envFiles: [] };
  const model = await provider.config(
    { ...request, env: { ...process.env, TOKEN: 'x' } },
    { allProfiles: true },
  );
  return differencesOnPodman(model, { ...place, sources: await lookAtSources(model) });
}

const files = Object.keys(PLACES).flatMap((place) =>
  readdirSync(`${FILES}${place}`).map((name) => ({ place, rule: basename(name, '.yaml') })),
);

it('has thirty files at least', () => {
  expect(files.length).toBeGreaterThanOrEqual(30);
});

describe.each(Object.entries(PLACES))('%s', (place, surroundings) => {
  it.each(files.filter((file) => file.place === place).map(({ rule }) => rule))(
    '%s is found, and nothing graver',
    async (rule) => {
      const found = await differences(`${FILES}${place}/${rule}.yaml`, surroundings);
      const told = found.filter(({ grade, id }) => grade !== 'note' || id === rule);
      expect(told.map(({ id, service }) => [id, service])).toEqual([[rule, 'web']]);
    },
  );

  it('a plain stack fits', async () => {
    const found = await differences(`${FILES}plain.yaml`, surroundings);
    expect(found.filter(({ grade }) => grade !== 'note')).toEqual([]);
  });
});

it('with root, systemd and docker compose nothing at all is said of a plain stack', async () => {
  expect(await differences(`${FILES}plain.yaml`, ROOTFUL)).toEqual([]);
});

it('a newer podman-compose is not blamed for what an old one left out', async () => {
  const newer = {
    ...ROOTFUL,
    provider: 'podman-compose' as const,
    providerVersion: '1.3.0',
    podmanVersion: '5.4.2',
  };
  for (const rule of ['compose.dns', 'compose.network-mode', 'compose.profiles', 'health.dependency']) {
    expect(await differences(`${FILES}podman-compose/${rule}.yaml`, newer)).toEqual([]);
  }
  const left = await differences(`${FILES}podman-compose/compose.pids-limit.yaml`, newer);
  expect(left.map(({ id }) => id)).toEqual(['compose.pids-limit']);
});
