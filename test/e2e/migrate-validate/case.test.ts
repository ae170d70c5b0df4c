import { createServer } from 'node:net';
import { chmod, lstat, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Migration } from '../../../src/index.js';
import type { Check, Readiness } from '../../../src/model/readiness.js';
import { documentOf } from '../../support/cli.js';
import { aStack, cliWith, freePort, MAIN, type CliResult, type Stack } from '../../support/e2e.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** Is a project that runs on Docker ready for the Podman of this machine? Nothing is started or stopped for the answer. */

const SCRIPT = fileURLToPath(
  new URL('../../../scripts/validate-migration-prerequisites.sh', import.meta.url),
);
const PODMAN = process.env['PODMAN'] ?? '/PODMAN-is-not-set';
const PATH = `${dirname(PODMAN)}:${process.env['PATH']}`;
const REPORT = 'migration-prerequisites-report.txt';

let stack: Stack;
let port: number;
/** Of the Podman here. */
let version: string;

const composeFile = (name: string, more = '') => `
name: ${name}
services:
  web:
    image: docker.io/library/busybox:latest
    command: [sleep, '1000']
    init: true
    ports: ['127.0.0.1:${port}:80']
    volumes: ['data:/data']
${more}
volumes: { data: {} }
`;

beforeAll(async () => {
  port = await freePort();
  version = (await execa(PODMAN, ['version', '--format', '{{.Client.Version}}'])).stdout;
  stack = await aStack('e2e-validate', (name) => ({ 'compose.yaml': composeFile(name) }));
  await stack.compose('up', '--detach');
});

beforeEach(async () => {
  const paths = [REPORT, 'conf', 'away'].map((path) => stack.path(path));
  for (const path of [...paths, `${stack.locks}/podman`]) await rm(path, { recursive: true, force: true });
  await rewrite('');
});

const rewrite = (more: string) => writeFile(stack.path('compose.yaml'), composeFile(stack.name, more));

const mount = (...volumes: string[]) =>
  writeFile(
    stack.path('compose.yaml'),
    composeFile(stack.name).replace(`['data:/data']`, JSON.stringify(['data:/data', ...volumes])),
  );

const validate = (argv: string[] = [], env: Record<string, string> = {}): Promise<CliResult> =>
  cliWith(stack, { env: { PATH, ...env } }, 'migrate', 'validate', ...argv);

async function readiness(argv: string[] = [], env: Record<string, string> = {}): Promise<Readiness> {
  const { stdout } = await validate([...argv, '--json'], env);
  documentOf('migrate-validate', stdout);
  return JSON.parse(stdout);
}

const found = ({ checks }: Readiness, id: string): Check[] => checks.filter((check) => check.id === id);

/** Memory and disk are another at every look. */
const steady = (text: string) => text.replaceAll(/[\d.]+ [kMGT]?B\b/g, 'SIZE');

const grave = ({ checks }: Readiness) =>
  checks.flatMap(({ id, grade }) => (grade === 'warning' || grade === 'critical' ? [id] : []));

describe('a plain stack', () => {
  test('is ready, without a warning, and stays as it was', async () => {
    const { exitCode, stdout } = await leavesAllAsItWas(stack, () => validate());
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^READY: /m)]);
    expect(stdout).toContain(`from Docker to Podman ${version}, rootful`);
    expect(stdout).not.toMatch(/[!✗]/);
  });

  test('says so to programs, of all seven categories', async () => {
    const report = await readiness();
    expect(report).toMatchObject({ project: stack.name, directory: stack.directory, verdict: 'READY' });
    expect(grave(report)).toEqual([]);
    expect([...new Set(report.checks.map(({ category }) => category))]).toEqual([
      'system',
      'docker',
      'podman',
      'permissions',
      'network',
      'security',
      'backup',
    ]);
    expect(found(report, 'docker.services')).toMatchObject([{ grade: 'ok' }]);
  });

  test('the script and the library say the same', async () => {
    const { exitCode, stdout } = await execa(SCRIPT, [], {
      cwd: stack.directory,
      env: { PATH, COMPOSE_ROLLBACK_LOCK_DIR: stack.locks },
      stdin: 'ignore',
    });
    expect([exitCode, steady(stdout)]).toEqual([0, steady((await validate()).stdout)]);
    const library = await new Migration({
      projectRoot: stack.directory,
      env: { ...process.env, PATH },
    }).validate();
    expect(steady(JSON.stringify(library))).toEqual(steady(JSON.stringify(await readiness())));
  });
});

