import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { DOCUMENTS } from '../../src/model/documents.js';
import { builtCli, call, documentOf } from '../support/cli.js';
import { storeWithPoints } from '../support/cli-store.js';
import { isMissing } from '../support/needs.js';

/** The real program without an engine: mistakes, flags, output, completion, scripts. */

const cli = builtCli();
/** Any engine would be asked there, and nobody answers. */
const NO_ENGINE = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };

let home = '';
/** A project with points in its store; a directory without a project. */
let shop = '';
let nowhere = '';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cli-usage-'));
  shop = join(home, 'shop');
  nowhere = join(home, 'nowhere');
  await mkdir(shop);
  await mkdir(nowhere);
  await writeFile(join(shop, 'compose.yaml'), 'name: shop\nservices: { api: { image: busybox } }\n');
  await writeFile(join(shop, 'other.yaml'), 'name: other\nservices: { api: { image: busybox } }\n');
  await storeWithPoints(join(shop, 'rollback/backups'), 'shop');
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

const inShop = (...argv: string[]) => cli.run(argv, { cwd: shop, env: NO_ENGINE });

describe('a mistake is told in one clear line, with what to do', () => {
  it.each<[string, string[], number, RegExp]>([
    ['a mistyped command', ['lst'], 2, /unknown command 'lst'\nhint: did you mean list\?/],
    ['an unknown command', ['frobnicate'], 2, /unknown command 'frobnicate'/],
    ['an unknown flag', ['list', '--sfety'], 2, /unknown option '--sfety'\nhint: did you mean --safety\?/],
    ['an unknown global flag', ['--frob', 'list'], 2, /unknown option '--frob'/],
    ['a flag without its value', ['list', '-p'], 2, /'-p, --project-name <name>' argument missing/],
    ['an empty value', ['list', '--project-name', ''], 2, /--project-name was given an empty value/],
    [
      'a value that is no choice',
      ['--engine', 'lxc', 'list'],
      2,
      /'lxc' is invalid. Allowed choices are auto, docker, podman/,
    ],
    ['too many words', ['create', 'two', 'words'], 2, /too many arguments.*\nhint: put quotes around/],
    ['a missing word', ['show'], 2, /missing required argument 'point'/],
    [
      'a path for a point',
      ['show', '../../etc/passwd'],
      2,
      /"..\/..\/etc\/passwd" is neither the id nor the name of a point/,
    ],
    ['an escape for a point', ['show', 'a\u001b[31m'], 2, /"a\\u001b\[31m" is neither/],
    ['an unknown point', ['show', 'rb-ffffffffffff'], 10, /no point has the id rb-ffffffffffff/],
    ['an unknown name', ['show', 'nosuch'], 10, /no point is named "nosuch"/],
    ['an ambiguous prefix', ['show', 'rb-'], 2, /rb- could be/],
    [
      'two points where one can be meant',
      ['rollback', 'latest', '--to-snapshot', 'stable'],
      2,
      /only one of them can be meant/,
    ],
    ['a point and --healthy', ['rollback', 'latest', '--healthy'], 2, /a point and --healthy were given/],
    [
      'data of no healthy point',
      ['quick-rollback', '--with-volumes', '--yes'],
      2,
      /says something about --healthy/,
    ],
    ['a verify of one and all', ['verify', 'latest', '--all'], 2, /only one of them can be meant/],
    ['a drill of all', ['verify', '--all', '--drill'], 2, /--drill and --all were given/],
    ['a number that is none', ['cleanup', '--keep-last', 'ten'], 2, /'ten' is invalid. Give a whole number/],
    ['an age that is none', ['cleanup', '--older-than', '30'], 2, /Give an age such as 30d/],
    ['a cleanup of nothing', ['cleanup'], 2, /nothing says which points/],
    ['services without a name', ['rollback', '--services', 'a,,b', 'latest'], 2, /Give names with commas/],
    [
      'an exit code without a dry run',
      ['rollback', 'latest', '--detailed-exitcode', '--yes'],
      2,
      /dry runs only/,
    ],
    [
      'an unknown kind of point',
      ['list', '--kind', 'manual,daily'],
      2,
      /"daily" is not a kind of point\nhint: give one of manual, deploy, guard, heal, safety, migration\n$/,
    ],
    ['no kind of point', ['list', '--kind', ''], 2, /--kind <kind>' argument '' is invalid. Give names/],
    ['a kind flag without its value', ['list', '--kind'], 2, /'--kind <kind>' argument missing/],
    ['an unknown shell', ['completion', 'ksh'], 2, /'ksh' is invalid.*bash, zsh, fish/],
    ['an unknown document', ['schema', 'nonsense'], 2, /there is no document "nonsense"/],
    ['a bad name', ['create', '--name', '-x'], 2, /"-x" cannot be the name of a point/],
    ['a description of two lines', ['create', 'a\nb'], 2, /line breaks or control characters/],
    ['a description too long', ['create', 'x'.repeat(501)], 2, /has 501 characters; 500 fit/],
    ['an engine that does not answer', ['status'], 1, /engine|docker\.sock/i],
  ])('%s', async (_, argv, code, message) => {
    const ended = await inShop(...argv);
    expect(ended.stderr).toMatch(message);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(/^compose-rollback: \S/);
    expect(ended.stderr).not.toMatch(/^\s+at |node:internal|Error:/m);
  });

  it('without a project', async () => {
    const ended = await cli.run(['list'], { cwd: nowhere });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(
      /^compose-rollback: no compose file in .*nowhere or a folder above it\nhint: /,
    );
  });

  it('an engine over ssh that does not answer is one line and a hint', async () => {
    const { code, stderr } = await inShop('--host', 'ssh://127.0.0.1:9', 'create');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^compose-rollback: no engine answers at ssh:.*ECONNREFUSED.*\nhint: .*\n$/);
  });

  it('as a document with --json, with the same exit code', async () => {
    for (const [argv, code] of [
      [['show', 'nosuch', '--json'], 10],
      [['--json', 'lst'], 2],
      [['list', '--frob', '--json'], 2],
    ] as const) {
      const ended = await inShop(...argv);
      expect(ended).toMatchObject({ code, stderr: '' });
      documentOf('error', ended.stdout);
    }
  });
});

