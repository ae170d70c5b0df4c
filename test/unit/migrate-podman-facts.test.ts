import { expect, it } from 'vitest';
import { askPodman } from '../../src/migrate/validate/podman-facts.js';
import { makeFolder } from '../support/folder.js';

/** What `podman info --format json` answers, as far as it is read. */
const info = (host: object, version: string) => ({
  host: {
    cgroupVersion: 'v2',
    networkBackend: 'netavark',
    security: { rootless: true, selinuxEnabled: false, apparmorEnabled: true, seccompEnabled: true },
    ...host,
  },
  plugins: {
    volume: ['local'],
    network: ['bridge', 'macvlan', 'ipvlan'],
    log: ['k8s-file', 'none', 'passthrough', 'journald'],
    authorization: null,
  },
  registries: { search: ['docker.io'] },
  store: { graphDriverName: 'overlay', graphRoot: '/home/ann/.local/share/containers/storage' },
  version: { APIVersion: version, Version: version, Os: 'linux' },
});

async function facts(answer: object) {
  const folder = await makeFolder();
  const script = `#!/bin/sh\ncat <<'INFO'\n${JSON.stringify(answer)}\nINFO\n`;
  await folder.write({ podman: script }, 0o755);
  return await askPodman({ PATH: `${folder.path}:/usr/bin:/bin` });
}

const slirp4netns = { executable: '/usr/bin/slirp4netns', package: 'Unknown', version: '1.2.0' };
const pasta = { executable: '/usr/bin/pasta', package: 'Unknown', version: '0.0' };

it('Podman 4.3 names no forwarder and no database', async () => {
  expect(await facts(info({ slirp4netns }, '4.3.1'))).toMatchObject({
    version: '4.3.1',
    forwarders: ['/usr/bin/slirp4netns'],
    forwarder: undefined,
    database: undefined,
  });
});

it('Podman 5.8 has both forwarders, and uses pasta', async () => {
  const host = { slirp4netns, pasta, rootlessNetworkCmd: 'pasta', databaseBackend: 'boltdb' };
  expect(await facts(info(host, '5.8.6'))).toMatchObject({
    forwarders: ['/usr/bin/slirp4netns', '/usr/bin/pasta'],
    forwarder: 'pasta',
    database: 'boltdb',
  });
});

it('Podman 6 knows pasta alone, which may not be there', async () => {
  const host = {
    pasta: { ...pasta, executable: '' },
    rootlessNetworkCmd: 'pasta',
    databaseBackend: 'sqlite',
  };
  expect(await facts(info(host, '6.0.0'))).toMatchObject({
    version: '6.0.0',
    cgroups: 'v2',
    forwarders: [],
    forwarder: 'pasta',
    database: 'sqlite',
  });
});
