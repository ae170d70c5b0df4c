import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Terminal } from '../../support/cli.js';
import {
  aStack,
  cliWith,
  containersOf,
  docker,
  json,
  ok,
  type CliResult,
  type ContainerFacts,
  type Stack,
} from '../../support/e2e.js';
import { atPodman, clearPodman, emptyPodman, PATH_WITH_PODMAN, podman } from '../../support/podman-side.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** "Testing the Rollback Mechanism", and what to do after a migration that failed: the reference's own commands, as it shows them. */

const SCRIPTS = fileURLToPath(new URL('../../../scripts', import.meta.url));
const CONTAINERFILE = 'FROM busybox:latest\nRUN mkdir /built-by-script\n';
const OWN = [
  'compose',
  'compose.yaml',
  'deploy.sh',
  'requirements-dev.txt',
  'requirements.txt',
  'scripts',
  'teardown.sh',
];
const REPORT = 'migration-prerequisites-report.txt';
const LOG = 'migration-recovery.log';

const composeFile = (name: string, more = '') => `
name: ${name}
services:
  api:
    image: docker.io/library/${name}-api:latest
    build: { context: compose/api, dockerfile: Containerfile }
    command: [sleep, infinity]
    stop_signal: SIGKILL
    volumes: ['data:/data'${more}]
    depends_on: [store]
  store:
    image: docker.io/library/busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
volumes: { data: {} }
`;

let stack: Stack;
let withoutPodman: string;

beforeAll(async () => {
  stack = await aStack('e2e-reference', (name) => ({
    'compose.yaml': composeFile(name),
    'compose/api/Containerfile': CONTAINERFILE,
    'compose/nginx/nginx.conf': 'events {}\n',
    'requirements.txt': 'flask\n',
    'requirements-dev.txt': 'pytest\n',
  }));
  await stack.write({ 'deploy.sh': '#!/bin/sh\n', 'teardown.sh': '#!/bin/sh\n' }, 0o755);
  await symlink(SCRIPTS, stack.path('scripts'));
  withoutPodman = await allButPodman();
  await stack.compose('up', '--detach', '--build');
  await stack.compose('exec', '-T', 'api', 'sh', '-c', 'echo precious > /data/file');
});

beforeEach(async () => {
  await rm(stack.path('compose.yaml.bak'), { force: true });
  await stack.write({ 'compose.yaml': composeFile(stack.name), 'compose/api/Containerfile': CONTAINERFILE });
});

// What a test leaves broken is no business of the next one, or of its own second try.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await emptyPodman(stack.name);
  await stack.write({ 'compose.yaml': composeFile(stack.name), 'compose/api/Containerfile': CONTAINERFILE });
  await stack.compose('up', '--detach', '--build', '--force-recreate');
});

afterAll(() => clearPodman(stack.name));
afterAll(() => rm(withoutPodman, { recursive: true }));

/** A PATH with all that is on this one, but for what belongs to Podman. */
async function allButPodman(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `${stack.name}-path-`));
  const linked = new Set<string>();
  for (const directory of (process.env['PATH'] ?? '').split(':')) {
    const names = existsSync(directory) ? await readdir(directory) : [];
    for (const name of names.filter((one) => !one.startsWith('podman') && !linked.has(one))) {
      await symlink(join(directory, name), join(folder, name));
      linked.add(name);
    }
  }
  return folder;
}

const environment = (PATH = PATH_WITH_PODMAN) => ({ PATH, COMPOSE_ROLLBACK_LOCK_DIR: stack.locks });

