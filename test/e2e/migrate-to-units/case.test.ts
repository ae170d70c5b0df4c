import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { documentOf } from '../../support/cli.js';
import { aStack, cli, containersOf, filesOf, ok, type Stack } from '../../support/e2e.js';
import { atPodman, clearPodman, emptyPodman } from '../../support/podman-side.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** A move to Podman that leaves units for systemd behind: what `migrate quadlet` writes, once the project runs there. */

const { PODMAN_HOST = '', DOCKER_HOST = '' } = process.env;
const PASSWORD = 'correct-horse';

let stack: Stack;
/** Folders for units, outside of the project. */
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'e2e-units-'));
  stack = await aStack('e2e-units', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  web:
    image: docker.io/library/busybox:latest
    command: httpd -f -p 80
    init: true
    environment: { PASSWORD: '\${PASSWORD}' }
    volumes: ['data:/data']
    cpu_count: 1
volumes: { data: {} }
`,
    '.env': `PASSWORD=${PASSWORD}\n`,
  }));
  await stack.compose('up', '--detach');
  await ok(stack, 'create'); // with it the backup directory
});

// It runs on Docker, and Podman has nothing of it.
beforeEach(async () => {
  await rm(home, { recursive: true, force: true });
  await mkdir(home);
  await emptyPodman(stack.name);
  await stack.compose('up', '--detach');
});

afterAll(() => clearPodman(stack.name));
afterAll(() => rm(home, { recursive: true }));

const toPodman = (...argv: string[]) =>
  cli(stack, 'migrate', 'to-podman', '--target-host', PODMAN_HOST, ...argv);
const toDocker = (...argv: string[]) =>
  cli(stack, 'migrate', 'to-docker', '--host', PODMAN_HOST, '--target-host', DOCKER_HOST, ...argv);

/** What the other command writes for the same project. */
async function writtenAlone(): Promise<{ files: Record<string, string>; notes: string }> {
  const directory = join(home, 'alone');
  const { stderr } = await ok(stack, 'migrate', 'quadlet', '--output', directory);
  return { files: await filesOf(directory), notes: stderr };
}

test('what is in the way is refused before anything is done', async () => {
  const taken = join(home, 'taken');
  await mkdir(taken);
  await writeFile(join(taken, `${stack.name}-web.container`), 'mine\n');
  for (const argv of [['--yes'], ['--dry-run']]) {
    const { exitCode, stderr } = await leavesAllAsItWas(stack, () => toPodman('--quadlet', taken, ...argv));
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(/web\.container" is in .*taken" already; nothing was written\nhint: /),
    ]);
  }
  expect(await filesOf(taken)).toEqual({ [`${stack.name}-web.container`]: 'file 644 mine\n' });
  const file = await leavesAllAsItWas(stack, () =>
    toPodman('--yes', '--quadlet', join(taken, `${stack.name}-web.container`)),
  );
  expect([file.exitCode, file.stderr]).toEqual([2, expect.stringContaining('is no directory')]);
  expect(await atPodman('container', stack.name)).toEqual([]);
});

test('a rehearsal writes nothing', async () => {
  const units = join(home, 'rehearsed');
  const { exitCode } = await leavesAllAsItWas(stack, () => toPodman('--dry-run', '--quadlet', units));
  expect(exitCode).toBe(0);
  await expect(stat(units)).rejects.toThrow('ENOENT');
});

test('the project runs on Podman, and its units are what migrate quadlet writes', async () => {
  const units = join(home, 'deep/units');
  const { exitCode, stdout, stderr } = await toPodman('--yes', '--quadlet', units);
  expect([exitCode, stderr]).toEqual([0, expect.anything()]);
  expect(Object.values(await containersOf(stack)).map(({ state }) => state)).toEqual(['exited']);
  expect(await atPodman('container', stack.name)).toEqual([`${stack.name}-web-1`]);

  const { files, notes } = await writtenAlone();
  expect(await filesOf(units)).toEqual(files);
  expect((await readdir(units)).toSorted()).toEqual([
    `${stack.name}-data.volume`,
    `${stack.name}-default.network`,
    `${stack.name}-web.container`,
    `${stack.name}-web.env`,
  ]);
  expect(await readFile(join(units, `${stack.name}-web.env`), 'utf8')).toBe(`PASSWORD=${PASSWORD}\n`);
  expect(stdout).toContain(`4 files in ${units}`);
  expect(notes).toContain('! web: cpu_count');
  expect(stderr).toContain(notes);
  expect(stdout + stderr).not.toContain(PASSWORD);
});

test('programs are told; the way back knows no such flag', async () => {
  const mistaken = await toDocker('--yes', '--quadlet', join(home, 'back'));
  expect([mistaken.exitCode, mistaken.stderr]).toEqual([2, expect.stringContaining('--quadlet')]);
  const units = join(home, 'told');
  const { exitCode, stdout } = await toPodman('--yes', '--json', '--quadlet', units);
  expect(exitCode).toBe(0);
  const lines = stdout.split('\n').map((line) => documentOf('migrate-to-podman', line));
  expect(lines.at(-1)).toMatchObject({
    type: 'move-result',
    quadlet: { project: stack.name, directory: units, environments: [{ variables: ['PASSWORD'] }] },
  });
  expect(stdout).not.toContain(PASSWORD);
  expect(await readdir(units)).toHaveLength(4);
  expect((await toDocker('--yes')).exitCode).toBe(0);
});

test('where they cannot be written after all, the project was moved, and that is said', async () => {
  // Not to be seen beforehand: a file where a folder above would be made.
  const file = join(home, 'file');
  await writeFile(file, '');
  const { exitCode, stderr } = await toPodman('--yes', '--quadlet', join(file, 'units'));
  expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/was moved, but not its units: .*\nhint: /)]);
  expect(await atPodman('container', stack.name)).toEqual([`${stack.name}-web-1`]);
  expect(Object.values(await containersOf(stack)).map(({ state }) => state)).toEqual(['exited']);
});