describe('what is not there is found, and breaks nothing', () => {
  test('no podman', async () => {
    const { exitCode, stdout } = await validate([], { PATH: stack.locks }); // a folder without any program
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/✗ there is no podman on PATH\n.*install podman[^]*^NOT READY: 1 critical/m);
  });

  test('a podman that does not work', async () => {
    const broken = `#!/bin/sh\necho 'Error: the store is locked' >&2\nexit 125\n`;
    await writeFile(`${stack.locks}/podman`, broken, { mode: 0o755 });
    const report = await readiness([], { PATH: `${stack.locks}:${process.env['PATH']}` });
    expect(report.verdict).toBe('NOT READY');
    expect(found(report, 'podman.program')).toMatchObject([
      { grade: 'critical', finding: 'podman does not work: Error: the store is locked' },
    ]);
  });

  test('no Docker: the files are still read', async () => {
    await rewrite(`    logging: { driver: syslog }`);
    const report = await readiness([], { DOCKER_HOST: 'unix:///nonexistent/docker.sock' });
    expect(report.verdict).toBe('NOT READY');
    expect(grave(report)).toEqual(['docker.daemon', 'logs.driver']);
  });

  test('podman-compose asked for: what it reads, and leaves out; Docker has its own', async () => {
    await rewrite(`    domainname: example.test`);
    const alone = {
      COMPOSE_ROLLBACK_PROVIDER: process.env['PODMAN_COMPOSE'] ?? '/PODMAN_COMPOSE-is-not-set',
    };
    const report = await readiness([], alone);
    expect(report.target.provider).toBe('podman-compose');
    expect(grave(report)).toEqual(['compose.domainname']);
  });

  test('files that do not resolve', async () => {
    await writeFile(stack.path('compose.yaml'), 'services: [\n');
    const report = await readiness();
    expect(grave(report)).toEqual(['docker.compose-file']);
  });

  test('no rights: somebody else than root, who has nothing', async () => {
    await chmod(stack.directory, 0o755);
    await mount('.:/own', `${stack.locks}/deep:/deep`);
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
    const { exitCode, stdout } = await execa(
      'setpriv',
      [...nobody, process.execPath, MAIN, 'migrate', 'validate', '--json', '--backup-dir', stack.locks],
      {
        cwd: stack.directory,
        env: { PATH, XDG_RUNTIME_DIR: stack.locks }, // as su leaves it
        stdin: 'ignore',
        reject: false,
      },
    );
    expect(exitCode).toBe(3);
    const report: Readiness = JSON.parse(stdout);
    expect(report.target.rootless).toBe(true);
    const expected = [
      'docker.daemon',
      'podman.program',
      'permissions.project',
      'permissions.subordinate-ids',
    ];
    expect(grave(report)).toEqual(expect.arrayContaining(expected));
    expect(found(report, 'docker.daemon')[0]?.finding).toContain('permission denied');
  });

  test('without a project it is a mistake', async () => {
    const { exitCode, stderr } = await cliWith(stack, { cwd: '/', env: { PATH } }, 'migrate', 'validate');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('no compose file')]);
  });

  test('the way from Podman is another', async () => {
    const { exitCode, stderr } = await validate(['--engine', 'podman']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('leave --engine out')]);
  });
});

describe('ports', () => {
  test('that somebody else holds', async () => {
    const taken = await freePort();
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(taken, '127.0.0.1', resolve));
    await rewrite(`  other: { image: 'docker.io/library/busybox', ports: ['${taken}:80'] }`);
    const report = await readiness();
    expect(found(report, 'network.ports')).toMatchObject([{ grade: 'critical', service: 'other' }]);
    expect(found(report, 'network.ports')[0]?.finding).toContain(`*:${taken}/tcp is held by`);
  });
});

describe('--fix-issues', () => {
  test('makes what is missing inside of the project, and nothing else', async () => {
    const outside = `${stack.locks}/not-there`;
    await mount('./conf/web:/conf', `${outside}:/outside`);
    const before = await readiness();
    expect(found(before, 'mount.missing-source')).toHaveLength(2);

    const { exitCode, stdout } = await validate(['--fix-issues']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Made: conf\/web\nLeft to you:\n {2}make it: mkdir -p .*not-there$/m);
    expect((await stat(stack.path('conf/web'))).isDirectory()).toBe(true);
    await expect(lstat(outside)).rejects.toThrow('ENOENT');

    const after = await readiness(['--fix-issues']);
    expect(found(after, 'mount.missing-source').map(({ finding }) => finding)).toEqual([
      `${outside} is not there, which it mounts`,
    ]);
    expect(after.fixed).toEqual([]);
  });

  test('makes nothing through a symlink that leads out', async () => {
    await symlink(stack.locks, stack.path('away'));
    await mount('./away/new:/new');
    const { stdout, stderr } = await validate(['--fix-issues']);
    await expect(lstat(`${stack.locks}/new`)).rejects.toThrow('ENOENT');
    expect(`${stdout}${stderr}`).toContain('away/new');
  });
});

describe('what is printed', () => {
  test('--verify-only leaves the compose files out', async () => {
    await rewrite(`    logging: { driver: syslog }`);
    expect((await readiness()).verdict).toBe('NOT READY');
    expect((await readiness(['--verify-only'])).verdict).toBe('READY');
  });

  test('warnings alone are no failure; --detailed tells why, and what to write', async () => {
    await rewrite(`    restart: always`);
    const short = await validate();
    expect([short.exitCode, short.stdout]).toEqual([
      0,
      expect.stringContaining('READY WITH WARNINGS: 1 warning'),
    ]);
    expect(short.stdout).toMatch(/! web: restart: always .*\n {6}fix: /);
    expect(short.stdout).not.toContain('why:');
    const detailed = await validate(['--detailed']);
    expect(detailed.stdout).toMatch(/\(life\.restart\)\n {6}why: .*\n {6}fix: /);
    expect(detailed.stdout).toContain(`✓ Podman ${version} (podman.version)`);
  });

  test('--export-report writes it all, and not through a symlink', async () => {
    const { exitCode, stderr } = await validate(['--export-report']);
    expect([exitCode, stderr]).toEqual([0, `Report: ${stack.path(REPORT)}`]);
    const written = await readFile(stack.path(REPORT), 'utf8');
    expect(steady(written)).toBe(steady(`${(await validate(['--detailed'])).stdout}\n`));
    expect(written).not.toContain('\u001b');
    expect((await readiness(['--export-report'])).report).toBe(stack.path(REPORT));

    await rename(stack.path(REPORT), `${stack.locks}/elsewhere`);
    await symlink(`${stack.locks}/elsewhere`, stack.path(REPORT));
    await writeFile(`${stack.locks}/elsewhere`, 'precious');
    const refused = await validate(['--export-report']);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('not written over')]);
    expect(await readFile(`${stack.locks}/elsewhere`, 'utf8')).toBe('precious');
  });
});