describe('without a terminal', () => {
  it.each([
    [['rollback', 'latest']],
    [['rollback']],
    [['quick-rollback']],
    [['rollback-service', 'api']],
    [['undo']],
    [['delete', 'latest']],
    [['cleanup', '--keep-last', '1']],
  ])('%j is refused before anything is looked at', async (argv) => {
    for (const input of [undefined, 'yes\n']) {
      const ended = await cli.run(argv, { cwd: nowhere, env: NO_ENGINE, ...(input ? { input } : {}) });
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toMatch(
        /confirmed and there is no terminal to ask on; nothing was touched\nhint: add --yes/,
      );
    }
  });

  it('no point can be chosen, --yes or not', async () => {
    const ended = await inShop('rollback', '--yes');
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/no point was named and there is no terminal/);
  });
});

describe('global flags', () => {
  it.each([
    [['-f', 'other.yaml', '--backup-dir', 'rollback/backups', 'list', '--json']],
    [['list', '--json', '-f', 'other.yaml', '--backup-dir', 'rollback/backups']],
    [['--json', 'list', '--backup-dir=rollback/backups', '-fother.yaml']],
  ])('%j work before and after the command', async (argv) => {
    const ended = await inShop(...argv);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ended.stdout)).toEqual({ points: [] }); // those of the project `other`
  });

  it('--quiet leaves the ids alone', async () => {
    const { stdout, stderr } = await inShop('list', '--quiet');
    expect(stdout).toBe('rb-000000000003\nrb-000000000001\n');
    expect(stderr).toBe('');
  });

  it('a word behind -- is no flag', async () => {
    const ended = await inShop('show', '--', '--json');
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(/"--json" is neither/);
  });

  it('--verbose alone shows a stack', async () => {
    const { stderr } = await inShop('status', '--verbose');
    expect(stderr).toMatch(/^ {2}\| /m);
  });
});

