import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { DOCKER_IGNORE_CASES } from '../../support/docker-ignore.js';
import { aStack, cli, cliWith, create, environmentOf, json, ok, type Stack } from '../../support/e2e.js';
import { composeAs } from '../../support/round-trip.js';

/** Points never reach an image: a build whose context is the project reads everything below it that `.dockerignore` does not name. */

const SECRET = 'TOKEN=never-in-an-image';

async function aBuild(files: Record<string, string> = {}): Promise<Stack> {
  return await aStack('e2e-context', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  web:
    build: { context: ., labels: { of: "${name}" } }
    image: ${name}-web:1
    command: ["sleep", "infinity"]
    stop_signal: SIGKILL
    environment: ["TOKEN=$\{TOKEN}"]
`,
    Dockerfile: 'FROM busybox:latest\nCOPY . /app/\n',
    '.env': `${SECRET}\n`,
    '.dockerignore': '.env\n',
    ...files,
  }));
}

const shown = async (stack: Stack) => (await ok(stack, 'backup-dir', 'show')).stdout;

const stateOf = (stack: Stack) => environmentOf(stack)['COMPOSE_ROLLBACK_STATE_DIR'] ?? '';

/** What a build of the project puts into the image: paths below the context. */
async function builtFiles(directory: string): Promise<string[]> {
  const dockerfile = 'FROM scratch\nCOPY . /\n';
  const { stdout } = await execa(
    'docker',
    ['build', '--quiet', '--output', 'type=tar,dest=-', '--file', '-', directory],
    { input: dockerfile, encoding: 'buffer', env: { BUILDX_NO_DEFAULT_ATTESTATIONS: '1' } },
  );
  const { stdout: listed } = await execa('tar', ['-t'], { input: stdout });
  return listed.split('\n').filter((path) => path !== '' && !path.endsWith('/'));
}

test('a build leaves out what our reading of .dockerignore says', async () => {
  const stack = await aBuild();
  const files = ['rollback/backups/index.db', 'rollback/backups/rb-000000000000/configs/.env', 'app.js'];
  await stack.write(Object.fromEntries(files.map((path) => [path, path])));
  for (const { text, ignored, taken } of DOCKER_IGNORE_CASES) {
    await writeFile(stack.path('.dockerignore'), text);
    const built = new Set(await builtFiles(stack.directory));
    const sorted = (paths: string[]) => paths.toSorted();
    const seen = {
      ignored: files.filter((path) => !built.has(path)),
      taken: files.filter((path) => built.has(path)),
    };
    // The table need not name each of the three files.
    expect({
      text,
      ignored: sorted(seen.ignored.filter((path) => ignored.includes(path))),
      taken: sorted(seen.taken.filter((path) => taken.includes(path))),
    }).toEqual({ text, ignored: sorted(ignored), taken: sorted(taken) });
  }
}, 120_000);

test('the first point of a project that is its own build context goes elsewhere, and changes no image', async () => {
  const stack = await aBuild();
  await composeAs(stack, {}, 'up', '--detach', '--build');
  const before = await builtFiles(stack.directory);
  const { stderr } = await ok(stack, 'create');
  const path = await shown(stack);
  expect(path.startsWith(`${stateOf(stack)}/${stack.name}-`)).toBe(true);
  expect(stderr).toContain(`! points are kept in "${path}"`);
  expect(await builtFiles(stack.directory)).toEqual(before);

  // The choice stays, whatever .dockerignore says later, and all that needs the point finds it.
  await writeFile(stack.path('.dockerignore'), '.env\nrollback\n');
  expect((await ok(stack, 'create')).stderr).not.toContain('!');
  expect((await ok(stack, 'list', '--quiet')).stdout.split('\n')).toHaveLength(2);
  await writeFile(stack.path('.env'), 'TOKEN=other\n');
  await composeAs(stack, {}, 'up', '--detach');
  await ok(stack, 'quick-rollback', '--yes');
  expect(await readdir(stack.directory)).not.toContain('rollback');
});

test('what .dockerignore names stays in the project, and nothing is said', async () => {
  const stack = await aBuild({ '.dockerignore': 'rollback\n' });
  await composeAs(stack, {}, 'up', '--detach', '--build');
  expect((await ok(stack, 'create')).stderr).not.toContain('!');
  expect(await readdir(stack.path('rollback/backups'))).toContain('index.db');
});

test('points that are in a build context are never moved silently: each command warns until they are moved', async () => {
  const stack = await aBuild({ '.dockerignore': 'rollback\n' });
  await composeAs(stack, {}, 'up', '--detach', '--build');
  const point = await create(stack);
  await writeFile(stack.path('.dockerignore'), '.env\n');
  const warning = '! the points in';
  for (const command of [['create'], ['status'], ['rollback', 'latest', '--dry-run']])
    expect((await ok(stack, ...command)).stderr).toContain(warning);
  expect((await builtFiles(stack.directory)).some((path) => path.includes(point))).toBe(true);

  await ok(stack, 'backup-dir', 'move');
  expect((await shown(stack)).startsWith(stateOf(stack))).toBe(true);
  expect(await readdir(stack.directory)).not.toContain('rollback');
  expect((await ok(stack, 'status')).stderr).not.toContain(warning);
  expect((await ok(stack, 'list', '--quiet')).stdout).toContain(point);

  // To a directory that a person names, and no further while a setting does.
  await ok(stack, 'backup-dir', 'move', `../${stack.name}-elsewhere`);
  const elsewhere = join(stack.directory, `../${stack.name}-elsewhere`);
  expect(await json(stack, 'backup-dir', 'show')).toEqual({ path: elsewhere, origin: 'recorded' });
  await stack.write({ 'rollback.yaml': `backup_dir: ../${stack.name}-elsewhere\n` });
  const refused = await cli(stack, 'backup-dir', 'move');
  expect([refused.exitCode, await readdir(elsewhere)]).toEqual([2, expect.arrayContaining([point])]);
  await rm(elsewhere, { recursive: true });
}, 120_000);

test('a state directory that is a part of the build context is not used', async () => {
  const stack = await aBuild();
  await composeAs(stack, {}, 'up', '--detach', '--build');
  const inside = { COMPOSE_ROLLBACK_STATE_DIR: stack.path('state'), XDG_STATE_HOME: stack.path('state') };
  const { exitCode, stdout } = await cliWith(stack, { env: inside }, 'create', '--quiet');
  expect(exitCode).toBe(0);
  const { stdout: place } = await cliWith(stack, { env: inside }, 'backup-dir', 'show');
  try {
    expect((await builtFiles(stack.directory)).filter((path) => path.includes('rb-'))).toEqual([]);
    expect(await readdir(place)).toContain(stdout);
    await cliWith(stack, { env: inside }, 'delete', stdout, '--yes');
  } finally {
    await rm(place, { recursive: true });
    await rm(`${place}.json`);
  }
});
