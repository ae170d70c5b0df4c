import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { documentOf } from '../../support/cli.js';
import { aStack, cli, cliWith, create, json, ok, type CliResult, type Stack } from '../../support/e2e.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** A backup before a move: a point that `.docker-backup` leads to, checked by what everybody has. */

const SCRIPT = fileURLToPath(new URL('../../../scripts/backup-docker-config.sh', import.meta.url));
const RECORDED = [
  'api/Dockerfile',
  'compose.yaml',
  'compose/nginx/nginx.conf',
  'compose/odd\\name.conf',
  'deploy.sh',
  'requirements-dev.txt',
  'requirements.txt',
];

let stack: Stack;
let point: string;

const projectFiles = (name: string) => ({
  'compose.yaml': `
name: ${name}
services:
  api:
    image: ${name}-api
    build: ./api
    command: [sleep, infinity]
    stop_signal: SIGKILL
    volumes: ['data:/data']
volumes: { data: {} }
`,
  'api/Dockerfile': `FROM busybox:latest\nLABEL of=${name}\n`,
  'api/notes.txt': 'Not what it is built by.\n',
  'compose/nginx/nginx.conf': 'events {}\n',
  'compose/odd\\name.conf': 'a backslash\n',
  'requirements.txt': 'flask\n',
  'requirements-dev.txt': 'pytest\n',
});

beforeAll(async () => {
  stack = await aStack('e2e-backup', projectFiles);
  await stack.compose('up', '--detach', '--build');
  await stack.compose('exec', '-T', 'api', 'sh', '-c', 'echo precious > /data/file');
  await create(stack, 'made before'); // with it the backup directory, which a refusal makes otherwise
});

beforeEach(async () => {
  for (const path of ['rollback.yaml', 'compose.yaml.bak']) await rm(stack.path(path), { force: true });
  await stack.write(projectFiles(stack.name));
  await stack.write({ 'deploy.sh': '#!/bin/sh\necho deployed\n' }, 0o755);
});

/** By the script of the reference; the point. */
async function byScript(...argv: string[]): Promise<string> {
  const { stdout } = await execa(SCRIPT, ['--include-data', '--quiet', ...argv], {
    cwd: stack.directory,
    env: { COMPOSE_ROLLBACK_LOCK_DIR: stack.locks },
  });
  return stdout;
}

/** There is one, and it leads to `point`. */
async function ensureBackup(): Promise<void> {
  const target = await readlink(inBackup('point')).catch(() => undefined);
  const isSound = target === `../rollback/backups/${point}` && (await backup('--verify-only')).exitCode === 0;
  if (!isSound) point = await byScript('--force');
}

const removeBackup = () => rm(inBackup(), { recursive: true, force: true });

const backup = (...argv: string[]) => cli(stack, 'migrate', 'backup', ...argv);
const inBackup = (path = '') => stack.path(join('.docker-backup', path));

interface Report {
  point: string | null;
  files: { path: string }[];
  volumes: string[];
  images: { ref: string; archived: boolean }[];
  existing: { point: string; sound: boolean; problems: { path: string; problem: string }[] } | null;
}

async function preview(...argv: string[]): Promise<{ exitCode: number | undefined; report: Report }> {
  const { exitCode, stdout } = await leavesAllAsItWas(stack, () =>
    backup('--verify-only', '--json', ...argv),
  );
  documentOf('migrate-backup', stdout);
  return { exitCode, report: JSON.parse(stdout) };
}

