import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadImage } from '../../../src/operations/images.js';
import { Store } from '../../../src/store/store.js';
import {
  aStack,
  cli,
  cliWith,
  create,
  docker,
  filesOf,
  imageId,
  json,
  keptTags,
  MAIN,
  ok,
  type Stack,
  until,
} from '../../support/e2e.js';
import { connectTestEngine } from '../../support/engine.js';
import { SLEEPER } from '../../support/round-trip.js';

/** A point leaves the machine it was made on, and comes to one where nothing of it is left. */

let stack: Stack;
let point: string;
let archive: string;
/** As it was where it was made, but first in the order of a store. */
let original: { files: Record<string, string>; shown: unknown; actions: string[] };
/** Where archives are kept, outside of the project. */
let shelf: string;

const composeFile = (name: string) => `
name: ${name}
services:
  api: { image: '${name}-api:latest', env_file: [api.env] }
  idle: { ${SLEEPER} }
`;

beforeAll(async () => {
  stack = await aStack('e2e-travel', (name) => ({
    'compose.yaml': composeFile(name),
    'api.env': 'PASSWORD=hunter2\n',
    'image/Dockerfile': `FROM busybox:latest\nLABEL of=${name}\nSTOPSIGNAL SIGKILL\nCMD ["sleep", "infinity"]\n`,
  }));
  shelf = await mkdtemp(join(tmpdir(), `${stack.name}-shelf-`));
  archive = join(shelf, 'point.tar');
  await docker('build', '--quiet', '--tag', `${stack.name}-api:latest`, stack.path('image'));
  await stack.compose('up', '--detach');
  point = await create(stack, 'that travels', '--name', 'traveller', '--save-images', 'auto');
  await ok(stack, 'export', 'traveller', '-o', archive);
  original = {
    files: await filesOf(join(backups(), point)),
    shown: Object.assign({}, await json(stack, 'show', point), { sequence: 0 }),
    actions: await actions(),
  };
});

afterAll(() => rm(shelf, { recursive: true }));

const backups = () => stack.path('rollback/backups');

/** The point is in its project. */
const bringBack = () => ok(stack, 'import', archive);

/** Nobody has heard of the project: containers, images, kept tags and backup directory are gone. */
async function forgetAll(): Promise<void> {
  await stack.compose('down', '--timeout', '1');
  const image = await imageId(`${stack.name}-api:latest`).catch(() => undefined);
  if (image !== undefined) await docker('image', 'rm', '--force', image);
  const kept = Object.keys(await keptTags(stack));
  if (kept.length > 0) await docker('image', 'rm', '--force', ...kept);
  await rm(backups(), { recursive: true, force: true });
}

