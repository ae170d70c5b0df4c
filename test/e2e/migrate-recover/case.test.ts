import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Recovery } from '../../../src/index.js';
import { documentOf } from '../../support/cli.js';
import { PODMAN } from '../../support/engine.js';
import {
  aStack,
  cli,
  cliWith,
  containersOf,
  create,
  docker,
  freePort,
  snapshot,
  type CliResult,
  type Stack,
} from '../../support/e2e.js';

/** Each scenario mends what was really broken, and nothing else; or says why it cannot, and touches nothing. */

const IDLE = `sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`;
const LOG = 'migration-recovery.log';

let stack: Stack;
let port: number;

const compose = (name: string, work = IDLE) => `
name: ${name}
services:
  api:
    image: ${name}-api
    build: ./api
    command: ${IDLE}
    user: '1000:1000'
    volumes: ['data:/data']
    depends_on: [store]
    healthcheck: { test: [CMD, 'true'], interval: 1s }
  store:
    image: busybox:latest
    command: ${IDLE}
    restart: unless-stopped
  web:
    image: busybox:latest
    command: httpd -f -p 80
    init: true
    ports: ['127.0.0.1:${port}:80']
  worker:
    image: busybox:latest
    command: ${work}
    restart: unless-stopped
volumes: { data: {} }
`;

const DOCKERFILE = 'FROM busybox:latest\nRUN mkdir /data && chown 1000:1000 /data\n';

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-recover', (name) => ({
    'compose.yaml': compose(name),
    'api/Dockerfile': DOCKERFILE,
  }));
  await stack.compose('up', '--detach', '--build');
  await create(stack); // With it comes the backup directory.
});

afterAll(async () => {
  await stack.compose('down');
});

const recover = (scenario: string, ...argv: string[]): Promise<CliResult> =>
  cli(stack, 'migrate', 'recover', scenario, ...argv);

/** What it tells programs. */
async function told(
  scenario: string,
  ...argv: string[]
): Promise<Recovery & { exitCode: number | undefined }> {
  const { exitCode, stdout } = await recover(scenario, ...argv, '--json');
  documentOf('migrate-recover', stdout);
  return { ...JSON.parse(stdout), exitCode };
}

async function serviceOf(name: string) {
  const found = Object.entries(await containersOf(stack)).find(([, { service }]) => service === name);
  if (!found) throw new Error(`${name} has no container`);
  return { container: found[0], ...found[1] };
}

/** Looks at the data as containers see it. */
const inData = (...argv: string[]) =>
  docker('run', '--rm', '--volume', `${stack.name}_data:/data`, 'busybox:latest', ...argv);

/** All but the log is as it was. */
async function leavesAlone<T>(act: () => Promise<T>): Promise<T> {
  const before = await snapshot(stack);
  const result = await act();
  const after = await snapshot(stack);
  for (const { files } of [before, after]) delete files[LOG];
  expect([after.containers, after.files, after.tags]).toEqual([before.containers, before.files, before.tags]);
  return result;
}

test.each(['failed-build', 'failed-startup', 'network-issues', 'volume-issues'])(
  '%s: nothing to mend in a stack that is well',
  async (scenario) => {
    const { exitCode, result, steps } = await leavesAlone(() => told(scenario, '--yes'));
    expect([exitCode, result, steps]).toEqual([0, 'nothing-to-do', []]);
  },
);

test('nothing is done unasked', async () => {
  const { exitCode, stderr } = await leavesAlone(() => recover('failed-startup'));
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('no terminal to ask on')]);
});