async function checksums(): Promise<CliResult> {
  const argv = ['--strict', '--check', 'backup-manifest.txt'];
  const { exitCode, stdout, stderr } = await execa('sha256sum', argv, { cwd: inBackup(), reject: false });
  return { exitCode, stdout, stderr };
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe('before there is one', () => {
  beforeEach(removeBackup);

  test('--verify-only shows what would be recorded', async () => {
    const { exitCode, report } = await preview('--include-data');
    expect(exitCode).toBe(0);
    expect(report.files.map(({ path }) => path)).toEqual(RECORDED);
    expect(report).toMatchObject({
      point: null,
      volumes: [`${stack.name}_data`],
      images: [{ ref: expect.stringContaining(`${stack.name}-api`), archived: true }],
      existing: null,
    });
    const { stdout, stderr } = await backup('--verify-only');
    for (const path of RECORDED) expect(stdout).toContain(path);
    expect(stderr).toContain(`${stack.name}_data is not recorded: its data is recorded with --include-data`);
  });

  test('a directory of that name that is not ours stays as it is, forced or not', async () => {
    for (const prepare of [
      () => stack.write({ '.docker-backup/compose.yaml': 'somebody has this alone' }),
      () => mkdir(inBackup()),
      () => symlink('api', inBackup()),
      async () => {
        await mkdir(inBackup());
        await symlink('../rollback/backups/rb-000000000000', inBackup('point'));
        await writeFile(inBackup('backup-report.txt'), 'not our report\n');
      },
    ]) {
      await prepare();
      const { exitCode, stderr } = await leavesAllAsItWas(stack, () => backup('--force', '--verify-only'));
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('was not made by compose-rollback')]);
      const refused = await leavesOnlyATrace(stack, () => backup('--force'));
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('move it away')]);
      await removeBackup();
    }
  });
});

describe('a backup, by the script of the reference', () => {
  beforeEach(ensureBackup);

  test('is a pinned point, and the directory leads to it', async () => {
    await removeBackup();
    point = await byScript();
    expect(await json(stack, 'show', point)).toMatchObject({
      kind: 'migration',
      pinned: true,
      volumes: [`${stack.name}_data`],
      image_archives: [{ compression: 'gzip' }],
    });
    expect((await stat(inBackup())).mode & 0o777).toBe(0o700);
    expect(await readlink(inBackup('point'))).toBe(`../rollback/backups/${point}`);
    expect(await readFile(inBackup('.gitignore'), 'utf8')).toBe('*\n');
    expect((await readFile(inBackup('backup-report.txt'), 'utf8')).split('\n')).toEqual(
      expect.arrayContaining([expect.stringMatching(new RegExp(`^Point: +${point}$`))]),
    );
    for (const path of RECORDED) {
      expect(await readFile(inBackup(`point/configs/${path}`))).toEqual(await readFile(stack.path(path)));
    }
  });

  test('sha256sum finds every file of the point, and every file as it was', async () => {
    const { exitCode, stdout, stderr } = await checksums();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const checked = stdout
      .split('\n')
      .map((line) => line.replace(/^\\?point\/(.*): OK$/, '$1').replaceAll('\\\\', '\\'));
    const found = await readdir(inBackup('point'), { recursive: true, withFileTypes: true });
    const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    expect(checked.toSorted()).toEqual(files.map((path) => path.slice(inBackup('point/').length)).toSorted());
  });

  test('another one is refused', async () => {
    const { exitCode, stderr } = await leavesAllAsItWas(stack, () => backup());
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/a backup already, rb-.*\nhint: --force/s)]);
  });

  test('what somebody else put there keeps it, forced or not', async () => {
    await stack.write({ '.docker-backup/notes.txt': 'mine\n' });
    onTestFinished(() => rm(inBackup('notes.txt')));
    const { exitCode, stderr } = await leavesAllAsItWas(stack, () => backup('--force'));
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('it holds "notes.txt"')]);
  });

  test('--verify-only checks it', async () => {
    expect(await preview()).toMatchObject({
      exitCode: 0,
      report: { existing: { point, sound: true, problems: [] } },
    });
  });

  test.each(['point/configs/deploy.sh', 'point/point.json', 'point/model.json', 'backup-manifest.txt'])(
    'a flipped bit of %s is found',
    async (path) => {
      const sound = await readFile(inBackup(path));
      await flipByte(inBackup(path));
      onTestFinished(() => writeFile(inBackup(path), sound));
      const damaged = await preview();
      const { exitCode, stdout } = await backup('--verify-only');
      await writeFile(inBackup(path), sound);
      expect(damaged).toMatchObject({
        exitCode: 1,
        report: { existing: { sound: false, problems: [{ path: path.replace('point/', '') }] } },
      });
      expect([exitCode, stdout]).toEqual([1, expect.stringContaining(path.replace('point/', ''))]);
      expect((await preview()).exitCode).toBe(0);
    },
  );

  test('a point that retention may remove is no backup', async () => {
    await ok(stack, 'unpin', point);
    onTestFinished(async () => void (await ok(stack, 'pin', point)));
    const { exitCode, report } = await preview();
    expect([exitCode, report.existing?.problems[0]?.problem]).toEqual([1, expect.stringContaining('pin')]);
    await ok(stack, 'pin', point);
    expect((await preview()).exitCode).toBe(0);
    expect((await checksums()).exitCode).toBe(0);
  });
});