/** What is typed into a shell in the project's directory; it stops where something fails. */
async function types(commands: string, PATH?: string): Promise<CliResult> {
  const { exitCode, stdout, stderr } = await execa('bash', ['-ec', commands], {
    cwd: stack.directory,
    env: environment(PATH),
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

/** One command on a terminal, with what is answered when it asks. */
async function onTerminal(command: string, answer?: 'yes' | 'no'): Promise<CliResult> {
  const terminal = new Terminal(command.split(' '), {
    cwd: stack.directory,
    env: environment(),
    columns: 200,
  });
  onTestFinished(() => terminal.close());
  if (answer !== undefined) {
    await terminal.sees('[yes/no]');
    terminal.type(`${answer}\n`);
  }
  const exitCode = await terminal.ended();
  return { exitCode, stdout: terminal.shown, stderr: '' };
}

const log = () => readFile(stack.path(LOG), 'utf8');

async function serviceOf(name: string): Promise<{ container: string } & ContainerFacts> {
  const found = Object.entries(await containersOf(stack)).find(([, { service }]) => service === name);
  if (!found) throw new Error(`${name} has no container`);
  return { container: found[0], ...found[1] };
}

async function backUp(): Promise<void> {
  const { exitCode, stderr } = await types('./scripts/backup-docker-config.sh --include-data --force');
  expect([exitCode, stderr]).toEqual([0, expect.anything()]);
}

/** Besides the project's own files there is nothing but what the reference names; sorted. */
async function left(): Promise<string[]> {
  const names = (await readdir(stack.directory)).filter((name) => !OWN.includes(name));
  const ofReference = ['.docker-backup', LOG, 'rollback'];
  expect(ofReference).toEqual(expect.arrayContaining(names));
  return names.toSorted();
}

const states = async () => Object.values(await containersOf(stack)).map(({ state }) => state);

describe('Backup and Restore Test', () => {
  test('"Backup directory not found": it says what to do, and touches nothing', async () => {
    const { points } = Object(await json(stack, 'list', '--safety'));
    const ids: string[] = points.map(({ id }: { id: string }) => id);
    if (ids.length > 0) await ok(stack, 'delete', ...ids, '--force', '--yes');
    const { exitCode, stderr } = await leavesOnlyATrace(stack, () =>
      types('./scripts/rollback-to-docker.sh --force'),
    );
    expect([exitCode, stderr]).toEqual([
      10,
      expect.stringMatching(/no backup of .*\nhint: .*migrate backup/),
    ]);
  });

  test('--verify-only tells what would be backed up', async () => {
    const { exitCode, stdout } = await leavesOnlyATrace(stack, () =>
      types('./scripts/backup-docker-config.sh --verify-only --include-data'),
    );
    expect(exitCode).toBe(0);
    for (const path of [
      'compose.yaml',
      'compose/api/Containerfile',
      'compose/nginx/nginx.conf',
      'deploy.sh',
      'teardown.sh',
      'requirements.txt',
      'requirements-dev.txt',
      `${stack.name}_data`,
    ]) {
      expect(stdout).toContain(path);
    }
  });

  test.each([
    ['with Podman', () => PATH_WITH_PODMAN],
    ['without', () => withoutPodman],
  ])('%s: the compose file is back, and what runs goes on', async (_, path) => {
    const before = await containersOf(stack);
    const made = await types('./scripts/backup-docker-config.sh --include-data --force', path());
    expect([made.exitCode, made.stderr]).toEqual([0, expect.stringContaining('1 volume')]);
    const { exitCode, stdout } = await types('mv compose.yaml compose.yaml.bak').then(() =>
      types('./scripts/rollback-to-docker.sh --force', path()),
    );
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Rolled back to rb-')]);
    const verified = await types('diff compose.yaml.bak compose.yaml');
    expect(verified).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(await containersOf(stack)).toEqual(before);
  });

  test('the backup is where the reference has it, and a second one is refused unless forced', async () => {
    await backUp();
    const { exitCode } = await types('cd .docker-backup && sha256sum --strict --check backup-manifest.txt');
    expect(exitCode).toBe(0);
    const point = await readlink(stack.path('.docker-backup/point'));
    const configs = stack.path(`.docker-backup/${point}/configs`);
    for (const path of ['compose.yaml', 'compose/nginx/nginx.conf', 'deploy.sh', 'requirements-dev.txt']) {
      expect(await readFile(join(configs, path))).toEqual(await readFile(stack.path(path)));
    }
    const again = await leavesAllAsItWas(stack, () => types('./scripts/backup-docker-config.sh'));
    expect([again.exitCode, again.stderr]).toEqual([2, expect.stringContaining('hint: --force')]);
    expect((await types('./scripts/backup-docker-config.sh --force')).exitCode).toBe(0);
    expect(await readlink(stack.path('.docker-backup/point'))).not.toBe(point);
    expect(await left()).toEqual(expect.arrayContaining(['.docker-backup', 'rollback']));
  });

  test('interactive: no leaves everything as it is', async () => {
    await backUp();
    await types('mv compose.yaml compose.yaml.bak');
    const { exitCode, stdout } = await leavesOnlyATrace(stack, () =>
      onTerminal('./scripts/rollback-to-docker.sh', 'no'),
    );
    expect([exitCode, stdout]).toEqual([4, expect.stringContaining('compose.yaml')]);
    const accepted = await onTerminal('./scripts/rollback-to-docker.sh', 'yes');
    expect(accepted.exitCode).toBe(0);
    expect((await types('diff compose.yaml.bak compose.yaml')).exitCode).toBe(0);
  });

  test('by PowerShell', async ({ skip }) => {
    const { exitCode: none } = await execa('sh', ['-c', 'command -v pwsh'], { reject: false });
    skip(none !== 0, 'there is no pwsh on this machine');
    await backUp();
    await types('mv compose.yaml compose.yaml.bak');
    expect((await types('pwsh ./scripts/rollback-to-docker.ps1 -Force -KeepData')).exitCode).toBe(0);
    expect((await types('diff compose.yaml.bak compose.yaml')).exitCode).toBe(0);
  });
});

describe('Prerequisites Validation Test', () => {
  const validate = './scripts/validate-migration-prerequisites.sh';

  test('a missing podman is found; --fix-issues says how to get it, and installs nothing', async () => {
    const missing = await leavesAllAsItWas(stack, () => types(validate, withoutPodman));
    expect([missing.exitCode, missing.stdout]).toEqual([
      3,
      expect.stringMatching(/✗ there is no podman on PATH\n[^]*^NOT READY: 1 critical/m),
    ]);
    const fixed = await leavesAllAsItWas(stack, () => types(`${validate} --fix-issues`, withoutPodman));
    expect([fixed.exitCode, fixed.stdout]).toEqual([
      3,
      expect.stringMatching(/^Nothing was changed\.\nLeft to you:\n {2}.*install podman/m),
    ]);
  });

  test('with Podman it is ready', async () => {
    const { exitCode, stdout } = await leavesAllAsItWas(stack, () => types(validate));
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^READY: /m)]);
  });

  test('"Prerequisites not met": --detailed tells why, --verify-only leaves it out, --fix-issues mends it', async () => {
    await stack.write({ 'compose.yaml': composeFile(stack.name, `, './conf:/conf:ro'`) });
    onTestFinished(async () => {
      await stack.write({ 'compose.yaml': composeFile(stack.name) });
      await rm(stack.path('conf'), { recursive: true });
    });
    const { exitCode, stdout } = await types(`${validate} --detailed`);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(
        /! api: .*conf is not there, .*\n {6}why: .*\n {6}fix: [^]*^READY WITH WARNINGS: 1/m,
      ),
    ]);
    expect((await types(`${validate} --verify-only`)).stdout).toMatch(/^READY: /m);
    const fixed = await types(`${validate} --fix-issues`);
    expect([fixed.exitCode, fixed.stdout]).toEqual([0, expect.stringMatching(/^READY: [^]*^Made: conf$/m)]);
    expect((await stat(stack.path('conf'))).isDirectory()).toBe(true);
  });

  test('--export-report writes it beside the compose file', async () => {
    expect((await types(`${validate} --export-report`)).exitCode).toBe(0);
    const report = await readFile(stack.path(REPORT), 'utf8');
    expect(report).toMatch(/^READY: /m);
    for (const category of ['System', 'Docker', 'Podman', 'permissions', 'Network', 'Security', 'Backup']) {
      expect(report.toLowerCase()).toContain(category.toLowerCase());
    }
    await rm(stack.path(REPORT));
    await left();
  });
});