describe('failed-startup', () => {
  test('what is down starts in the order of the dependencies; what runs stays', async () => {
    await stack.compose('stop', 'api', 'store');
    const plan = await leavesAlone(() => told('failed-startup', '--dry-run'));
    expect([plan.exitCode, plan.result, plan.obstacles]).toEqual([0, 'planned', []]);
    expect(plan.findings.map(({ service, cause }) => `${service}: ${cause}`).toSorted()).toEqual([
      'api: it does not run',
      'store: it does not run',
    ]);
    const web = await serviceOf('web');
    const { exitCode, stdout } = await recover('failed-startup', '--yes');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('What was found is mended')]);
    const [api, store] = [await serviceOf('api'), await serviceOf('store')];
    expect([api.state, store.state]).toEqual(['running', 'running']);
    expect(Date.parse(api.startedAt)).toBeGreaterThan(Date.parse(store.startedAt));
    expect(await serviceOf('web')).toEqual(web);
  });

  test('a program on a published port is named, and nothing is touched; once it is gone all is well', async () => {
    await stack.compose('stop', 'web');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const close = () => new Promise((resolve) => server.close(resolve));
    onTestFinished(() => void server.close());
    const blocked = await leavesAlone(() => told('failed-startup', '--yes'));
    expect([blocked.exitCode, blocked.result]).toEqual([1, 'blocked']);
    expect(blocked.obstacles.map(({ evidence }) => evidence)).toEqual([
      expect.stringContaining(`(process ${process.pid}) holds 127.0.0.1:${port}/tcp`),
    ]);
    await close();
    const { exitCode, result, left } = await told('failed-startup', '--yes');
    expect([exitCode, result, left]).toEqual([0, 'healthy', []]);
    expect((await serviceOf('web')).state).toBe('running');
  });

  test('a service that ends again is told, with its last words', async () => {
    await stack.write({ 'compose.yaml': compose(stack.name, `sh -c 'echo out of luck; exit 3'`) });
    await stack.compose('stop', 'worker');
    await stack.compose('rm', '--force', 'worker');
    const { exitCode, result, problem } = await told('failed-startup', '--yes');
    expect([exitCode, result, problem]).toEqual([1, 'not-healthy', expect.stringContaining('out of luck')]);
    await stack.write({ 'compose.yaml': compose(stack.name) });
    expect((await told('failed-startup', '--yes')).result).toBe('healthy');
  });
});

describe('network-issues', () => {
  const findsWeb = async () =>
    await docker('exec', (await serviceOf('store')).container, 'ping', '-c', '1', '-W', '2', 'web');

  test('a service that was cut off is in the network again', async () => {
    const { container } = await serviceOf('web');
    await docker('network', 'disconnect', `${stack.name}_default`, container);
    await expect(findsWeb()).rejects.toThrow(/bad address|packet loss/);
    const store = await serviceOf('store');
    const { exitCode, findings, result } = await told('network-issues', '--yes');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    expect(findings.map(({ cause }) => cause)).toEqual(['it is cut off from a network']);
    await findsWeb();
    if (!PODMAN) expect(await serviceOf('store')).toEqual(store);
  });

  // Podman lets a network go only together with the containers that are in it.
  test.skipIf(PODMAN)('a network that was removed is there again, with all that were in it', async () => {
    await stack.compose('stop');
    for (const name of Object.keys(await containersOf(stack))) {
      await docker('network', 'disconnect', '--force', `${stack.name}_default`, name);
    }
    await docker('network', 'rm', `${stack.name}_default`);
    const { exitCode, result, findings } = await told('network-issues', '--yes');
    expect(new Set(findings.map(({ cause }) => cause))).toEqual(new Set(['a network that it is in is gone']));
    expect([exitCode, result]).toEqual([0, 'healthy']);
    await findsWeb();
  });

  test('a container that names lead wrong in is found', async () => {
    const { container } = await serviceOf('store');
    await docker('exec', container, 'sh', '-c', 'echo nameserver 192.0.2.1 > /etc/resolv.conf');
    const { exitCode, result, findings } = await told('network-issues', '--yes');
    expect(findings.map(({ cause }) => cause)).toContain('it does not find another service by its name');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    await findsWeb();
  });
});