describe('list', () => {
  it('reads like the reference, and leaves out safety and guard points', async () => {
    const { stdout } = await inShop('list');
    expect(stdout).toBe(`Found 2 rollback point(s):

1. [rb-000000000003]
   Description: Before \\x1b[31mred\\x1b[0m
   Created: 2025-11-05 17:30:00 UTC
   Services: redis, api, prometheus, grafana
   Images: 4
   Git commit: 6c3d2010

2. [rb-000000000001]
   Description: Before migration
   Name: stable
   Created: 2025-11-04 14:20:00 UTC
   Services: redis, api, prometheus, grafana
   Images: 4
   Volumes: 2 backed up
   Pinned: yes
`);
    expect((await inShop('list', '--safety')).stdout).toContain('Kind: safety');
  });

  it.each<[string[], number[]]>([
    [[], [3, 1]],
    [['--safety'], [3, 2, 1]],
    [['--kind', 'guard'], [4]],
    [
      ['--kind', 'guard', '--kind', 'safety'],
      [4, 2],
    ],
    [
      ['--kind', 'manual,safety'],
      [3, 2, 1],
    ],
    [
      ['--kind', 'guard', '--safety'],
      [4, 2],
    ],
    [['--kind', 'deploy'], []],
  ])('%j lists the points %j', async (argv, expected) => {
    const { stdout } = await inShop('list', '--quiet', ...argv);
    expect(stdout).toBe(expected.map((number) => `rb-00000000000${number}\n`).join(''));
  });

  it('suggests to make a point only when no kind was asked for', async () => {
    const filtered = await inShop('list', '--kind', 'deploy');
    expect(filtered).toMatchObject({ code: 0, stdout: 'Found 0 rollback points.\n', stderr: '' });
    const all = await inShop('-f', 'other.yaml', '--backup-dir', 'rollback/backups', 'list');
    expect(all).toMatchObject({ code: 0, stdout: 'Found 0 rollback points.\n' });
    expect(all.stderr).toMatch(/^Make one with: compose-rollback create/);
  });

  it('prints a document that keeps to its schema', async () => {
    const { stdout } = await inShop('list', '--json');
    expect(documentOf('list', stdout)).toMatchObject({
      points: [{ id: 'rb-000000000003' }, { id: 'rb-000000000001', name: 'stable' }],
    });
  });

  it('loads no library that it does not need', async () => {
    const file = join(home, 'loaded');
    const hook = new URL('../support/log-modules.mjs', import.meta.url).href;
    const env = { LOADED_MODULES: file };
    await cli.run(['list'], { cwd: shop, env, nodeOptions: ['--import', hook] });
    const dist = new URL('../../dist/', import.meta.url);
    const files = JSON.parse(await readFile(new URL('meta.json', dist), 'utf8'));
    const loaded = (await readFile(file, 'utf8')).split('\n').filter((url) => url.startsWith(dist.href));
    const bundled = loaded.flatMap((url): string[] => files[`dist/${url.slice(dist.href.length)}`]);
    expect(bundled).toContain('src/store/index-db.ts');
    const libraries = bundled.map((from) => /^node_modules\/([^/]+)/.exec(from)?.[1]);
    const names = [...new Set(libraries)].flatMap((name) => name ?? []).toSorted();
    expect(names).toEqual(['better-sqlite3', 'commander']);
    expect(bundled).not.toContain('src/session/open.ts');
  });

  it.skipIf(isMissing('script'))(
    'has no colours where nobody sees them, nor where nobody wants them',
    async () => {
      expect((await inShop('list')).stdout).not.toContain('\u001b');
      for (const [argv, env, coloured] of [
        [['list'], { NO_COLOR: '' }, true],
        [['list', '--no-color'], { NO_COLOR: '' }, false],
        [['list'], { NO_COLOR: '1' }, false],
        [['list'], { NO_COLOR: '', TERM: 'dumb' }, false],
      ] as const) {
        const terminal = cli.terminal([...argv], { cwd: shop, env });
        expect(await terminal.ended()).toBe(0);
        expect(terminal.shown.includes('\u001b[1m')).toBe(coloured);
      }
    },
  );

  it.skipIf(isMissing('bash'))('ends quietly when nobody reads on', async () => {
    const ended = await call(
      'bash',
      ['-c', 'set -o pipefail; "$0" "$1" list | true; echo "${PIPESTATUS[0]}"', process.execPath, cli.main],
      { cwd: shop },
    );
    expect(ended).toMatchObject({ stdout: '0\n', stderr: '' });
  });

  it.skipIf(isMissing('bash'))('says so when its output is lost', async () => {
    const ended = await call('bash', ['-c', '"$0" "$1" list > /dev/full', process.execPath, cli.main], {
      cwd: shop,
    });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/the output was lost: .*no space/i);
  });
});

describe('help', () => {
  it('lists every command, and fits 80 columns', async () => {
    const { code, stdout } = await cli.run([]);
    expect(code).toBe(0);
    for (const { name } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect((await cli.run(['--help'])).stdout).toBe(stdout);
  });

  it.each(COMMANDS.map(({ name }) => name))('%s has help of its own', async (name) => {
    const { code, stdout, stderr } = await cli.run([name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: compose-rollback ${name}`));
  });

  it('help NAME prints what NAME --help prints', async () => {
    expect((await cli.run(['help', 'list'])).stdout).toBe((await cli.run(['list', '--help'])).stdout);
  });

  it('a command that only has others of its own tells them', async () => {
    const { code, stdout } = await cli.run(['migrate']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: (await cli.run(['migrate', '--help'])).stdout });
    expect(stdout).toMatch(/^ {2}backup\b/m);
    expect((await cli.run(['help', 'migrate', 'backup'])).stdout).toMatch(/^Usage: .* migrate backup/);
  });

  it('tells the version, docker too', async () => {
    const metadata = await cli.run(['docker-cli-plugin-metadata']);
    expect(JSON.parse(metadata.stdout)).toHaveProperty('Version', expect.stringMatching(/^\d+\.\d+\.\d+$/));
    expect((await cli.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

it.each(Object.keys(DOCUMENTS))('schema %s is JSON Schema', async (name) => {
  const { code, stdout } = await cli.run(['schema', name]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toHaveProperty('$schema');
});

describe('init', () => {
  it('writes settings once', async () => {
    const project = await mkdtemp(join(home, 'init-'));
    await writeFile(join(project, 'compose.yaml'), 'services: {}\n');
    const first = await cli.run(['init', '--json'], { cwd: project });
    expect(first.code).toBe(0);
    expect(documentOf('init', first.stdout)).toMatchObject({
      config: join(project, 'rollback.yaml'),
    });
    const second = await cli.run(['init'], { cwd: project });
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/rollback.yaml is there already; nothing was changed/);
  });
});
