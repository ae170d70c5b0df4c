import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtCli, call } from '../support/cli.js';
import { storeWithPoints } from '../support/cli-store.js';
import { skipWithout } from '../support/needs.js';

/** What shells see of the program: completion in bash, zsh and fish, and the scripts in rollback/scripts. */

const cli = builtCli();
let shop = '';

beforeAll(async () => {
  shop = await mkdtemp(join(tmpdir(), 'cli-shells-'));
  await writeFile(join(shop, 'compose.yaml'), 'name: shop\nservices: { api: { image: busybox } }\n');
  await storeWithPoints(join(shop, 'rollback/backups'), 'shop');
});
afterAll(async () => {
  await rm(shop, { recursive: true, force: true });
});

const path = () => [cli.bin, process.env['PATH'] ?? ''].join(delimiter);

/** Words typed so far, the last one still being typed, and what is offered. */
const CASES: [string[], string[]][] = [
  [['cre'], ['create']],
  [['rollb'], ['rollback', 'rollback-service']],
  [
    ['show', ''],
    ['rb-000000000003', 'rb-000000000001', 'stable', 'latest'],
  ],
  [['show', 'sta'], ['stable']],
  [['--json', 'delete', 'stable', 'la'], ['latest']],
  [['rollback-service', 're'], ['redis']],
  [['rollback', '--services', 'redis,gr'], ['redis,grafana']],
  [
    ['--engine', ''],
    ['auto', 'docker', 'podman'],
  ],
  [['rollback', '--to-snapshot', ''], ['stable']],
  [['list', '--saf'], ['--safety']],
  [
    ['list', '--kind', ''],
    ['manual', 'deploy', 'guard', 'heal', 'safety', 'migration'],
  ],
  [['list', '--kind', 'manual,de'], ['manual,deploy']],
  [['list', '--kind', 'deploy', '--kind', 'gu'], ['guard']],
  [['completion', 'f'], ['fish']],
  [['schema', 'his'], ['history']],
  [['-f', 'comp'], ['compose.yaml']],
  [['--backup-dir', 'roll'], ['rollback']],
  [['undo', ''], []],
  [['migrate', 'b'], ['backup']],
  [['--json', 'migrate', 'backup', '--verif'], ['--verify-only']],
  [
    ['migrate', 'backup', '--include-data', '--engine', ''],
    ['auto', 'docker', 'podman'],
  ],
  [['migrate', 'backup', ''], []],
  [['migrate', 'frobnicate', '--verif'], []],
  [['migrate', 'recover', 'd'], ['diagnose']],
  [['-p', 'nosuch', 'show', ''], []],
  [['frobnicate', 'x', ''], []],
];

/** What was offered, sorted, without fish's descriptions and the slash behind directories. */
function wordsOf(stdout: string): string[] {
  const words = stdout.split('\n').map((line) => (line.split('\t')[0] ?? '').replace(/\/$/, ''));
  return words.filter((word) => word !== '').toSorted();
}

