import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { execa } from 'execa';
import { clearPodman, emptyPodman, podman } from '../../support/podman-side.js';
import { aStack, cli, containersOf, ok, type Stack } from '../../support/e2e.js';

/** A moved project is what its point recorded, or the move says what is not. */

const { PODMAN = '', PODMAN_HOST = '', DOCKER_HOST = '' } = process.env;
const SLEEPER = 'image: busybox:latest, init: true, command: [sleep, infinity], stop_signal: SIGKILL';

let stack: Stack;

const composeFile = (name: string) => `
name: ${name}
services:
  web:
    ${SLEEPER.replaceAll(', ', '\n    ').replace('[sleep\n    infinity]', '[sleep, infinity]')}
    restart: always
    ports: ['80']
    user: '0:0'
    working_dir: /tmp
    hostname: web-host
    environment: { COLOUR: 'a b=c', EMPTY: '' }
    labels: { org.example.role: web }
    volumes: ['data:/data', './conf:/conf:ro', /cache]
    tmpfs: /scratch:size=1m
    networks: { back: { aliases: [store] } }
    mem_limit: 100m
    cpus: 0.5
    cap_drop: [ALL]
    cap_add: [CHOWN, NET_BIND_SERVICE]
    security_opt: ['no-new-privileges:true']
    extra_hosts: ['elsewhere:192.0.2.1']
    ulimits: { nofile: 1000 }
    logging: { driver: json-file, options: { max-size: 1m } }
    healthcheck: { test: [CMD, test, -d, /data], interval: 1s, timeout: 30s, retries: 3 }
  idle: { ${SLEEPER}, networks: [back] }
  job: { image: busybox:latest, command: ['true'], networks: [back] }
networks: { back: { labels: { of: test }, driver_opts: { com.docker.network.driver.mtu: '1400' } } }
volumes: { data: { labels: { of: test } } }
`;

beforeAll(async () => {
  stack = await aStack('e2e-move-proof', (name) => ({
    'compose.yaml': composeFile(name),
    'conf/a': 'a\n',
  }));
  await stack.compose('up', '--detach');
  await stack.compose('exec', '-T', 'web', 'sh', '-c', 'echo kept > /data/file');
});

beforeEach(async () => {
  await emptyPodman(stack.name);
  await rm(stack.path('rollback.yaml'), { force: true });
  if ((await running(DOCKER_HOST)).length < 2) await stack.compose('up', '--detach', '--force-recreate');
});

afterAll(() => clearPodman(stack.name));

const toPodman = ['migrate', 'to-podman', '--target-host', PODMAN_HOST];
const toDocker = ['migrate', 'to-docker', '--host', PODMAN_HOST, '--target-host', DOCKER_HOST];

const running = async (host: string): Promise<string[]> => {
  const filter = `label=com.docker.compose.project=${stack.name}`;
  const format = '{{.Label "com.docker.compose.service"}}';
  const argv = ['ps', '--filter', filter, '--format', format];
  const { stdout } = await execa('docker', argv, { env: { DOCKER_HOST: host } });
  return stdout.split('\n').filter(Boolean).toSorted();
};

/** Has the move do this to the container of web there, once, after it was started. */
async function interfere(argv: string): Promise<void> {
  const [words, container] = [`'${PODMAN}' ${argv}`, `${stack.name}-web-1`];
  const script = `if rm armed 2> /dev/null; then ${words} ${container}; fi`;
  const hook = { after_rollback: [{ run: ['sh', '-c', script] }] };
  await stack.write({ 'rollback.yaml': JSON.stringify({ services: { web: hook } }), armed: '' });
}

test(
  'there and back: everything that both engines tell is equal, and counted',
  { timeout: 240_000 },
  async () => {
    for (const [argv, host] of [
      [toPodman, PODMAN_HOST],
      [toDocker, DOCKER_HOST],
    ] as const) {
      const { stdout } = await ok(stack, ...argv, '--yes', '--json');
      const { type, proof }: { type: string; proof: { facts: number } } = JSON.parse(
        stdout.trim().split('\n').at(-1) ?? '',
      );
      const counts = { facts: expect.any(Number), files: expect.any(Number), volumes: 1 };
      expect({ type, proof }).toEqual({
        type: 'move-result',
        proof: { ...counts, differences: [], defaults: [] },
      });
      expect(proof.facts).toBeGreaterThan(30);
      expect(await running(host)).toEqual(['idle', 'web']);
    }
    // Back there as it was: the other engine is the same kind as the point's.
    await ok(stack, ...toPodman, '--yes');
    const { stdout } = await ok(stack, 'undo', '--yes');
    expect(stdout).toMatch(/Proved: \d+ facts, \d+ files\n/);
  },
);

test('a setting that differs there: the project stays there, and the difference is named', async () => {
  const before = await containersOf(stack);
  await interfere('update --cpu-shares 700');
  const { exitCode, stdout, stderr } = await cli(stack, ...toPodman, '--yes');
  expect([exitCode, stderr]).toEqual([23, expect.anything()]);
  expect(stdout).toContain('Not equal: web: cpu_shares was not set, is 700');
  expect(stdout).toMatch(/Proved: \d+ facts, \d+ files, 1 volume/);
  const [run = ''] = /compose-rollback undo (run-[0-9a-f]{12})/.exec(stdout)?.slice(1) ?? [];
  expect([await running(PODMAN_HOST), await running(DOCKER_HOST)]).toEqual([['idle', 'web'], []]);
  await ok(stack, 'undo', run, '--yes');
  expect(Object.keys(await containersOf(stack))).toEqual(Object.keys(before));
  expect([await running(PODMAN_HOST), await running(DOCKER_HOST)]).toEqual([[], ['idle', 'web']]);
});

test('a connection that is missing there: the same containers run on Docker again', async () => {
  const ids = async () => Object.values(await containersOf(stack)).map(({ id, state }) => `${id} ${state}`);
  const before = await ids();
  await interfere(`network disconnect ${stack.name}_back`);
  const { exitCode, stderr } = await cli(stack, ...toPodman, '--yes');
  expect([exitCode, stderr]).toEqual([20, expect.stringContaining(`web: network.${stack.name}_back was`)]);
  expect(stderr).toContain('the earlier state is back');
  expect(await ids()).toEqual(before);
  expect(await podman('ps', '--quiet', '--filter', `label=com.docker.compose.project=${stack.name}`)).toBe(
    '',
  );
});