describe('Recovery Scenarios Test', () => {
  const recover = (scenario: string, answer?: 'yes' | 'no') =>
    onTerminal(`./scripts/migration-recovery.sh ${scenario}`, answer);
  const scenarios = [
    'failed-build',
    'failed-startup',
    'network-issues',
    'volume-issues',
    'permission-issues',
  ];

  test('where all is well nothing is done, and that is logged', async () => {
    await rm(stack.path(LOG), { force: true });
    const before = await containersOf(stack);
    const { exitCode, stdout } = await types('./scripts/migration-recovery.sh diagnose');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Nothing wrong was found')]);
    for (const scenario of scenarios) {
      const ended = await recover(scenario);
      expect([ended.exitCode, ended.stdout]).toEqual([0, expect.stringContaining('Nothing to mend')]);
    }
    expect(await containersOf(stack)).toEqual(before);
    for (const scenario of ['diagnose', ...scenarios]) expect(await log()).toContain(` ${scenario}: `);
    expect(await left()).toContain(LOG);
  });

  test('failed-build: the line of a Containerfile is named; corrected, it is built', async () => {
    await stack.compose('rm', '--stop', '--force', 'api');
    await docker('image', 'rm', '--force', `${stack.name}-api`);
    await stack.write({ 'compose/api/Containerfile': `${CONTAINERFILE}RUNN true\n` });
    const diagnosed = await types('./scripts/migration-recovery.sh diagnose || true');
    expect(diagnosed.stdout).toContain('compose/api/Containerfile, line 3: unknown instruction RUNN');
    const blocked = await recover('failed-build');
    expect([blocked.exitCode, blocked.stdout]).toEqual([1, expect.stringContaining('line 3')]);
    await stack.write({ 'compose/api/Containerfile': CONTAINERFILE });
    expect((await recover('failed-build', 'yes')).exitCode).toBe(0);
    await docker('image', 'inspect', `${stack.name}-api`);
    expect((await recover('failed-startup', 'yes')).exitCode).toBe(0);
    expect(await states()).toEqual(['running', 'running']);
    expect(await log()).toMatch(
      / failed-build: in the way: .*line 3[^]* failed-build: build api\n[^]* healthy/,
    );
  });

  test('network-issues: who was cut off finds the others again', async () => {
    const { container } = await serviceOf('api');
    await docker('network', 'disconnect', `${stack.name}_default`, (await serviceOf('store')).container);
    const ping = ['ping', '-c', '1', '-W', '2', 'store'];
    await expect(docker('exec', container, ...ping)).rejects.toThrow(/bad address|packet loss/);
    expect((await recover('network-issues', 'no')).exitCode).toBe(4);
    expect((await recover('network-issues', 'yes')).exitCode).toBe(0);
    await docker('exec', (await serviceOf('api')).container, ...ping);
    expect(await log()).toContain('network-issues: found: store: it is cut off from a network');
  });

  test('what is no scenario is a mistake, and so is none', async () => {
    for (const call of ['wrong-name', '']) {
      const { exitCode, stderr } = await types(`./scripts/migration-recovery.sh ${call}`);
      expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/failed-build|scenario/)]);
    }
  });
});