describe('completion', () => {
  /** Has what `completion` prints for each shell, printed once. */
  let scripts = '';
  const scriptFor = (shell: string) => join(scripts, shell);

  beforeAll(async () => {
    scripts = await mkdtemp(join(tmpdir(), 'cli-completion-'));
    for (const shell of ['bash', 'zsh', 'fish']) {
      await writeFile(scriptFor(shell), (await cli.run(['completion', shell])).stdout);
    }
  });
  afterAll(async () => {
    await rm(scripts, { recursive: true, force: true });
  });

  describe('in bash', () => {
    skipWithout('bash');

    it.each(CASES)('%j', async (words, expected) => {
      const script = `
        source ${scriptFor('bash')}
        compopt() { :; } # only the line editor has it
        COMP_WORDS=(compose-rollback "$@")
        COMP_CWORD=$#
        _compose_rollback
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = await call('bash', ['-c', script, 'bash', ...words], {
        cwd: shop,
        env: { PATH: path() },
      });
      expect(stderr).toBe('');
      expect(wordsOf(stdout)).toEqual(expected.toSorted());
    });
  });

  describe('in zsh', () => {
    skipWithout('zsh');

    it.each(CASES)('%j', async (words, expected) => {
      const script = `
        autoload -Uz compinit && compinit -u -D
        source ${scriptFor('zsh')}
        [[ $_comps[compose-rollback] == _compose_rollback ]] || exit 9
        # The line editor's own functions, which want a line to edit.
        _describe() { for one in "\${candidates[@]}"; do [[ $one == "$words[CURRENT]"* ]] && print -r -- "\${one%%:*}"; done; return 0 }
        _files() { if [[ $1 == -/ ]]; then print -rl -- "$words[CURRENT]"*(/N); else print -rl -- "$words[CURRENT]"*(N); fi }
        words=(compose-rollback "$@")
        CURRENT=$#words
        _compose_rollback`;
      const ended = await call('zsh', ['-f', '-c', script, 'zsh', ...words], {
        cwd: shop,
        env: { PATH: path() },
      });
      expect(ended).toMatchObject({ code: 0, stderr: '' });
      expect(wordsOf(ended.stdout)).toEqual(expected.toSorted());
    });
  });

  describe('in fish', () => {
    skipWithout('fish');

    it.each(CASES)('%j', async (words, expected) => {
      const script = `source ${scriptFor('fish')}; complete -C "compose-rollback $argv"`;
      const { stdout, stderr } = await call('fish', ['--no-config', '-c', script, '--', ...words], {
        cwd: shop,
        env: { PATH: path() },
      });
      expect(stderr).toBe('');
      expect(wordsOf(stdout)).toEqual(expected.toSorted());
    });
  });

  it('says nothing of what goes wrong', async () => {
    await writeFile(join(shop, 'broken.db'), 'x');
    const ended = await cli.run(['__complete', '--backup-dir', 'broken.db', 'show', ''], { cwd: shop });
    expect(ended).toEqual({ code: 0, stdout: ':4\n', stderr: '' });
  });
});

describe('the scripts', () => {
  skipWithout('bash');

  const SCRIPTS = fileURLToPath(new URL('../../rollback/scripts', import.meta.url));
  let fake = '';
  beforeAll(async () => {
    fake = await mkdtemp(join(tmpdir(), 'cli-fake-'));
    const program = join(fake, 'compose-rollback');
    await writeFile(program, '#!/bin/sh\npwd\nprintf "<%s>\\n" "$@"\nexit 7\n');
    await chmod(program, 0o755);
  });
  afterAll(async () => {
    await rm(fake, { recursive: true, force: true });
  });

  it.each<[string, string[], string[]]>([
    ['create_rollback_point', ['Before v2.0'], ['create', '--', 'Before v2.0']],
    [
      'create_rollback_point',
      ['Before v2.0', '--include-volumes'],
      ['create', '--include-volumes', '--', 'Before v2.0'],
    ],
    [
      'create_rollback_point',
      ['--include-volumes', 'Before v2.0'],
      ['create', '--include-volumes', '--', 'Before v2.0'],
    ],
    [
      'create_rollback_point',
      ['--yes; $(rm -rf x)', '--pin'],
      ['create', '--pin', '--', '--yes; $(rm -rf x)'],
    ],
    ['create_rollback_point', ['--json'], ['create', '--', '--json']],
    ['list_rollback_points', [], ['list']],
    ['list_rollback_points', ['--json'], ['list', '--json']],
    ['rollback', ['rb-a1b2c3d4e5f6', '--dry-run'], ['rollback', 'rb-a1b2c3d4e5f6', '--dry-run']],
    ['quick_rollback', ['--dry-run', '--auto-confirm'], ['quick-rollback', '--dry-run', '--auto-confirm']],
    ['rollback_service', ['api', 'v1.5'], ['rollback-service', 'api', 'v1.5']],
    ['delete_rollback_point', ['rb-a1b2c3d4e5f6'], ['delete', 'rb-a1b2c3d4e5f6']],
  ])('%s.sh %j', async (script, argv, expected) => {
    const linked = join(fake, `linked-${script}`);
    await rm(linked, { force: true });
    await symlink(join(SCRIPTS, `${script}.sh`), linked);
    for (const file of [join(SCRIPTS, `${script}.sh`), linked]) {
      const ended = await call(file, argv, {
        cwd: shop,
        env: { PATH: [fake, process.env['PATH']].join(delimiter) },
      });
      expect(ended).toEqual({
        code: 7,
        stdout: [shop, ...expected.map((word) => `<${word}>`), ''].join('\n'),
        stderr: '',
      });
    }
  });

  it.each<[string, string[], string[]]>([
    [
      'backup-docker-config',
      ['--include-data', '--force'],
      ['migrate', 'backup', '--include-data', '--force'],
    ],
    ['backup-docker-config', ['--verify-only', '$(x) y'], ['migrate', 'backup', '--verify-only', '$(x) y']],
    ['migration-recovery', ['diagnose', '--json'], ['migrate', 'recover', 'diagnose', '--json']],
  ])('of a migration: %s.sh %j', async (script, argv, expected) => {
    const ended = await call(join(SCRIPTS, `../../scripts/${script}.sh`), argv, {
      cwd: shop,
      env: { PATH: [fake, process.env['PATH']].join(delimiter) },
    });
    expect(ended).toEqual({
      code: 7,
      stdout: [shop, ...expected.map((word) => `<${word}>`), ''].join('\n'),
      stderr: '',
    });
  });

  it('find the program that was built beside them', async () => {
    const { stdout } = await call(join(SCRIPTS, 'list_rollback_points.sh'), ['--quiet'], { cwd: shop });
    expect(stdout).toBe('rb-000000000003\nrb-000000000001\n');
  });

  it('create_rollback_point.sh tells how it is called', async () => {
    const { code, stderr } = await call(join(SCRIPTS, 'create_rollback_point.sh'), [], { cwd: shop });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^Usage: create_rollback_point\.sh "Description" \[--include-volumes\]/);
  });
});
