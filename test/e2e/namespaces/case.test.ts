import { expect, test } from 'vitest';
import { aStack, docker, type Stack } from '../../support/e2e.js';
import { composeAs, containerOf, okAs, roundTrip, SLEEPER, starts } from '../../support/round-trip.js';
import { PODMAN } from '../../support/engine.js';

/** Services that live in others or wait for them: whoever is made anew takes its followers along, in order. */

const composeFile = (name: string, version = 1) => `
name: ${name}
services:
  vpn: { ${SLEEPER}, container_name: ${name}-the-vpn, labels: [version=${version}] }
  tenant: { ${SLEEPER}, network_mode: 'service:vpn' }
  store: { ${SLEEPER}, volumes: [/data], labels: [version=${version}] }
  reader: { ${SLEEPER}, volumes_from: [store] }
  db:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    labels: [version=${version}]
    healthcheck: { test: [CMD, 'true'], interval: 2s }
  restarted: { ${SLEEPER}, depends_on: { db: { condition: service_healthy, restart: true } } }
  independent: { ${SLEEPER}, depends_on: [db] }
`;

async function inspect(stack: Stack, service: string, format: string): Promise<string> {
  return await docker('inspect', '--format', format, (await containerOf(stack, service)).id);
}

test('followers follow, the others are left alone, and afterwards nothing is left to do', async () => {
  const stack = await aStack('e2e-spaces', (name) => ({ 'compose.yaml': composeFile(name) }));
  await composeAs(stack, {}, 'up', '--detach');
  const inOrder = async () => {
    const vpn = await containerOf(stack, 'vpn');
    expect(await inspect(stack, 'tenant', '{{.HostConfig.NetworkMode}}')).toBe(`container:${vpn.id}`);
    const data = '{{range .Mounts}}{{.Name}}{{end}}';
    expect(await inspect(stack, 'reader', data)).toBe(await inspect(stack, 'store', data));
    expect(await startOf(stack, 'tenant')).toBeGreaterThan(await startOf(stack, 'vpn'));
    expect(await startOf(stack, 'reader')).toBeGreaterThan(await startOf(stack, 'store'));
    // The first health check comes after its interval.
    expect(await startOf(stack, 'restarted')).toBeGreaterThan((await startOf(stack, 'db')) + 2000);
  };
  const change = async () => {
    await stack.write({ 'compose.yaml': composeFile(stack.name, 2) });
    // Compose itself does not know that Podman lets nobody go in whom others live.
    if (PODMAN !== undefined) await docker('rm', '--force', (await containerOf(stack, 'tenant')).id);
    await composeAs(stack, {}, 'up', '--detach');
  };
  await roundTrip(stack, {
    change,
    touched: ['vpn', 'tenant', 'store', 'reader', 'db', 'restarted'],
    borrowers: ['tenant', 'reader'],
    up: {},
  });
  await inOrder();
});

test('a service whose lender was started again is not what was recorded: its network is gone', async () => {
  const stack = await aStack('e2e-renewed', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  vpn: { ${SLEEPER} }
  tenant: { ${SLEEPER}, network_mode: 'service:vpn' }
  other: { ${SLEEPER} }
`,
  }));
  const address = async () => {
    const id = (await containerOf(stack, 'tenant')).id;
    return await docker('exec', id, 'ip', 'address', 'show', 'dev', 'eth0');
  };
  await composeAs(stack, {}, 'up', '--detach');
  await okAs(stack, {}, 'create');
  expect(await address()).toContain('eth0');

  await docker('restart', '--time', '0', (await containerOf(stack, 'vpn')).id);
  await expect(address()).rejects.toThrow("can't find device");
  await starts(stack, ['tenant'], () => okAs(stack, {}, 'rollback', 'latest', '--yes'));
  expect(await address()).toContain('eth0');
  await starts(stack, [], async () => {
    expect((await okAs(stack, {}, 'rollback', 'latest', '--yes')).stdout).toContain('Nothing to do');
  });
});

async function startOf(stack: Stack, service: string): Promise<number> {
  return Date.parse((await containerOf(stack, service)).startedAt);
}