test(
  'Complete Migration Failure: --verify-only tells the way back from Podman; --force --keep-data goes it, with the data of there and the files of the backup',
  { timeout: 240_000 },
  async () => {
    const before = Object.keys(await containersOf(stack));
    await backUp();
    const moved = await cliWith(stack, { env: environment() }, 'migrate', 'to-podman', '--yes');
    expect([moved.exitCode, moved.stderr]).toEqual([0, expect.anything()]);
    expect(await states()).toEqual(['exited', 'exited']);
    const plan = await leavesOnlyATrace(stack, () => types('./scripts/rollback-to-docker.sh --verify-only'));
    expect([plan.exitCode, plan.stdout]).toEqual([0, expect.stringContaining('to Docker')]);
    const running = await podman('ps', '--format', '{{.Names}}');
    for (const name of await atPodman('container', stack.name)) expect(running.split('\n')).toContain(name);

    const api = (await atPodman('container', stack.name)).find((name) => name.includes('api'));
    await podman('exec', api ?? '', 'sh', '-c', 'echo written on podman > /data/file');
    await stack.write({ 'compose.yaml': composeFile(stack.name, `, './conf:/conf:ro'`) });
    const { exitCode, stderr } = await types('./scripts/rollback-to-docker.sh --force --keep-data --cleanup');
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    expect(await readFile(stack.path('compose.yaml'), 'utf8')).toBe(composeFile(stack.name));
    expect(await states()).toEqual(['running', 'running']);
    expect(await stack.compose('exec', '-T', 'api', 'cat', '/data/file')).toBe('written on podman');
    expect(await atPodman('container', stack.name)).toEqual([]);
    expect(Object.keys(await containersOf(stack))).toEqual(before);
    expect(await json(stack, 'status')).toMatchObject({ engine: { kind: 'docker' } });
    expect(await left()).toEqual(expect.arrayContaining(['.docker-backup', 'rollback']));
  },
);
