import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answer, docker, json, MAIN, ok, type CliResult } from '../../support/e2e.js';
import { dockerConfigWithPlugin } from '../../support/plugin.js';
import { aShop, type Shop } from '../../support/shop.js';

/** What README.md tells people to type is typed here, in order, on a stack that every deployment breaks. */

const PACKAGE = fileURLToPath(new URL('../../..', import.meta.url));

/** What is not for a project's folder: who runs it instead. */
const RUN_ELSEWHERE: Record<string, string> = {
  'npm ci && npm run build': 'scripts/lib.sh, before any test',
  'npm link': 'nobody: here compose-rollback is on the PATH by a link of our own',
  'scripts/demo.sh': 'test/e2e/demo',
  'scripts/test.sh': '.ci/run: it runs this',
  // It takes none, and writes files.
  'compose-rollback migrate quadlet': 'test/e2e/migrate-quadlet',
  'compose-rollback migrate quadlet --output units': 'test/e2e/migrate-quadlet',
  // It takes both engines.
  'compose-rollback migrate to-podman --dry-run': 'test/e2e/migrate-move',
  'compose-rollback migrate to-podman': 'test/e2e/migrate-move',
  'compose-rollback migrate to-podman --quadlet units': 'test/e2e/migrate-to-units',
  'compose-rollback migrate to-docker': 'test/e2e/migrate-move',
  'compose-rollback undo': 'test/e2e/migrate-move',
  'compose-rollback migrate finalize': 'test/e2e/migrate-move',
  'compose-rollback migrate rollback-to-docker --keep-data': 'test/e2e/migrate-move',
  'compose-rollback migrate validate': 'test/e2e/migrate-validate',
  'compose-rollback migrate validate --detailed': 'test/e2e/migrate-validate',
  'compose-rollback migrate validate --fix-issues --export-report': 'test/e2e/migrate-validate',
  'docker compose pull && docker compose up -d':
    'this test, after each point: there is no registry to pull from',
};

/** Commands that end otherwise than with 0, because that is what the README says of them. */
const EXPECTED_EXITS: Record<string, number> = {};

const readme = await readFile(`${PACKAGE}/README.md`, 'utf8');

interface Block {
  language: string;
  text: string;
}

const blocks: Block[] = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
  ([, language = '', text = '']) => ({ language, text }),
);

/** Lines of `sh` blocks, and lines after a prompt in all others; remarks at their ends left out. */
function commandsOf({ language, text }: Block): string[] {
  const lines = text.replaceAll(/\\\n\s*/g, '').split('\n');
  const typed = language === 'sh' ? lines : lines.flatMap((line) => /^\$ (.*)$/.exec(line)?.[1] ?? []);
  return typed.map((line) => line.replace(/(?:^|\s+)#.*$/, '').trim()).filter((line) => line !== '');
}

/** While it is there, v2 answers and is not healthy. */
const BROKEN = 'data/broken-v2';

let shop: Shop;
let env: Record<string, string>;

beforeAll(async () => {
  shop = await aShop('e2e-readme', {
    api: `    volumes: ['./data:/data']\n    labels: ['rollback.health_timeout=3s']`,
    files: { [BROKEN]: '' },
  });
  await mkdir(`${shop.locks}/bin`);
  env = {
    PATH: `${shop.locks}/bin:${process.env['PATH'] ?? ''}`,
    DOCKER_CONFIG: await dockerConfigWithPlugin(shop.locks),
    COMPOSE_ROLLBACK_LOCK_DIR: shop.locks,
  };
  await symlink(MAIN, `${shop.locks}/bin/compose-rollback`);
  await mkdir(shop.path('rollback'), { recursive: true });
  await symlink(`${PACKAGE}/rollback/scripts`, shop.path('rollback/scripts'));
  await mkdir(`${shop.locks}/node_modules`);
  await symlink(PACKAGE, `${shop.locks}/node_modules/compose-rollback`);
  // Points come and go; the images stay.
  for (const version of ['v1', 'v2'] as const)
    await docker('tag', shop.images[version], `${shop.name}-api:${version}`);
});

// As the README begins: v1 runs, v2 is broken, there is no point and no configuration.
beforeEach(async () => {
  for (const path of ['rollback.yaml', 'point.tar', '.docker-backup'])
    await rm(shop.path(path), { recursive: true, force: true });
  await shop.write({ [BROKEN]: '' });
  await ok(shop, 'abort'); // of a run that a failed test left
  const { points } = Object(await json(shop, 'list', '--safety'));
  const ids: string[] = points.map(({ id }: { id: string }) => id);
  if (ids.length > 0) await ok(shop, 'delete', ...ids, '--force', '--yes');
  await deploy('v1');
});

async function deploy(version: 'v1' | 'v2'): Promise<void> {
  await docker('tag', shop.images[version], shop.tag);
  await shop.compose('up', '--detach');
  await shop.serves(version);
}

async function type(script: string): Promise<CliResult> {
  const { exitCode, stdout, stderr } = await execa('bash', ['-c', script], {
    cwd: shop.directory,
    env,
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

describe('commands', () => {
  test('all that are typed, in their order', async () => {
    for (const command of blocks.flatMap(commandsOf)) {
      if (command in RUN_ELSEWHERE) continue;
      expect(command).toMatch(/^(?:compose-rollback|docker rollback|(?:\.\/)?rollback\/scripts\/\w+\.sh)\b/);
      const { exitCode, stderr } = await type(command);
      expect({ command, exitCode, stderr }).toEqual({
        command,
        exitCode: EXPECTED_EXITS[command] ?? 0,
        stderr,
      });
      if (/\bcreate\b/.test(command)) await deploy('v2');
    }
  }, 360_000);

  test('there are some, and those that are run elsewhere are still there', () => {
    const all = blocks.flatMap(commandsOf);
    expect(all.length).toBeGreaterThan(8);
    expect(all).toEqual(expect.arrayContaining(Object.keys(RUN_ELSEWHERE)));
  });
});

describe('the deploy script', () => {
  const scripts = blocks.filter(({ language }) => language === 'bash');
  const deployScript = () =>
    (scripts[0]?.text ?? '')
      .replace('docker compose pull', `docker tag ${shop.images.v2} ${shop.tag}`)
      .replace('localhost:8000', `localhost:${shop.port}`);

  test('is the only one', () => {
    expect(scripts).toHaveLength(1);
  });

  test('lets a good release be', async () => {
    await rm(shop.path(BROKEN), { force: true });
    expect((await type(deployScript())).exitCode).toBe(0);
    expect(await answer(shop.port, '/health')).toBe('v2');
  });

  test('takes a broken release back', async () => {
    expect((await type(deployScript())).exitCode).toBe(1);
    expect(await answer(shop.port, '/health')).toBe('v1');
  });
});

test('the configuration is accepted', async () => {
  const examples = blocks.filter(({ language }) => language === 'yaml');
  expect(examples).toHaveLength(1);
  await shop.write({ 'rollback.yaml': examples[0]?.text ?? '' });
  const { exitCode, stderr } = await type('compose-rollback status');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
});

test('the example of the library runs', async () => {
  const examples = blocks.filter(({ language }) => language === 'ts');
  expect(examples).toHaveLength(1);
  await writeFile(`${shop.locks}/example.mjs`, examples[0]?.text ?? '');
  const { exitCode, stdout, stderr } = await type(`node ${shop.locks}/example.mjs`);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toContain('GET /health answered 200');
});
