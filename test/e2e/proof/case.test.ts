import { readdir, readFile, rm } from 'node:fs/promises';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import {
  aStack,
  cli,
  containersOf,
  create,
  docker,
  environmentOf,
  MAIN,
  ok,
  type Stack,
} from '../../support/e2e.js';
import { KILLER } from '../../support/kills.js';
import { containerOf } from '../../support/round-trip.js';

/** What a run claims at its end is what runs, however it came to that end. */

const SLEEPER = 'image: busybox:latest, init: true, command: [sleep, infinity], stop_signal: SIGKILL';

test('a service that ends after it was seen: the earlier state is back; one that had ended is let be', async () => {
  const files = (version: number) => (name: string) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { ${SLEEPER}, labels: [version=${version}] }
  idle: { ${SLEEPER} }
  job: { image: busybox:latest, command: ['true'] }
`,
  });
  const stack = await aStack('e2e-proof', files(1));
  await stack.compose('up', '-d');
  const [idle, job] = [await containerOf(stack, 'idle'), await containerOf(stack, 'job')];
  const point = await create(stack);
  await stack.write(files(2)(stack.name));
  await stack.compose('up', '-d', 'web');
  const before = await containersOf(stack);

  // Once: on the way back it runs again.
  const stop = `if rm armed; then docker stop --time 0 ${idle.id}; fi`;
  const hook = { after_rollback: [{ run: ['sh', '-c', stop] }] };
  await stack.write({ 'rollback.yaml': JSON.stringify({ services: { web: hook } }), armed: '' });
  const { exitCode, stderr } = await cli(stack, 'rollback', point, '--yes');
  expect([exitCode, stderr]).toEqual([20, expect.stringContaining('idle does not run')]);
  const after = await containersOf(stack);
  const states = (all: typeof before) =>
    Object.values(all).map(({ service, state }) => `${service} ${state}`);
  expect(states(after).toSorted()).toEqual(states(before).toSorted());
  expect((await containerOf(stack, 'idle')).id).toBe(idle.id);

  await rm(stack.path('rollback.yaml'));
  const { stdout } = await ok(stack, 'rollback', point, '--yes');
  expect(await containerOf(stack, 'job')).toEqual(job);
  expect(stdout).toContain('Proved:');
});

test('files are counted that were compared: not those that have to be absent', async () => {
  const file = (name: string, version: number) =>
    `name: ${name}\nservices: { web: { ${SLEEPER}, labels: [version=${version}] } }\n`;
  const stack = await aStack('e2e-proof-files', (name) => ({
    'compose.yaml': file(name, 1),
    '.env': 'A=1\n',
  }));
  await stack.compose('up', '-d');
  const point = await create(stack);
  const { entries }: { entries: { type: string }[] } = JSON.parse(
    await readFile(stack.path(`rollback/backups/${point}/point.json`), 'utf8'),
  );
  const absent = entries.filter(({ type }) => type === 'absent').length;
  expect(absent).toBeGreaterThan(0);
  await stack.write({ 'compose.yaml': file(stack.name, 2) });
  await stack.compose('up', '-d');
  const { stdout } = await ok(stack, 'rollback', point, '--yes', '--json');
  const { proof } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect(proof).toMatchObject({ files: entries.length - absent });
});

/** Writes to its journal that a run makes before it is killed: right after the operation at `index` was begun. */
const killedIn = (index: number) => 2 + 2 * index;

async function runKilledAt(stack: Stack, write: number, ...argv: string[]): Promise<void> {
  const { signal } = await execa(process.execPath, ['--import', KILLER, MAIN, ...argv], {
    cwd: stack.directory,
    env: {
      ...environmentOf(stack),
      KILL_JOURNAL: 'yes',
      KILL_AT: String(write),
      KILL_WHEN: 'after',
    },
    stdin: 'ignore',
    reject: false,
  });
  expect(signal).toBe('SIGKILL');
}

test('a resumed rollback connects the containers of others that its first try disconnected', async () => {
  const files = (version: number) => (name: string) => ({
    'compose.yaml': `
name: ${name}
services: { web: { ${SLEEPER}, networks: [back] } }
networks: { back: { labels: { version: '${version}' } } }
`,
  });
  const stack = await aStack('e2e-proof-guest', files(1));
  await stack.compose('up', '-d');
  const point = await create(stack);
  await stack.compose('down', '-t', '0');
  await stack.write(files(2)(stack.name));
  await stack.compose('up', '-d');
  const [network, guest] = [`${stack.name}_back`, `${stack.name}-guest`];
  await docker('run', '-d', '--name', guest, 'busybox:latest', 'sleep', 'infinity');
  try {
    await docker('network', 'connect', '--alias', 'visitor', network, guest);
    const plan: { operations: { kind: string }[] } = JSON.parse(
      (await ok(stack, 'rollback', point, '--dry-run', '--json')).stdout,
    );
    const at = plan.operations.findIndex(({ kind }) => kind === 'remove-network');
    expect(at).toBeGreaterThan(0);
    await runKilledAt(stack, killedIn(at), 'rollback', point, '--yes');
    const aliases = () =>
      docker(
        'inspect',
        '--format',
        `{{with index .NetworkSettings.Networks "${network}"}}{{.Aliases}}{{end}}`,
        guest,
      );
    expect(await aliases()).toBe('');
    expect((await readdir(stack.path('rollback/backups/runs'))).length).toBeGreaterThan(0);
    await ok(stack, 'resume');
    expect(await docker('network', 'inspect', '--format', '{{.Labels.version}}', network)).toBe('1');
    expect(await aliases()).toContain('visitor');
  } finally {
    await docker('rm', '-f', guest);
  }
});
