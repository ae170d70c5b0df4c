import { appendFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { builtCli, call, CTRL_C, CTRL_D, documentOf } from '../support/cli.js';
import { aStack, docker as engine, type Stack } from '../support/e2e.js';

/** The real program with a real engine: documents, prompts, interrupts, and docker calling it as its plugin. */

const cli = builtCli();
let stack: Stack;
/** The point that all tests go back to, and what brings the stack away from it. */
let point = '';

const compose = (name: string, setting: string) => `name: ${name}
services:
  web:
    image: busybox:latest
    command: httpd -f -p 8000
    stop_signal: SIGKILL
    environment: { SETTING: "${setting}" }
    healthcheck: { test: [CMD, "true"], interval: 1s }
  stubborn:
    image: busybox:latest
    command: sh -c 'trap "" TERM; while :; do sleep 1; done'
    stop_grace_period: 3s
`;

const env = () => ({ COMPOSE_ROLLBACK_LOCK_DIR: stack.locks });
const run = (...argv: string[]) => cli.run(argv, { cwd: stack.directory, env: env() });
const terminal = (...argv: string[]) => cli.terminal(argv, { cwd: stack.directory, env: env() });
const composeFile = () => readFile(stack.path('compose.yaml'), 'utf8');
const web = async () => (await stack.ids('web'))[0] ?? '';
const settingOfWeb = async () => engine('inspect', '--format', '{{index .Config.Env 0}}', await web());

beforeAll(async () => {
  stack = await aStack('cli', (name) => ({ 'compose.yaml': compose(name, 'old') }));
  await stack.compose('up', '-d');
  const created = await run('create', '--quiet', '--pin', '--name', 'stable', 'Before the change');
  point = created.stdout.trim();
});

/** What a deployment would have done. */
async function change(): Promise<void> {
  await stack.write({ 'compose.yaml': compose(stack.name, 'new') });
  await stack.compose('up', '-d', 'web');
}

it('create prints the id, alone with --quiet', async () => {
  expect(point).toMatch(/^rb-[0-9a-f]{12}$/); // all that --quiet printed
  const { stdout, stderr } = await run('create', '--', '-x described');
  expect(stdout).toMatch(/^✓ Created rollback point: rb-[0-9a-f]{12}\n$/);
  expect(stderr).toMatch(/2 services, 2 images, 1 configuration file/);
  expect(documentOf('show', (await run('show', 'latest', '--json')).stdout)).toMatchObject({
    description: '-x described',
  });
  expect((await run('delete', 'latest', '--yes')).code).toBe(0);
});

describe('documents', () => {
  it.each<[string, string[]]>([
    ['create', ['create', 'One more']],
    ['create', ['snapshot']],
    ['list', ['list', '--safety']],
    ['show', ['show', 'stable']],
    ['diff', ['diff', 'stable']],
    ['diff', ['diff', 'stable', 'latest']],
    ['status', ['status']],
    ['history', ['history', '--limit', '2']],
    ['runs', ['runs']],
    ['pin', ['pin', 'latest']],
    ['unpin', ['unpin', 'latest']],
    ['verify', ['verify']],
    ['reindex', ['reindex']],
    ['plan', ['rollback', 'stable', '--dry-run']],
    ['plan', ['quick-rollback', '--dry-run']],
    ['plan', ['rollback-service', 'web', '--dry-run']],
    ['cleanup', ['cleanup', '--keep-last', '1', '--dry-run']],
    ['delete', ['delete', 'latest', '--yes']],
    ['cleanup', ['cleanup', '--keep-last', '1', '--yes']],
  ])('%s: %j', async (name, argv) => {
    const { code, stdout, stderr } = await run(...argv, '--json');
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    documentOf(name, stdout);
    expect(await run('show', 'stable')).toMatchObject({ code: 0 });
  });

  it('a run prints one event a line, and its result last', async () => {
    await change();
    const rollback = await run('rollback', 'stable', '--yes', '--json');
    const lines = rollback.stdout.trim().split('\n');
    const documents = lines.map((line) => documentOf('rollback', line));
    expect(rollback.code).toBe(0);
    expect(documents.at(-1)).toMatchObject({
      type: 'result',
      result: 'done',
      target: { id: point },
      verdicts: { web: { status: 'pass' } },
    });
    expect(documents).toContainEqual(expect.objectContaining({ type: 'operation', state: 'doing' }));
    const undo = await run('undo', '--yes', '--json');
    expect(documentOf('undo', undo.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ result: 'done' });
    expect(documentOf('runs', (await run('runs', '--json')).stdout)).toMatchObject({
      runs: [{ kind: 'undo' }, { kind: 'rollback' }],
    });
  });
});

describe('a dry run', () => {
  beforeEach(change);

  it('prints the plan, and with --detailed-exitcode ends with 5', async () => {
    const { code, stdout } = await run('rollback', point, '--dry-run', '--detailed-exitcode');
    expect(code).toBe(5);
    expect(stdout).toMatch(/^Rollback plan: Before the change \(rb-[0-9a-f]{12}, .* old\)\n {2}1\. /);
    expect(await settingOfWeb()).toBe('SETTING=new');
    expect((await run('rollback', point, '--yes', '--quiet')).code).toBe(0);
    expect((await run('rollback', point, '--dry-run', '--detailed-exitcode')).code).toBe(0);
  });

  it('that is blocked names every blocker once, and ends with 3', async () => {
    const id = (await run('create', '--quiet')).stdout.trim();
    await appendFile(stack.path(`rollback/backups/${id}/configs/compose.yaml`), 'x');
    expect((await run('verify', id)).code).toBe(1);
    const text = await run('rollback', id, '--dry-run');
    expect(text.code).toBe(3);
    expect(text.stdout).toMatch(/Blocked:\n.*compose\.yaml/);
    expect(text.stderr).toBe('compose-rollback: this rollback is blocked; nothing was touched\n');
    const json = await run('rollback', id, '--dry-run', '--json');
    expect(json.code).toBe(3);
    expect(documentOf('error', json.stdout)).toMatchObject({
      error: { code: 'blocked' },
      plan: { blockers: [{}] },
    });
    const real = await run('rollback', id, '--yes');
    expect(real.code).toBe(3);
    expect(real.stderr).toMatch(/nothing was touched\n {2}.*compose\.yaml/);
    expect((await run('delete', id, '--yes')).code).toBe(0);
  });
});

describe('on a terminal', () => {
  beforeEach(change);

  it.each([
    ['no', 'no\r', 4, 'declined; nothing was touched'],
    ['the end of input', CTRL_D, 4, 'declined; nothing was touched'],
    ['Ctrl-C', CTRL_C, 130, 'interrupted; nothing was touched'],
  ])('%s at the question changes nothing', async (_, typed, code, message) => {
    const before = [await web(), (await run('history')).stdout];
    const asking = terminal('rollback', 'stable');
    await asking.sees('Proceed with rollback? [yes/no]: ');
    expect(asking.shown).toContain('⚠️  WARNING: This will rollback the system to a previous state');
    expect(asking.shown).toContain('Rollback point: Before the change');
    expect(asking.shown).toMatch(/Created: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
    asking.type(typed);
    expect(await asking.ended()).toBe(code);
    expect(asking.shown).toContain(`compose-rollback: ${message}`);
    expect(asking.shown).not.toMatch(/^\s+at /m);
    expect([await web(), (await run('history')).stdout]).toEqual(before);
  });

  it('yes goes ahead, after a question that was not understood is asked again', async () => {
    const asking = terminal('quick-rollback');
    await asking.sees('[yes/no]: ');
    asking.type('maybe\r');
    await asking.sees('Please answer yes or no.');
    asking.type('yes\r');
    expect(await asking.ended()).toBe(0);
    expect(asking.shown).toContain('All services healthy');
    expect(asking.shown).toMatch(/To take this rollback back: compose-rollback undo run-[0-9a-f]{12}/);
    expect(await settingOfWeb()).toBe('SETTING=old');
    expect(await composeFile()).toBe(compose(stack.name, 'old'));
  });

  it('a point is chosen from a list', async () => {
    const choosing = terminal('rollback');
    await choosing.sees('Roll back to');
    await choosing.sees('Before the change');
    choosing.type('\r');
    await choosing.sees('[yes/no]: ');
    choosing.type('no\r');
    expect(await choosing.ended()).toBe(4);
  });

  it.each([
    ['Ctrl-D', CTRL_D, 4, 'no point was chosen'],
    ['Ctrl-C', CTRL_C, 130, 'interrupted'],
  ])('%s chooses none', async (_, typed, code, message) => {
    const choosing = terminal('rollback');
    await choosing.sees('Before the change');
    choosing.type(typed);
    expect(await choosing.ended()).toBe(code);
    expect(choosing.shown).toContain(message);
  });

  it('of no width the run goes on all the same', async () => {
    const going = cli.terminal(['rollback', 'stable', '--yes'], {
      cwd: stack.directory,
      env: env(),
      columns: 0,
    });
    expect(await going.ended()).toBe(0);
    expect(going.shown).toContain('→ Starting web...');
  });

  it('delete shows what goes, and asks', async () => {
    const asking = terminal('delete', '--force', 'stable');
    await asking.sees('Delete 1 rollback point? [yes/no]: ');
    expect(asking.shown).toMatch(/rb-[0-9a-f]{12} {2}.* old {2}Before the change/);
    asking.type('no\r');
    expect(await asking.ended()).toBe(4);
    expect((await run('show', 'stable')).code).toBe(0);
  });
});

it('Ctrl-C during a run brings the earlier state back, and ends with 130', async () => {
  await change();
  await writeFile(stack.path('compose.yaml'), (await composeFile()).replace('sleep 1', 'sleep 2'));
  await stack.compose('up', '-d');
  const changed = await composeFile();
  const going = terminal('rollback', 'stable', '--yes');
  await going.sees('Stopping');
  going.type(CTRL_C);
  expect(await going.ended()).toBe(130);
  expect(going.shown).toContain('Interrupted: the earlier state is brought back');
  expect(going.shown).toContain('compose-rollback: interrupted; the earlier state is back');
  expect(await composeFile()).toBe(changed);
  expect(await settingOfWeb()).toBe('SETTING=new');
  expect((await stack.ids('stubborn')).length).toBe(1);
  expect(documentOf('runs', (await run('runs', '--json')).stdout)).toMatchObject({
    runs: expect.arrayContaining([expect.objectContaining({ result: 'returned' })]),
  });
});

describe('as a plugin of docker', () => {
  it('is listed, and called with and without the name of its command', async () => {
    const config = await mkdtemp(join(tmpdir(), 'cli-docker-config-'));
    const { DOCKER_CONFIG = '' } = process.env;
    await call('cp', ['-rL', `${DOCKER_CONFIG}/.`, config]);
    await symlink(cli.main, join(config, 'cli-plugins', 'docker-rollback'));
    const docker = (...argv: string[]) =>
      call('docker', argv, { cwd: stack.directory, env: { ...env(), DOCKER_CONFIG: config } });

    expect((await docker('--help')).stdout).toMatch(/rollback\*\s+Rollback points for compose projects/);
    expect((await docker('rollback', 'list', '--quiet')).stdout).toContain(point);
    expect((await docker('rollback', 'rollback', 'stable', '--dry-run')).stdout).toMatch(/^Rollback plan: /);
    expect((await docker('rollback', 'stable', '--dry-run')).stdout).toMatch(/^Rollback plan: /);
    expect((await docker('--config', config, 'rollback', 'status')).stdout).toContain(stack.name);
    expect((await docker('rollback', 'show', 'nosuch')).code).toBe(10);
    expect((await docker('__complete', 'rollback', 'show', 'sta')).stdout).toBe(`stable\t${point}\n:4\n`);
    await rm(config, { recursive: true });
  });
});
