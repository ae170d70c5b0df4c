import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { aStack, containersOf, docker, json, type Stack } from '../../support/e2e.js';
import { composeAs, containerOf, okAs, SLEEPER, starts, stateOf } from '../../support/round-trip.js';

/**
 * A point and containers of an older compose, and rollbacks by today's, whose hashes differ for an unchanged service: up to 2.29.2
 * dependencies are in it, up to 2.30.1 profiles. Env files are in no hash that compose 2.26 or 2.40 tells beforehand.
 */

const oldest = process.env['COMPOSE_OLDEST'];

if (oldest === undefined) {
  process.stderr.write('skipped: COMPOSE_OLDEST names no docker-compose of 2.29 or earlier\n');
}

describe.skipIf(oldest === undefined)('after an upgrade of compose', () => {
  const older = { env: { COMPOSE_ROLLBACK_PROVIDER: oldest } };
  let stack: Stack;
  let point: string;

  const composeFile = (name: string, { release = 1, command = 'sleep infinity', label = 'a' } = {}) => `
name: ${name}
services:
  base: { ${SLEEPER} }
  web: { ${SLEEPER}, depends_on: [base], labels: [release=${release}] }
  dependent: { ${SLEEPER}, depends_on: { base: { condition: service_started } } }
  replicated: { ${SLEEPER}, depends_on: [base], deploy: { replicas: 2 }, labels: [label=${label}] }
  tool: { ${SLEEPER}, profiles: [tools] }
  environed: { ${SLEEPER.replace('[sleep, infinity]', command)}, env_file: [app.env], depends_on: [base] }
  configured: { ${SLEEPER}, depends_on: [base], configs: [{ source: conf, mode: 0440 }] }
configs: { conf: { file: ./app.conf } }
`;
  const original = (name: string) => ({
    'compose.yaml': composeFile(name),
    'app.env': 'COLOUR=blue\n',
    'app.conf': 'colour = blue\n',
  });
  const olderUp = () =>
    execa(oldest ?? '', ['--profile', 'tools', 'up', '--detach'], { cwd: stack.directory, stdin: 'ignore' });
  const change = (how: Parameters<typeof composeFile>[1]) =>
    stack.write({ 'compose.yaml': composeFile(stack.name, how) });
  const up = (...words: string[]) =>
    composeAs(stack, { flags: ['--profile', 'tools'] }, 'up', '--detach', ...words);
  const rollback = (...flags: string[]) => okAs(stack, {}, 'rollback', point, '--yes', ...flags);
  const hashes = async () =>
    Object.values(await containersOf(stack)).map(({ service, configHash }) => `${service} ${configHash}`);
  /** Whoever made the containers: the hash is not what comes back. */
  const state = async () => {
    const { containers, files } = await stateOf(stack);
    return { containers: containers.map((facts) => ({ ...facts, configHash: '' })), files };
  };
  let before: Awaited<ReturnType<typeof state>>;

  /** A rollback touches just these, and leaves nothing to do, for us and for today's compose. */
  async function comesBack(services: string[]): Promise<void> {
    await starts(stack, services, () => rollback());
    expect(await state()).toEqual(before);
    await starts(stack, [], async () => {
      expect((await rollback()).stdout).toContain('Nothing to do');
    });
    expect(await json(stack, 'status')).toMatchObject({ changes: [] });
  }

  beforeAll(async () => {
    stack = await aStack('e2e-upgrade', original);
    await olderUp();
    before = await state();
    point = (await okAs(stack, older, 'create', '--quiet')).stdout;
  });

  // Every container is the older one's again.
  beforeEach(async () => {
    await stack.write(original(stack.name));
    await olderUp();
    expect(await state()).toEqual(before);
  });

  test('the versions differ, and what they hash', async () => {
    const { stdout } = await execa(oldest ?? '', ['version', '--short']);
    expect(await docker('compose', 'version', '--short')).not.toBe(stdout);
    const theirs = await composeAs(stack, { flags: ['--profile', '*'] }, 'config', '--hash', '*');
    const ours = await hashes();
    for (const service of ['web', 'dependent', 'replicated', 'tool', 'environed', 'configured']) {
      expect(ours).not.toContain(theirs.split('\n').find((line) => line.startsWith(`${service} `)));
    }
  });

  test('without a change there is nothing to do', async () => {
    await comesBack([]);
  });

  test('a service that changed comes back, and back and forth, and what the older compose made stays', async () => {
    await change({ release: 2 });
    await up('--no-deps', 'web');
    await comesBack(['web']);
    await starts(stack, ['web'], () => okAs(stack, {}, 'undo', '--yes'));
    expect(
      await docker('inspect', '--format', '{{.Config.Labels.release}}', (await containerOf(stack, 'web')).id),
    ).toBe('2');
    await comesBack(['web']);
  });

  test("what today's compose made anew for its hash alone stays", async () => {
    await change({ release: 3 });
    const old = await containerOf(stack, 'dependent');
    await up();
    expect(await containerOf(stack, 'dependent')).not.toEqual(old);
    await comesBack(['web']);
    await starts(stack, [], () => up());
  });

  test.each([
    ['a command beside an env file', { command: 'sleep 1000000' }, ['environed']],
    ['labels of replicas', { label: 'b' }, ['replicated']],
  ])('what did change is made anew: %s', async (_, how, services) => {
    await change(how);
    await up();
    await comesBack(services);
  });

  test('an env file alone', async () => {
    await stack.write({ 'app.env': 'COLOUR=red\n' });
    await up();
    await comesBack(['environed']);
  });

  test('what runs otherwise than files that are right already', async () => {
    await change({ command: 'sleep 1000000', label: 'b' });
    await up();
    await starts(stack, [], () => rollback('--config-only'));
    await comesBack(['environed', 'replicated']);
  });

  test('a compose that cannot read the recorded model: the models themselves are compared', async () => {
    await stack.write(
      {
        'bin/docker-compose': `#!/bin/sh\ncase "$*" in *--file=-*) exit 15;; esac\nexec docker compose "$@"\n`,
      },
      0o755,
    );
    const call = { env: { COMPOSE_ROLLBACK_PROVIDER: stack.path('bin/docker-compose') } };
    const again = () => okAs(stack, call, 'rollback', point, '--yes');
    await starts(stack, [], async () => {
      expect((await again()).stdout).toContain('Nothing to do');
    });
    await change({ release: 4, label: 'b' });
    await up();
    await starts(stack, ['web', 'replicated'], again);
    await starts(stack, [], async () => {
      expect((await again()).stdout).toContain('Nothing to do');
    });
  });
});
