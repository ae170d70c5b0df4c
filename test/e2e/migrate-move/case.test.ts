import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clearPodman, emptyPodman, podman } from '../../support/podman-side.js';
import {
  aStack,
  answer,
  buildApi,
  cli,
  cliWith,
  freePort,
  json,
  ok,
  type Stack,
  until,
} from '../../support/e2e.js';
import { docker } from '../../support/engine.js';

/** A stack with data of several owners goes from Docker to Podman and back; each side stays as it was until it is finalized. */

const { PODMAN_HOST: PODMAN = '', DOCKER_HOST: DOCKER = '' } = process.env;

/** Extended attributes go over where files are read as they lie; the engine's own streams leave them out. */
const DIRECT = process.geteuid?.() === 0;

let stack: Stack;
let port: number;

const ofProject = () => `label=com.docker.compose.project=${stack.name}`;

const composeFile = (name: string) => `
name: ${name}
services:
  redis:
    image: redis:7-alpine
    restart: unless-stopped
    volumes: ['cache:/data']
  api:
    image: ${name}-api:latest
    # Podman sets this variable.
    command: ['sh', '-c', 'test "$$container" != podman || test ! -e /data/not-there || exit 3; exec node /server.mjs']
    restart: always
    depends_on: [redis]
    ports: ['127.0.0.1:${port}:8000']
    volumes: ['pg:/data']
volumes: { cache: {}, pg: {} }
`;

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-move', (name) => ({ 'compose.yaml': composeFile(name) }));
  await buildApi(stack, `${stack.name}-api:latest`, 'v1');
  await stack.compose('up', '--detach');
  await inside(
    DOCKER,
    'api',
    'mkdir -p /data/base && echo secret > /data/base/1 && ln /data/base/1 /data/hard && ln -s base/1 /data/soft && : > "/data/a b" && chmod 600 /data/base/1 && chmod 700 /data/base /data && chown -R 999:999 /data && chown -h 7:8 /data/soft',
  );
  if (DIRECT)
    await execa('setfattr', ['-n', 'user.kept', '-v', 'yes', join(await mountpoint(DOCKER, 'pg'), 'hard')]);
});

// It runs on Docker, as it did first, and Podman has nothing of it.
beforeEach(async () => {
  await emptyPodman(stack.name);
  await stack.write({ 'compose.yaml': composeFile(stack.name) });
  const found = await statesAtDocker();
  if (found.join() !== AS_STARTED.join()) await stack.compose('up', '--detach', '--force-recreate');
  await until(async () => (await answer(port)) === 'v1', 'the API answers');
  await inside(DOCKER, 'api', 'rm -f /data/not-there');
});

afterAll(() => clearPodman(stack.name));

/** A script in a service's container, at one of the engines. */
async function inside(host: string, service: string, script: string): Promise<string> {
  const argv = ['compose', 'exec', '-T', service, 'sh', '-c', script];
  const { stdout } = await execa('docker', argv, {
    cwd: stack.directory,
    env: { DOCKER_HOST: host },
    stdin: 'ignore',
  });
  return stdout;
}

/** Type, mode, owners, size, links and content of everything, as the container sees it. */
const listing = (host: string) =>
  inside(
    host,
    'api',
    'cd /data && find . | sort | while read -r f; do stat -c "%n %F %a %u:%g %s %h %N" "$f"; [ -f "$f" ] && [ ! -L "$f" ] && sha256sum "$f"; done; true',
  );

async function mountpoint(host: string, volume: string): Promise<string> {
  const argv = ['volume', 'inspect', '--format', '{{.Mountpoint}}', `${stack.name}_${volume}`];
  return (await execa('docker', argv, { env: { DOCKER_HOST: host } })).stdout;
}

/** Name, state and restart policy of the project's containers at Docker. */
async function atDocker(): Promise<string[]> {
  const ids = (await docker('ps', '--all', '--quiet', '--filter', ofProject())).split('\n').filter(Boolean);
  const format = '{{.Name}} {{.Id}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}}';
  return ids.length === 0 ? [] : (await docker('inspect', '--format', format, ...ids)).split('\n').toSorted();
}

/** The same without names: the API's, then that of Redis. */
const statesAtDocker = async () => (await atDocker()).map((line) => line.split(' ').slice(2).join(' '));
const AS_STARTED = ['running always', 'running unless-stopped'];

const move = (...argv: string[]) => cli(stack, 'migrate', ...argv);
const forth = ['to-podman', '--target-host', PODMAN];
const back = ['to-docker', '--host', PODMAN, '--target-host', DOCKER];

