import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

/** Packs the built project, installs the tarball in an empty project, and uses it there. Needs no engine. */

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(PACKAGE, 'node_modules/typescript-native/bin/tsc');

/** The empty project. */
let folder = '';
/** Paths in the tarball. */
let files: string[] = [];

interface Packed {
  filename: string;
  files: { path: string }[];
}

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'package-')));
  const packed = await execa({ cwd: PACKAGE })`npm pack --json --pack-destination ${folder}`;
  const [tarball]: [Packed] = JSON.parse(packed.stdout);
  files = tarball.files.map(({ path }) => path);
  await writeJson('package.json', { private: true, type: 'module' });
  await writeJson('package-lock.json', { lockfileVersion: 3, packages: await productionPackages() });
  const quietly = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  await execa('npm', ['install', ...quietly, `./${tarball.filename}`], { cwd: folder });
  // Building its native module takes a minute; the checkout has it already.
  const sqlite = 'node_modules/better-sqlite3';
  await rm(join(folder, sqlite), { recursive: true });
  await symlink(join(PACKAGE, sqlite), join(folder, sqlite));
  await mkdir(join(folder, 'shop'));
  await writeFile(join(folder, 'shop/compose.yaml'), 'services: { api: { image: busybox } }\n');
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function writeJson(name: string, document: object): Promise<void> {
  await writeFile(join(folder, name), JSON.stringify(document));
}

/** The checkout's locked versions of `dependencies`: npm cached them when it installed the checkout. */
async function productionPackages(): Promise<object> {
  const text = await readFile(join(PACKAGE, 'package-lock.json'), 'utf8');
  const { packages }: { packages: Record<string, { dev?: boolean }> } = JSON.parse(text);
  return Object.fromEntries(Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev));
}

describe('the tarball', () => {
  it('contains only the files that users need', () => {
    const chunks = files.filter((path) => path.startsWith('dist/chunks/'));
    expect(files.filter((path) => !chunks.includes(path)).toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'compose.example.yaml',
      'dist/index.d.ts',
      'dist/index.js',
      'dist/main.js',
      'dist/podman-gate.sh',
      'dist/watchdog.js',
      'package.json',
      'rollback/scripts/create_rollback_point.sh',
      'rollback/scripts/delete_rollback_point.sh',
      'rollback/scripts/lib.sh',
      'rollback/scripts/list_rollback_points.sh',
      'rollback/scripts/quick_rollback.sh',
      'rollback/scripts/rollback.sh',
      'rollback/scripts/rollback_service.sh',
      'scripts/backup-docker-config.sh',
      'scripts/migration-recovery.sh',
      'scripts/rollback-to-docker.ps1',
      'scripts/rollback-to-docker.sh',
      'scripts/validate-migration-prerequisites.sh',
    ]);
    expect(chunks.filter((path) => !/\.(?:js|cjs|LEGAL\.txt)$/.test(path))).toEqual([]);
  });
});

describe('the library', () => {
  /** No `types` and no DOM: the package itself has to bring the types that its declarations use. */
  const compilerOptions = {
    strict: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023'],
    types: [],
  };

  it('compiles in a strict program, which runs', async () => {
    const consumer = await readFile(join(import.meta.dirname, 'consumer.ts'), 'utf8');
    await writeFile(
      join(folder, 'consumer.ts'),
      consumer.replace("'../../src/index.js'", "'compose-rollback'"),
    );
    await writeJson('tsconfig.json', { compilerOptions, files: ['consumer.ts'] });
    const compiled = await execa({ cwd: folder, reject: false })`${TSC} --project .`;
    expect(compiled).toMatchObject({ exitCode: 0, stdout: '' });
    const { stdout } = await execa({ cwd: folder })`node consumer.js shop`;
    const { documents, ...rest }: { documents: number } = JSON.parse(stdout);
    expect(documents).toBeGreaterThan(20);
    expect(rest).toEqual({
      version: manifest.version,
      points: [],
      runs: [],
      history: [],
      schemas: documents,
      code: 'no-such-point',
    });
  });
});

describe('the program', () => {
  it('runs through npx', async () => {
    const cwd = join(folder, 'shop');
    const { stdout } = await execa({ cwd })`npx --no -- compose-rollback list --json`;
    expect(JSON.parse(stdout)).toMatchObject({ points: [] });
  });

  it('knows its version', async () => {
    const { stdout } = await execa(join(folder, 'node_modules/.bin/compose-rollback'), ['--version']);
    expect(stdout).toBe(manifest.version);
  });

  it('describes itself to docker as a plugin', async () => {
    const plugin = join(folder, 'node_modules/.bin/docker-rollback');
    const { stdout } = await execa(plugin, ['docker-cli-plugin-metadata']);
    expect(JSON.parse(stdout)).toMatchObject({ SchemaVersion: '0.1.0', Version: manifest.version });
  });
});
