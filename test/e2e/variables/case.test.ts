import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import {
  answer,
  aStack,
  buildApi,
  cliWith,
  docker,
  freePort,
  until,
  type CliResult,
  type Stack,
} from '../../support/e2e.js';
import { composeAs } from '../../support/round-trip.js';

/** Variables that were only in the shell which started the stack: in effect again after a rollback, and never told. */

let stack: Stack;
let port: number;
let images: { v2: string; v3: string };

const PASSWORDS = { v2: 'correct-horse-two', v3: 'battery-staple-three' };

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-variables', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  api:
    image: ${name}-api:\${TAG:?no tag was given}
    environment: { PASSWORD: '\${PASSWORD}' }
    ports: ['127.0.0.1:${port}:8000']
`,
  }));
  images = {
    v2: await buildApi(stack, `${stack.name}-api:v2`, 'v2'),
    v3: await buildApi(stack, `${stack.name}-api:v3`, 'v3'),
  };
  await up('v2');
  await inShell({}, 'create', 'v2 runs');
  await up('v3');
});

beforeEach(async () => {
  if ((await answer(port)) !== 'v3') await up('v3');
});

/** `TAG=… PASSWORD=… docker compose up -d` */
async function up(version: 'v2' | 'v3'): Promise<void> {
  const env = { TAG: version, PASSWORD: PASSWORDS[version] };
  await composeAs(stack, { env }, 'up', '-d');
  await until(async () => (await answer(port)) === version, `the API answers ${version}`);
}

/** What succeeds, and tells no value. */
async function inShell(env: Record<string, string>, ...argv: string[]): Promise<CliResult> {
  const result = await cliWith(stack, { env: { TAG: undefined, PASSWORD: undefined, ...env } }, ...argv);
  expect(result.exitCode, result.stderr).toBe(0);
  for (const value of [...Object.values(PASSWORDS), 'another'])
    expect(result.stdout + result.stderr).not.toContain(value);
  return result;
}

async function running(): Promise<{ image: string; password: string | undefined }> {
  const [id = ''] = await stack.ids('api');
  const format = '{{.Image}} {{range .Config.Env}}{{println .}}{{end}}';
  const [image = '', ...env] = (await docker('inspect', '--format', format, id)).split(/\s+/);
  return { image, password: env.find((one) => one.startsWith('PASSWORD='))?.slice('PASSWORD='.length) };
}

test.each([
  ['in a shell without them', {}, 'v2', 'v3'],
  ['in a shell with others', { TAG: 'v9', PASSWORD: 'another' }, 'v2', 'v3'],
] as const)(
  'rollback and undo %s; values are stored in the secret files of a point alone',
  async (_, env, then, now) => {
    await inShell(env, 'rollback', 'latest', '--yes');
    expect(await answer(port)).toBe(then);
    expect(await running()).toEqual({ image: images[then], password: PASSWORDS[then] });

    await inShell(env, 'undo', '--yes');
    expect(await answer(port)).toBe(now);
    expect(await running()).toEqual({ image: images[now], password: PASSWORDS[now] });
    expect(await holders()).toEqual(['facts.json', 'model.json']);
  },
);

test('no value is printed by what only looks', async () => {
  const all = ['--verbose', '--json'];
  await inShell({ PASSWORD: 'another' }, 'rollback', 'latest', '--dry-run');
  await inShell({}, 'rollback', 'latest', '--dry-run', ...all);
  for (const command of [
    ['show', 'latest'],
    ['diff', 'latest'],
  ])
    await inShell({}, ...command);
  for (const command of [
    ['show', 'latest'],
    ['diff', 'latest'],
    ['status'],
    ['history'],
    ['runs'],
    ['list'],
  ]) {
    await inShell({}, ...command, ...all);
  }
});

/** Names of the stored files with values in them: the secret files of a point, and no others. */
async function holders(): Promise<string[]> {
  const backups = stack.path('rollback/backups');
  const entries = await readdir(backups, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = new Set<string>();
  for (const file of files) {
    const bytes = await readFile(file);
    if (Object.values(PASSWORDS).some((value) => bytes.includes(value))) found.add(basename(file));
  }
  return [...found].toSorted();
}