test('the plan tells what would be done, and changes nothing', async () => {
  const before = await atDocker();
  const plan = await json(stack, 'migrate', ...forth, '--dry-run');
  expect(plan).toMatchObject({
    kind: 'to-podman',
    source: { kind: 'docker' },
    target: { kind: 'podman', host: PODMAN },
    blockers: [],
  });
  expect(await atDocker()).toEqual(before);
  expect(await podman('ps', '--all', '--quiet', '--filter', ofProject())).toBe('');
  expect(await podman('volume', 'ls', '--quiet', '--filter', ofProject())).toBe('');
});

describe('when the services do not start there', () => {
  test('what ran on Docker runs again, the same containers; Podman keeps what may have been written there', async () => {
    const before = await atDocker();
    await inside(DOCKER, 'api', ': > /data/not-there');
    const { exitCode, stderr } = await move(...forth, '--yes');
    expect([exitCode, stderr]).toEqual([20, expect.stringContaining('the earlier state is back')]);
    expect(await atDocker()).toEqual(before);
    expect(await answer(port)).toBe('v1');
    expect(await podman('ps', '--all', '--quiet', '--filter', ofProject())).toBe('');
    expect(stderr).toMatch(/what was written on .*Podman since stays there/);
    const volumes = (await podman('volume', 'ls', '--quiet', '--filter', ofProject())).split('\n').toSorted();
    expect(volumes).toEqual([`${stack.name}_cache`, `${stack.name}_pg`]);
  });
});

test(
  'from Docker to Podman and back, with all data both ways; finalized, Podman has nothing left',
  { timeout: 240_000 },
  async () => {
    await inside(DOCKER, 'redis', 'redis-cli set greeting docker');
    const original = await listing(DOCKER);
    const before = await atDocker();
    const { exitCode, stderr } = await move(...forth, '--yes');
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    expect(await answer(port)).toBe('v1');
    expect(await listing(PODMAN)).toBe(original);
    expect(await inside(PODMAN, 'redis', 'redis-cli get greeting')).toBe('docker');
    if (DIRECT) {
      const file = join(await mountpoint(PODMAN, 'pg'), 'base/1');
      expect((await execa('getfattr', ['--only-values', '-n', 'user.kept', file])).stdout).toBe('yes');
    }
    const stopped = before.map((line) => line.replace(/running .*/, 'exited no'));
    expect(await atDocker()).toEqual(stopped);
    for (const volume of ['cache', 'pg']) {
      const beside = await readdir(join(await mountpoint(PODMAN, volume), '..'));
      expect(beside.filter((name) => name.includes('compose-rollback'))).toEqual([]);
    }

    // Whoever names no engine is led to where it runs now; who names Docker is told.
    const runtime = await mkdtemp(join(tmpdir(), 'rt-'));
    await mkdir(join(runtime, 'podman'));
    await symlink(DOCKER.slice('unix://'.length), join(runtime, 'docker.sock'));
    await symlink(PODMAN.slice('unix://'.length), join(runtime, 'podman/podman.sock'));
    const env = { XDG_RUNTIME_DIR: runtime, DOCKER_HOST: undefined, CONTAINER_HOST: undefined };
    const { stdout } = await cliWith(stack, { env }, 'status', '--json');
    await rm(runtime, { recursive: true });
    expect(JSON.parse(stdout)).toMatchObject({
      engine: { kind: 'podman' },
      services: [{ state: 'running' }, { state: 'running' }],
    });
    expect((await ok(stack, 'status')).stderr).toContain('the project was moved to podman');

    // A second time is refused: it runs there already.
    const second = await move(...forth, '--yes');
    expect([second.exitCode, second.stderr]).toEqual([
      3,
      expect.stringContaining('nothing of the project runs on Docker'),
    ]);

    // And back, with what was written there; Docker has its restart policies again.
    await inside(PODMAN, 'redis', 'redis-cli set greeting podman');
    await inside(PODMAN, 'api', 'echo changed > /data/base/1; rm -f /data/soft; echo new > /data/new');
    const changed = await listing(PODMAN);
    const returned = await move(...back, '--yes');
    expect([returned.exitCode, returned.stderr]).toEqual([0, expect.anything()]);
    expect(await answer(port)).toBe('v1');
    expect(await listing(DOCKER)).toBe(changed);
    expect(await inside(DOCKER, 'redis', 'redis-cli get greeting')).toBe('podman');
    expect(await statesAtDocker()).toEqual(AS_STARTED);
    // What Docker had before is in the safety point.
    const { points }: { points: { kind: string; volumes: string[] }[] } = JSON.parse(
      (await ok(stack, 'list', '--safety', '--json')).stdout,
    );
    expect(points.find(({ kind }) => kind === 'safety')?.volumes).toEqual([
      `${stack.name}_cache`,
      `${stack.name}_pg`,
    ]);

    // Finalized, Podman has only its data left, and with --volumes a point has that.
    const finalized = await move('finalize', '--yes');
    expect([finalized.exitCode, finalized.stderr]).toEqual([0, expect.anything()]);
    expect(await podman('ps', '--all', '--quiet', '--filter', ofProject())).toBe('');
    expect(await podman('network', 'ls', '--quiet', '--filter', ofProject())).toBe('');
    expect(await podman('volume', 'ls', '--quiet', '--filter', ofProject())).not.toBe('');
    const { point }: { point: string } = JSON.parse(
      (await ok(stack, 'migrate', 'finalize', '--volumes', '--yes', '--json')).stdout,
    );
    expect(await podman('volume', 'ls', '--quiet', '--filter', ofProject())).toBe('');
    expect(await answer(port)).toBe('v1');
    const kept: unknown = JSON.parse(
      await readFile(stack.path(`rollback/backups/${point}/point.json`), 'utf8'),
    );
    expect(kept).toMatchObject({ pinned: true, volumes: [`${stack.name}_cache`, `${stack.name}_pg`] });
  },
);