describe('afterwards', () => {
  beforeEach(ensureBackup);

  test('"Backup and Restore": what was moved and changed comes back', async () => {
    const deploy = await readFile(stack.path('deploy.sh'));
    await rename(stack.path('compose.yaml'), stack.path('compose.yaml.bak'));
    await stack.write({ 'deploy.sh': 'changed\n', 'api/Dockerfile': 'FROM nothing\n' });
    await rm(stack.path('requirements.txt'));
    await ok(stack, 'rollback', point, '--yes');
    expect(await readFile(stack.path('compose.yaml'))).toEqual(
      await readFile(stack.path('compose.yaml.bak')),
    );
    expect(await readFile(stack.path('deploy.sh'))).toEqual(deploy);
    expect((await stat(stack.path('deploy.sh'))).mode & 0o777).toBe(0o755);
    expect(await readFile(stack.path('requirements.txt'), 'utf8')).toBe('flask\n');
    expect(await stack.compose('exec', '-T', 'api', 'cat', '/data/file')).toBe('precious');
    expect((await preview()).exitCode).toBe(0);
  });

  test('it is part of no point, listed or not', async () => {
    await stack.write({ 'rollback.yaml': "config_files: ['**', '.docker-backup/backup-report.txt']\n" });
    const other = await create(stack);
    const { entries } = JSON.parse((await ok(stack, 'show', other, '--json')).stdout);
    const paths: string[] = entries.map(({ path }: { path: string }) => path);
    expect(paths).toContain('api/notes.txt');
    expect(paths.filter((path) => path.startsWith('.docker-backup'))).toEqual([]);
  });

  test('--force leads to a new point; the older one stays, for retention to keep', async () => {
    // What killed ones leave.
    await stack.write({ '.docker-backup.new/backup-manifest.txt': '', '.docker-backup.old/point': '' });
    const { stdout } = await ok(stack, 'migrate', 'backup', '--force', '--json');
    expect(documentOf('migrate-backup', stdout)).toMatchObject({ replaced: point });
    const report: Report = JSON.parse(stdout);
    expect(await readlink(inBackup('point'))).toBe(`../rollback/backups/${report.point}`);
    expect(await json(stack, 'show', point)).toMatchObject({ pinned: false });
    expect((await checksums()).exitCode).toBe(0);
    expect((await readdir(stack.directory)).filter((name) => name.startsWith('.docker'))).toEqual([
      '.docker-backup',
    ]);
  });

  test('of an encrypted point the ciphertext is checked, without a key', async () => {
    await stack.write({ 'rollback.yaml': 'encryption: { passphrase: true }\n' });
    const env = { COMPOSE_ROLLBACK_PASSPHRASE: 'correct horse' };
    const { exitCode } = await cliWith(stack, { env }, 'migrate', 'backup', '--force');
    expect(exitCode).toBe(0);
    expect(await readdir(inBackup('point'))).toContain('sealed.age');
    expect((await checksums()).exitCode).toBe(0);
    expect(await preview()).toMatchObject({ exitCode: 0, report: { existing: { sound: true } } });
  });

  test('it says so when the point is gone', async () => {
    await ok(stack, 'delete', point, '--force', '--yes');
    const { exitCode, report } = await preview();
    expect([exitCode, report.existing?.problems]).toEqual([
      1,
      [{ path: 'point', problem: expect.anything() }],
    ]);
  });
});
