import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { PODMAN, runToEnd } from '../../support/engine.js';
import { aStack, cliWith, create, docker, MAIN, type Stack } from '../../support/e2e.js';
import { containerOf, leavesAllButTheLog, LOG, recovered } from '../../support/recovery.js';

/** Owners of data as containers see them, and what Podman needs of the user who calls it; without root too. */

const ROOTLESS = process.geteuid?.() !== 0;

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-rights', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  api:
    image: ${name}-api
    build: ./api
    command: [sleep, infinity]
    stop_signal: SIGKILL
    user: '1000:1000'
    volumes: ['data:/data']
volumes: { data: {} }
`,
    'api/Dockerfile': `FROM busybox:latest\nLABEL of=${name}\nRUN mkdir /data && chown 1000:1000 /data\n`,
  }));
  await stack.compose('up', '--detach', '--build');
  await create(stack); // With it comes the backup directory.
});

// What is logged is the test's own.
beforeEach(() => rm(stack.path(LOG), { force: true }));

const log = () => readFile(stack.path(LOG), 'utf8');
const told = (scenario: string, ...argv: string[]) => recovered(stack, scenario, ...argv);
const leavesAlone = <T>(act: () => Promise<T>) => leavesAllButTheLog(stack, act);
const serviceOf = (name: string) => containerOf(stack, name);

/** Looks at the data as containers see it. */
const inData = (...argv: string[]) =>
  runToEnd('--volume', `${stack.name}_data:/data`, 'busybox:latest', ...argv);

const mountpoint = () => docker('volume', 'inspect', '--format', '{{.Mountpoint}}', `${stack.name}_data`);

/** Who a user of containers is on this machine: for rootless Podman one of the caller's subordinate ids. */
async function outside(uid: number): Promise<number> {
  if (!ROOTLESS) return uid;
  const own = (await readFile('/etc/subuid', 'utf8'))
    .split('\n')
    .find((row) => row.startsWith(`${userInfo().username}:`));
  return Number(own?.split(':')[1]) + uid - 1;
}

/** Its data: what is its own, and what is not. */
const fill = () =>
  inData(
    'sh',
    '-c',
    'rm -rf /data/* && mkdir /data/in && echo kept > /data/in/file && echo other > /data/other && chown -R 1000:1000 /data',
  );

describe('volume-issues', () => {
  test('data of the wrong owner is given to its service, and nothing else of it changes', async () => {
    await fill();
    await inData('sh', '-c', 'chown -R 0:0 /data && chown 7:7 /data/other && chmod 640 /data/in/file');
    const plan = await leavesAlone(() => told('volume-issues', '--dry-run'));
    expect(plan.steps).toContainEqual(
      expect.stringMatching(new RegExp(`give 3 paths of ${stack.name}_data from 0 to 1000:1000: `)),
    );
    expect(await inData('stat', '-c', '%u', '/data')).toBe('0');
    const { exitCode, result } = await told('volume-issues', '--yes');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    const seen = await inData('stat', '-c', '%u:%g %a', '/data', '/data/in/file', '/data/other');
    expect(seen.split('\n')).toEqual(['1000:1000 755', '1000:1000 640', '7:7 644']);
    expect(await inData('cat', '/data/in/file', '/data/other')).toBe('kept\nother');
    expect((await stat(await mountpoint())).uid).toBe(await outside(1000));
    await docker('exec', (await serviceOf('api')).container, 'touch', '/data/in/new');
    expect(await log()).toContain('volume-issues: give 3 paths');
  });

  test('data that another service writes to as another user is not taken from it', async () => {
    await inData('chown', '999', '/data');
    const name = `${stack.name}-other`;
    const volume = `${stack.name}_data:/data`;
    await docker(
      'run',
      '--detach',
      '--name',
      name,
      '--user',
      '999',
      '--volume',
      volume,
      'busybox:latest',
      'sleep',
      '600',
    );
    onTestFinished(async () => void (await docker('rm', '--force', name)));
    const { exitCode, result, obstacles } = await leavesAlone(() => told('volume-issues', '--yes'));
    await docker('rm', '--force', name);
    expect([exitCode, result]).toEqual([1, 'blocked']);
    expect(obstacles[0]?.evidence).toContain(`${name} writes to it as another user`);
    expect((await told('volume-issues', '--yes')).result).toBe('healthy');
  });

  test('a volume that is gone comes back with its data, and is never started empty', async () => {
    await fill();
    await create(stack, '--include-volumes');
    const before = await inData('sh', '-c', 'cd /data && find . -exec stat -c "%n %u:%g %a" {} +');
    await stack.compose('rm', '--stop', '--force', 'api');
    await docker('volume', 'rm', `${stack.name}_data`);
    const blocked = await leavesAlone(() => told('failed-startup', '--yes'));
    expect([blocked.exitCode, blocked.result]).toEqual([1, 'blocked']);
    expect(blocked.obstacles.map(({ cause }) => cause)).toEqual(['its volume is gone']);
    const { exitCode, result } = await told('volume-issues', '--yes');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    expect((await serviceOf('api')).state).toBe('running');
    expect(await inData('sh', '-c', 'cd /data && find . -exec stat -c "%n %u:%g %a" {} +')).toBe(before);
    expect(await inData('cat', '/data/in/file')).toBe('kept');
  });
});

describe('permission-issues', () => {
  const REAL = PODMAN ?? process.env['PODMAN'] ?? '/PODMAN-is-not-set';

  /** The lab's Podman with a configuration and a store of its own: that which the variable names, or the one in the home. */
  async function podmanWith(where: 'variable' | 'home', configuration: (text: string) => string) {
    const home = await mkdtemp(join(stack.locks, `${where}-`));
    const folder = join(home, '.config/containers');
    await mkdir(folder, { recursive: true });
    const program = (await readFile(REAL, 'utf8'))
      .replaceAll(/ CONTAINERS_(?:STORAGE_)?CONF=\S+/g, ' X=x')
      .replaceAll(/ HOME=\S+/g, ' Y=y');
    await writeFile(join(home, 'podman'), program);
    await chmod(join(home, 'podman'), 0o755);
    const store = join(home, 'storage.conf');
    await writeFile(
      store,
      `[storage]\ndriver = "vfs"\ngraphroot = "${home}/graph"\nrunroot = "${home}/run"\n`,
    );
    const lab = dirname(dirname(REAL));
    await copyFile(join(lab, 'home/.config/containers/policy.json'), join(folder, 'policy.json'));
    const conf = join(where === 'home' ? folder : home, 'containers.conf');
    const good = await readFile(join(lab, 'containers.conf'), 'utf8');
    await writeFile(conf, configuration(good), { mode: 0o640 });
    const env = {
      HOME: home,
      XDG_CONFIG_HOME: undefined,
      CONTAINERS_CONF: where === 'home' ? undefined : conf,
      CONTAINERS_STORAGE_CONF: store,
      PATH: `${home}:${process.env['PATH']}`,
    };
    const podman = (argv: string[], input?: Buffer) =>
      execa(join(home, 'podman'), argv, { env, ...(input ? { input } : { stdin: 'ignore' as const }) });
    const stores = async () =>
      (await readdir(home)).filter((name) => ['.local', 'graph', 'run'].includes(name));
    return { conf, good, env, podman, stores };
  }

  const recover = (env: Record<string, string | undefined>, ...argv: string[]) =>
    cliWith(stack, { env }, 'migrate', 'recover', 'permission-issues', ...argv);

  /** The file as it was, beside the one that took its place. */
  async function keptAside(conf: string): Promise<string> {
    const names = await readdir(dirname(conf));
    const aside = names.filter((name) => /^containers\.conf\.\d{4}-.*Z$/.test(name));
    expect(aside).toHaveLength(1);
    return readFile(join(dirname(conf), aside[0] ?? ''), 'utf8');
  }

  test('a containers.conf that Podman refuses is mended by the line, and kept as it was', async () => {
    const broken = (text: string) =>
      text
        .replace(/^cgroup_manager.*$/m, 'cgroup_manager = 5')
        .replace(/^runtime = .*$/m, 'runtime = "none"');
    const { conf, good, env, podman, stores } = await podmanWith('variable', broken);
    await expect(podman(['info'])).rejects.toThrow(/cgroup_manager/);
    const rehearsed = await leavesAlone(() => recover(env, '--dry-run'));
    expect([rehearsed.exitCode, rehearsed.stdout]).toEqual([
      0,
      expect.stringContaining('a containers.conf is broken'),
    ]);
    expect(await readFile(conf, 'utf8')).toBe(broken(good));
    // What is tried, is tried elsewhere.
    expect(await stores()).toEqual([]);
    const { exitCode, stdout } = await recover(env, '--yes');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('What was found is mended')]);
    await podman(['info']);
    const commented = broken(good)
      .replace('cgroup_manager', '# cgroup_manager')
      .replace('runtime = ', '# runtime = ');
    expect(await readFile(conf, 'utf8')).toBe(commented);
    expect(await log()).toContain('permission-issues: healthy');
    expect(await keptAside(conf)).toBe(broken(good));
  });

  // Root's Podman reads none in a home.
  test.runIf(ROOTLESS)('so is the one in the home of a user, whose containers run then', async () => {
    const broken = (text: string) => text.replace(/^cgroup_manager.*$/m, 'cgroup_manager = [');
    const { conf, good, env, podman, stores } = await podmanWith('home', broken);
    await expect(podman(['info'])).rejects.toThrow(/containers\.conf|toml/);
    await recover(env, '--dry-run');
    expect(await stores()).toEqual([]);
    const { exitCode, stdout } = await recover(env, '--yes');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('What was found is mended')]);
    expect(await readFile(conf, 'utf8')).toBe(broken(good).replace('cgroup_manager', '# cgroup_manager'));
    expect((await stat(conf)).mode & 0o777).toBe(0o640);
    expect(await keptAside(conf)).toBe(broken(good));
    const busybox = 'docker.io/library/busybox:latest';
    const { stdout: archive } = await execa('docker', ['save', busybox], { encoding: 'buffer' });
    await podman(['load', '--quiet'], Buffer.from(archive));
    onTestFinished(async () => void (await podman(['rmi', '--force', '--all'])));
    const { stdout: id } = await podman([
      'run',
      '--detach',
      '--network',
      'none',
      busybox,
      'echo',
      'it works',
    ]);
    await podman(['wait', id]);
    expect((await podman(['logs', id])).stdout).toBe('it works');
    expect((await recover(env, '--yes')).stdout).toContain('Nothing to mend');
  });

  test.skipIf(ROOTLESS)(
    'who has no subordinate ids is told what only root can do; nothing is done',
    async () => {
      await Promise.all([chmod(stack.directory, 0o777), writeFile(stack.path(LOG), '', { flag: 'a' })]);
      await chmod(stack.path(LOG), 0o666);
      onTestFinished(() => chmod(stack.directory, 0o700));
      const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
      const call = [process.execPath, MAIN, 'migrate', 'recover', 'permission-issues', '--yes'];
      const { exitCode, stdout } = await leavesAlone(() =>
        execa('setpriv', [...nobody, ...call], {
          cwd: stack.directory,
          env: { PATH: `${dirname(REAL)}:${process.env['PATH']}`, HOME: '/nonexistent' },
          stdin: 'ignore',
          reject: false,
        }),
      );
      expect([exitCode, stdout]).toEqual([1, expect.stringContaining('this user has no subordinate ids')]);
      expect(stdout).toMatch(/has 0 in \/etc\/subuid and 0 in \/etc\/subgid\n.*sudo usermod --add-subuids/);
      expect(await log()).toContain('permission-issues: nothing was done');
    },
  );
});