test(
  'undo of a move: the same containers run on Docker, with its data; undo of that: Podman goes on with what it wrote',
  { timeout: 240_000 },
  async () => {
    const before = await atDocker();
    const original = await listing(DOCKER);
    await ok(stack, 'migrate', ...forth, '--yes');
    await inside(PODMAN, 'api', 'echo later > /data/later');
    const compose = await readFile(stack.path('compose.yaml'), 'utf8');
    await stack.write({ 'compose.yaml': compose.replace('restart: always', 'restart: "no"') });
    const { exitCode, stderr } = await cli(stack, 'undo', '--yes');
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    expect(await atDocker()).toEqual(before);
    expect(await readFile(stack.path('compose.yaml'), 'utf8')).toBe(compose);
    expect(await answer(port)).toBe('v1');
    expect(await listing(DOCKER)).toBe(original);
    expect(await podman('ps', '--quiet', '--filter', ofProject())).toBe('');

    const refused = await cli(stack, 'undo', '--config-only', '--yes');
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('whole, or not at all')]);
    const undone = await cli(stack, 'undo', '--yes');
    expect([undone.exitCode, undone.stderr]).toEqual([0, expect.anything()]);
    expect(await answer(port)).toBe('v1');
    expect(await inside(PODMAN, 'api', 'cat /data/later')).toBe('later');
    expect(await statesAtDocker()).toEqual(['exited no', 'exited no']);
  },
);

describe('rollback-to-docker', () => {
  const rollback = (...argv: string[]) =>
    move('rollback-to-docker', '--host', PODMAN, '--target-host', DOCKER, ...argv);

  test('brings files and images back as they were, and Docker’s data as it stands', async () => {
    const compose = await readFile(stack.path('compose.yaml'), 'utf8');
    const original = await listing(DOCKER);
    await ok(stack, 'migrate', ...forth, '--yes');
    await inside(PODMAN, 'api', 'echo lost > /data/lost');
    await stack.write({ 'compose.yaml': compose.replace('restart: always', 'restart: "no"') });
    const plan = await rollback('--verify-only', '--json');
    expect(JSON.parse(plan.stdout)).toMatchObject({
      kind: 'to-docker',
      risks: expect.arrayContaining([expect.objectContaining({ code: 'data-stays' })]),
    });
    const { exitCode, stderr } = await rollback('--force');
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    expect(await readFile(stack.path('compose.yaml'), 'utf8')).toBe(compose);
    expect(await answer(port)).toBe('v1');
    expect(await listing(DOCKER)).toBe(original);
  });

  test('with --keep-data the data comes too, and with --cleanup Podman has no containers left', async () => {
    await ok(stack, 'migrate', ...forth, '--yes');
    await inside(PODMAN, 'api', 'echo kept > /data/kept');
    const written = await listing(PODMAN);
    const { exitCode, stderr } = await rollback('--force', '--keep-data', '--cleanup');
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    expect(await listing(DOCKER)).toBe(written);
    expect(await podman('ps', '--all', '--quiet', '--filter', ofProject())).toBe('');
  });

  test('where Podman has nothing of it, the files come back and what runs is not touched', async () => {
    await ok(stack, 'migrate', 'backup', '--force');
    const before = await atDocker();
    const compose = await readFile(stack.path('compose.yaml'), 'utf8');
    await execa('mv', [stack.path('compose.yaml'), stack.path('compose.yaml.bak')]);
    const { exitCode, stderr } = await rollback('--force');
    expect([exitCode, stderr]).toEqual([0, expect.anything()]);
    expect(await readFile(stack.path('compose.yaml'), 'utf8')).toBe(compose);
    expect(await atDocker()).toEqual(before);
  });
});