describe('volume-issues', () => {
  test('data of the wrong owner is given to its service, and nothing else of it changes', async () => {
    await inData('sh', '-c', 'mkdir /data/in && echo kept > /data/in/file && echo other > /data/other');
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
    await docker('exec', (await serviceOf('api')).container, 'touch', '/data/in/new');
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
    const { exitCode, result, obstacles } = await leavesAlone(() => told('volume-issues', '--yes'));
    await docker('rm', '--force', name);
    expect([exitCode, result]).toEqual([1, 'blocked']);
    expect(obstacles[0]?.evidence).toContain(`${name} writes to it as another user`);
    expect((await told('volume-issues', '--yes')).result).toBe('healthy');
  });

  test('a volume that is gone comes back with its data, and is never started empty', async () => {
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

describe('failed-build', () => {
  test('a build file that does not parse is named by its line; corrected, it is built', async () => {
    await stack.compose('rm', '--stop', '--force', 'api');
    await docker('image', 'rm', '--force', `${stack.name}-api`);
    await stack.write({ 'api/Dockerfile': `${DOCKERFILE}RUNN true\n` });
    const blocked = await leavesAlone(() => told('failed-build', '--yes'));
    expect([blocked.exitCode, blocked.result]).toEqual([1, 'blocked']);
    expect(blocked.obstacles[0]?.evidence).toBe('api/Dockerfile, line 3: unknown instruction RUNN');
    await stack.write({ 'api/Dockerfile': `${DOCKERFILE}RUN echo no luck && false\n` });
    const failed = await told('failed-build', '--yes');
    expect([failed.exitCode, failed.result, failed.left.length]).toEqual([1, 'not-healthy', 1]);
    await stack.write({ 'api/Dockerfile': DOCKERFILE });
    expect((await told('failed-startup', '--yes')).obstacles).toHaveLength(1);
    const { exitCode, result } = await told('failed-build', '--yes');
    expect([exitCode, result]).toEqual([0, 'healthy']);
    await docker('image', 'inspect', `${stack.name}-api`);
    expect((await told('failed-startup', '--yes')).result).toBe('healthy');
  });
});

describe('permission-issues', () => {
  const REAL = process.env['PODMAN'] ?? '/PODMAN-is-not-set';

  /** The lab's Podman with a configuration and a store of its own. */
  async function podmanWith(configuration: (text: string) => string) {
    const home = join(stack.locks, 'podman');
    await mkdir(home, { recursive: true });
    const program = (await readFile(REAL, 'utf8')).replaceAll(/ CONTAINERS_(?:STORAGE_)?CONF=\S+/g, ' X=x');
    await writeFile(join(home, 'podman'), program);
    await chmod(join(home, 'podman'), 0o755);
    const store = join(home, 'storage.conf');
    await writeFile(
      store,
      `[storage]\ndriver = "vfs"\ngraphroot = "${home}/graph"\nrunroot = "${home}/run"\n`,
    );
    const conf = join(home, 'containers.conf');
    const good = await readFile(join(dirname(REAL), '../containers.conf'), 'utf8');
    await writeFile(conf, configuration(good), { mode: 0o640 });
    const env = {
      CONTAINERS_CONF: conf,
      CONTAINERS_STORAGE_CONF: store,
      PATH: `${home}:${process.env['PATH']}`,
    };
    return { conf, good, env, info: () => execa(join(home, 'podman'), ['info'], { env }) };
  }

  test('a containers.conf that Podman refuses is mended by the line, and kept as it was', async () => {
    const broken = (text: string) =>
      text
        .replace(/^cgroup_manager.*$/m, 'cgroup_manager = 5')
        .replace(/^runtime = .*$/m, 'runtime = "none"');
    const { conf, good, env, info } = await podmanWith(broken);
    await expect(info()).rejects.toThrow(/cgroup_manager/);
    const call = (...argv: string[]) =>
      cliWith(stack, { env }, 'migrate', 'recover', 'permission-issues', ...argv);
    const rehearsed = await leavesAlone(() => call('--dry-run'));
    expect([rehearsed.exitCode, rehearsed.stdout]).toEqual([
      0,
      expect.stringContaining('a containers.conf is broken'),
    ]);
    expect(await readFile(conf, 'utf8')).toBe(broken(good));
    const { exitCode, stdout } = await call('--yes');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('What was found is mended')]);
    await info();
    const commented = broken(good)
      .replace('cgroup_manager', '# cgroup_manager')
      .replace('runtime = ', '# runtime = ');
    expect(await readFile(conf, 'utf8')).toBe(commented);
    const names = await readdir(dirname(conf));
    const aside = names.find((name) => /^containers\.conf\.\d{4}-.*Z$/.test(name)) ?? '';
    expect(await readFile(join(dirname(conf), aside), 'utf8')).toBe(broken(good));
  });
});

test('all of it is logged', async () => {
  const log = await readFile(stack.path(LOG), 'utf8');
  for (const text of [
    'failed-startup: start store',
    'network-issues: found: web: it is cut off from a network',
    'volume-issues: give 3 paths',
    'failed-build: in the way: api: its build file does not parse',
    'permission-issues: healthy',
  ]) {
    expect(log).toContain(text);
  }
});