const actions = async (): Promise<string[]> =>
  (await readFile(join(backups(), 'audit.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ action, result }: { action: string; result: string }) => `${action} ${result}`);

describe('export', () => {
  beforeEach(bringBack);

  test('to a file, once, unless it is forced; the audit trail tells', async () => {
    const before = await actions();
    const folder = await mkdtemp(join(shelf, 'once-'));
    const file = join(folder, 'point.tar');
    const { stdout } = await ok(stack, 'export', 'traveller', '-o', file);
    expect(stdout).toBe(`✓ Exported ${point} to ${file}`);
    const again = await cli(stack, 'export', point, '-o', file);
    expect([again.exitCode, again.stderr]).toEqual([2, expect.stringContaining('--force')]);
    expect(await json(stack, 'export', 'latest', '-o', file, '--force')).toMatchObject({
      id: point,
      project: stack.name,
      file,
    });
    expect(await readdir(folder)).toEqual(['point.tar']);
    expect(original.actions).toEqual(['create done', 'export done']);
    expect(await actions()).toEqual([...before, 'export done', 'export done']);
  });

  test('to standard output, the very same bytes', async () => {
    const words = [MAIN, 'export', 'latest', '-o', '-'];
    const { stdout, stderr } = await execa(process.execPath, words, {
      cwd: stack.directory,
      encoding: 'buffer',
    });
    expect(Buffer.from(stdout).equals(await readFile(archive))).toBe(true);
    expect(Buffer.from(stderr).toString()).toContain(`Exported ${point}`);
    expect((await cli(stack, 'export', 'latest', '-o', '-', '--json')).exitCode).toBe(2);
  });

  test('to a reader that goes away fails with a line', async () => {
    const script = `${process.execPath} ${MAIN} export latest -o - | head -c 1000 > /dev/null; exit "\${PIPESTATUS[0]}"`;
    const { exitCode, stderr } = await execa('bash', ['-c', script], { cwd: stack.directory, reject: false });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('cannot write the archive')]);
  });
});

describe('import, where nothing is left', () => {
  beforeEach(forgetAll);

  test('into an empty folder: the point, its files, its images', async () => {
    const empty = await mkdtemp(join(shelf, 'empty-'));
    const here = (...argv: string[]) => cliWith(stack, { cwd: empty }, ...argv);
    const { exitCode, stdout, stderr } = await here('import', archive);
    expect([exitCode, stdout]).toEqual([0, `✓ Imported ${point} into project ${stack.name}`]);
    expect(stderr).toMatch(new RegExp(`${stack.name}-api:latest +in the point\n`));
    expect(stderr).toMatch(/busybox:latest +on this engine/);
    const there = join(empty, 'rollback/backups');
    // Its record says where it stands in the order of its store.
    const records = { 'point.json': expect.any(String), 'point.json.sha256': expect.any(String) };
    expect(await filesOf(join(there, point))).toEqual({ ...original.files, ...records });
    expect((await here('verify', 'traveller')).exitCode).toBe(0);
    const shown: unknown = JSON.parse((await here('show', 'latest', '--json')).stdout);
    expect(shown).toEqual(original.shown);
    expect((await here('list')).stdout).toContain(point);
    // What is on the engine is kept from a prune again.
    const kept = await docker('image', 'ls', '--format', '{{.Tag}}', 'compose-rollback/kept');
    expect(kept.split('\n').filter((tag) => tag.startsWith(`${point}-`))).toEqual([
      `${point}-${(await imageId('busybox:latest')).replace('sha256:', '').slice(0, 12)}`,
    ]);

    const store = await Store.open(there);
    const { images } = await store.read(point);
    const api = images['api'] ?? expect.fail('no image of api');
    expect(await loadImage(await connectTestEngine(), store, await store.read(point), api.id)).toBe(api.id);
    store.close();
    expect((await here('delete', point, '--yes')).exitCode).toBe(0);
    expect(
      await docker('image', 'ls', '--quiet', '--filter', `reference=compose-rollback/kept:${point}-*`),
    ).toBe('');
  });

  test('into its project, from standard input; a second time it is there already', async () => {
    const words = [MAIN, 'import', '-', '--quiet'];
    const { stdout } = await execa(process.execPath, words, { cwd: stack.directory, inputFile: archive });
    expect(stdout).toBe(point);
    expect((await ok(stack, 'import', archive)).stdout).toBe(
      `${point} is there already; nothing was changed`,
    );
    expect(await json(stack, 'import', archive)).toMatchObject({ id: point, already: true });
    expect(await actions()).toEqual(['import done']);
  });

  test('another project refuses it, unless it is told to take it', async () => {
    const elsewhere = await mkdtemp(join(shelf, 'elsewhere-'));
    await writeFile(
      join(elsewhere, 'compose.yaml'),
      `name: ${stack.name}-too\nservices: { idle: { ${SLEEPER} } }\n`,
    );
    const there = (...argv: string[]) => cliWith(stack, { cwd: elsewhere }, ...argv);
    const refused = await there('import', archive);
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringContaining(`--from-project "${stack.name}"`),
    ]);
    expect((await there('list')).stdout).toContain('Found 0');
    const taken = await there('import', archive, '--from-project', stack.name, '--name', 'theirs');
    expect([taken.exitCode, taken.stdout]).toEqual([
      0,
      expect.stringContaining(`into project ${stack.name}-too`),
    ]);
    expect((await there('verify', 'theirs')).exitCode).toBe(0);
    expect((await there('delete', 'theirs', '--yes')).exitCode).toBe(0);
  });
});

describe('a changed archive', () => {
  test('is refused with what is wrong, and leaves a line in the history', async () => {
    await forgetAll();
    const bytes = await readFile(archive);
    bytes[bytes.indexOf('hunter2')] = 'H'.charCodeAt(0);
    await writeFile(join(shelf, 'changed.tar'), bytes);
    const { exitCode, stderr } = await cli(stack, 'import', join(shelf, 'changed.tar'));
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/the contents of ".*api\.env" have changed/),
    ]);
    expect(stderr).not.toContain('unter2');
    expect((await readdir(backups())).filter((name) => name.includes('rb-'))).toEqual([]);
    expect(await actions()).toEqual(['import failed']);
  });
});

describe('killed half-way', () => {
  test('an import leaves nothing that is listed, and the next command clears up', async () => {
    await forgetAll();
    const bytes = await readFile(archive);
    const importing = spawn(process.execPath, [MAIN, 'import', '-'], {
      cwd: stack.directory,
      env: { ...process.env, COMPOSE_ROLLBACK_LOCK_DIR: stack.locks },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    importing.stdin.on('error', () => undefined); // of what it has not read when it is killed
    importing.stdin.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
    const halves = async () =>
      (await readdir(backups()).catch(() => [])).filter((name) => name.startsWith('.tmp-rb-'));
    await until(async () => (await halves()).length > 0, 'half of it is there');
    importing.kill('SIGKILL');
    await once(importing, 'exit');
    expect((await ok(stack, 'list')).stdout).toContain('Found 0');
    expect(await halves()).toHaveLength(1);
    await ok(stack, 'import', archive);
    expect(await halves()).toEqual([]);
    expect((await ok(stack, 'list', '--quiet')).stdout).toBe(point);
  });
});

test('no space: refused before anything is written', async () => {
  await bringBack();
  const small = await mkdtemp(join(shelf, 'small-'));
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
  try {
    const { exitCode, stderr } = await cli(stack, 'import', archive, '--backup-dir', `${small}/points`);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/no space for the point .*: \d+ MB needed, \d MB free/),
    ]);
    expect((await readdir(`${small}/points`)).filter((name) => name.includes('rb-'))).toEqual([]);
    const full = await cli(stack, 'export', 'latest', '-o', `${small}/point.tar`);
    expect([full.exitCode, full.stderr]).toEqual([1, expect.stringContaining('ENOSPC')]);
    expect((await readdir(small)).filter((name) => name.includes('.tar'))).toEqual([]);
  } finally {
    await execa('umount', [small]);
  }
});
