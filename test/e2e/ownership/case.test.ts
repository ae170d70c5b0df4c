import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, expect, test } from 'vitest';
import { aStack, docker } from '../../support/e2e.js';
import { cliAs, composeAs, okAs, SLEEPER, sleeper } from '../../support/round-trip.js';

/** Whose containers are these? Other stacks of the same name, containers made by hand, folders that were moved, and names that changed. */

/** Of the projects that a test makes beside its stack's own. */
const others: string[] = [];

afterEach(async () => {
  for (const label of others.splice(0)) {
    const rows = await docker('ps', '--all', '--quiet', '--filter', `label=${label}`);
    for (const id of rows.split('\n').filter(Boolean)) await docker('rm', '--force', '--volumes', id);
    const networks = await docker('network', 'ls', '--quiet', '--filter', `label=${label}`);
    for (const id of networks.split('\n').filter(Boolean)) await docker('network', 'rm', id);
    const volumes = await docker('volume', 'ls', '--quiet', '--filter', `label=${label}`);
    for (const id of volumes.split('\n').filter(Boolean)) await docker('volume', 'rm', id);
  }
});

const projectLabel = (name: string) => `com.docker.compose.project=${name}`;

/** `ID startedAt` of all containers of a project's service. */
async function containersOf(project: string, service: string): Promise<string[]> {
  const filters = [projectLabel(project), `com.docker.compose.service=${service}`];
  const ids = await docker(
    'ps',
    '-aq',
    '--no-trunc',
    ...filters.flatMap((label) => ['--filter', `label=${label}`]),
  );
  const found = ids.split('\n').filter(Boolean);
  return Promise.all(found.map(startOf));
}

const startOf = (container: string) =>
  docker('inspect', '--format', '{{.Id}} {{.State.StartedAt}}', container);

const labelOf = (container: string, label: string) =>
  docker('inspect', '--format', `{{index .Config.Labels "${label}"}}`, container);

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

const web = (version: number, more = '') => `  web: { ${SLEEPER}, labels: [version=${version}]${more} }\n`;

/** The version label of the only container of a service. */
async function versionOf(project: string, service = 'web'): Promise<string> {
  const [one, ...more] = await containersOf(project, service);
  expect(more).toEqual([]);
  return labelOf(one?.split(' ')[0] ?? '', 'version');
}

test('another stack in a folder of the same name is named, and never touched', async () => {
  const stack = await aStack('e2e-namesake', () => ({}));
  const [a, b] = [join('a', stack.name), join('b', stack.name)];
  await stack.write({
    [join(a, 'compose.yaml')]: `services:\n${web(1)}  db: { ${SLEEPER} }\n`,
    [join(b, 'compose.yaml')]: `services:\n${web(2)}  mailer: { ${SLEEPER} }\n`,
  });
  const here = { cwd: stack.path(b) };
  await composeAs(stack, here, 'up', '--detach');
  const created = await okAs(stack, here, 'create', 'b');
  expect(created.stderr).not.toContain('another project');
  await composeAs(stack, here, 'down');

  await composeAs(stack, { cwd: stack.path(a) }, 'up', '--detach');
  const before = await Promise.all(['web', 'db'].map((service) => containersOf(stack.name, service)));
  for (const argv of [['--dry-run'], ['--yes'], ['--yes', '--services', 'mailer']]) {
    const { exitCode, stdout, stderr } = await cliAs(stack, here, 'rollback', 'latest', ...argv);
    expect([exitCode, stdout + stderr]).toEqual([3, expect.stringContaining(stack.path(a))]);
  }
  const { stderr } = await okAs(stack, here, 'create', 'while a runs');
  expect(stderr).toContain(stack.path(a));
  expect(await Promise.all(['web', 'db'].map((service) => containersOf(stack.name, service)))).toEqual(
    before,
  );

  // The other one is well where it is, and once it is down this one can come back.
  await okAs(stack, { cwd: stack.path(a) }, 'create', 'a');
  await composeAs(stack, { cwd: stack.path(a) }, 'down');
  await okAs(stack, here, 'rollback', 'latest~1', '--yes');
  expect(await versionOf(stack.name)).toBe('2');
});

test('containers made by hand of an image with the labels of compose are not counted and not touched', async () => {
  const compose = (name: string, port: string) =>
    `name: ${name}\nservices:\n  web: { build: ., image: "${name}/web:latest", command: [httpd, -f, -p, "80", -h, /], stop_signal: SIGKILL${port} }\n`;
  for (const port of ['', ', ports: ["127.0.0.1::80"]']) {
    const stack = await aStack('e2e-copy', (name) => ({
      'compose.yaml': compose(name, port),
      Dockerfile: 'FROM busybox:latest\nRUN echo v1 >/version && echo ok >/index.html\n',
    }));
    const image = `${stack.name}/web:latest`;
    await stack.compose('up', '--detach', '--build');
    const [first = ''] = await containersOf(stack.name, 'web');
    await docker('commit', first.split(' ')[0] ?? '', `${stack.name}/committed:1`);
    const names = [`${stack.name}-run`, `${stack.name}-commit`];
    await docker('run', '--detach', '--init', '--name', names[0] ?? '', image, 'sleep', '999');
    await docker(
      'run',
      '--detach',
      '--init',
      '--name',
      names[1] ?? '',
      `${stack.name}/committed:1`,
      'sleep',
      '999',
    );
    const byHand = () => Promise.all(names.map(startOf));
    const before = await byHand();

    const { stderr } = await okAs(stack, {}, 'create', 'good');
    for (const name of names) expect(stderr).toContain(name);
    // Nothing to do: what is not counted does not make a second replica either.
    const planned = await okAs(stack, {}, 'rollback', 'latest', '--dry-run', '--json');
    expect(JSON.parse(planned.stdout)).toMatchObject({ operations: [] });

    await stack.write({ Dockerfile: 'FROM busybox:latest\nRUN echo v2 >/version && echo ok >/index.html\n' });
    await docker('rm', '--force', names[1] ?? ''); // compose itself would remove it
    await stack.compose('up', '--detach', '--build');
    await docker(
      'run',
      '--detach',
      '--init',
      '--name',
      names[1] ?? '',
      `${stack.name}/committed:1`,
      'sleep',
      '999',
    );
    const [, committed = ''] = await byHand();
    const blocked = await cliAs(stack, {}, 'rollback', 'latest', '--yes');
    expect([blocked.exitCode, blocked.stderr]).toEqual([3, expect.stringContaining(names[1] ?? '')]);
    expect(await byHand()).toEqual([before[0], committed]);

    await docker('rm', '--force', names[1] ?? '');
    await okAs(stack, {}, 'rollback', 'latest', '--yes');
    const [running = ''] = (await stack.compose('ps', '--quiet', 'web')).split('\n');
    expect(await docker('exec', running, 'cat', '/version')).toBe('v1');
    expect(await startOf(names[0] ?? '')).toBe(before[0]);
    await docker('rm', '--force', names[0] ?? '');
  }
});

test('a folder that was moved, and so is called otherwise, keeps its project, its points and its data', async () => {
  const files = (version: number, old: string) => ({
    [join(old, 'compose.yaml')]:
      `services:\n${web(version, ', volumes: ["./app.ini:/app.ini:ro", "./files:/files"]')}`,
    [join(old, 'app.ini')]: `v${version}\n`,
    [join(old, 'files/f')]: `v${version}\n`,
  });
  const stack = await aStack('e2e-moved', (name) => files(1, join('srv', name)));
  const [old, moved] = [stack.path(join('srv', stack.name)), stack.path('opt/stack')];
  await composeAs(stack, { cwd: old }, 'up', '--detach');
  await mkdir(dirname(moved));
  await rename(old, moved);
  const here = { cwd: moved };

  const created = await okAs(stack, here, 'create', '--include-volumes', '-p', stack.name, 'moved');
  expect(created.stderr).not.toContain('not recorded');
  const listed = await okAs(stack, here, 'list');
  expect(listed.stdout).toContain('moved');
  expect(listed.stderr).toContain(`project ${stack.name} is used`);

  await stack.write(files(2, 'opt/stack'));
  await okAs(stack, here, 'rollback', 'latest', '--yes');
  const [running = ''] = await containersOf(stack.name, 'web');
  const id = running.split(' ')[0] ?? '';
  expect(await docker('exec', id, 'cat', '/app.ini', '/files/f')).toBe('v1\nv1');
  expect(await docker('inspect', '--format', '{{range .Mounts}}{{.Source}} {{end}}', id)).not.toContain(old);
  expect(await exists(old)).toBe(false);
});

test('a name that an update gave to the files: back under the earlier one, with its data, and forth by undo', async () => {
  const compose = (version: number, name = '') =>
    `${name}services:\n${web(version, ', container_name: "NAME_web", volumes: ["data:/data"]')}volumes: { data: {} }\n`;
  const stack = await aStack('e2e-renamed', (name) => ({
    [join(name, 'compose.yaml')]: compose(1).replace('NAME', name),
  }));
  const renamed = `${stack.name}-new`;
  others.push(projectLabel(renamed));
  const here = { cwd: stack.path(stack.name) };
  const container = `${stack.name}_web`;
  await composeAs(stack, here, 'up', '--detach');
  await docker('exec', container, 'sh', '-c', 'echo precious >/data/file');
  await okAs(stack, here, 'create', 'good');

  await stack.write({
    [join(stack.name, 'compose.yaml')]: compose(2, `name: ${renamed}\n`).replace('NAME', stack.name),
  });
  await docker('rm', '--force', container);
  await composeAs(stack, here, 'up', '--detach');
  await docker('exec', container, 'sh', '-c', 'echo new >/data/file');

  const state = async () => [
    await labelOf(container, 'version'),
    await labelOf(container, 'com.docker.compose.project'),
    await docker('exec', container, 'cat', '/data/file'),
    (await readFile(stack.path(join(stack.name, 'compose.yaml')), 'utf8')).startsWith('name: '),
  ];
  const after = ['2', renamed, 'new', true];
  expect(await state()).toEqual(after);
  const listed = await okAs(stack, here, 'list');
  expect([listed.stdout, listed.stderr]).toEqual([
    expect.stringContaining('good'),
    expect.stringContaining(stack.name),
  ]);
  await okAs(stack, here, 'quick-rollback', '--auto-confirm');
  expect(await state()).toEqual(['1', stack.name, 'precious', false]);
  await okAs(stack, here, 'undo', '--yes');
  expect(await state()).toEqual(after);
  await okAs(stack, { ...here, flags: ['-p', stack.name] }, 'rollback', 'latest', '--yes');
  expect(await state()).toEqual(['1', stack.name, 'precious', false]);
});

test('-p and --env-file that are not given again are told by the containers', async () => {
  const stack = await aStack('e2e-forgotten', () => ({
    'compose.yaml': `services:\n${web(1, ', environment: { LEVEL: "${LEVEL:-none}" }')}`,
    'prod.env': 'LEVEL=one\n',
  }));
  const started = { flags: ['-p', stack.name, '--env-file', 'prod.env'] };
  await composeAs(stack, started, 'up', '--detach');
  const { stderr } = await okAs(stack, {}, 'create', 'good');
  expect(stderr).toContain(`project ${stack.name} is used`);
  await stack.write({ 'prod.env': 'LEVEL=two\n' });
  await composeAs(stack, started, 'up', '--detach');
  await okAs(stack, {}, 'rollback', 'latest', '--yes');
  expect(await readFile(stack.path('prod.env'), 'utf8')).toBe('LEVEL=one\n');
  const [running] = await containersOf(stack.name, 'web');
  await composeAs(stack, started, 'up', '--detach');
  expect(await containersOf(stack.name, 'web')).toEqual([running]);
});

test('a second project that somebody runs from the same folder with -p is left alone', async () => {
  const stack = await aStack('e2e-second', (name) => ({
    'compose.yaml': `name: ${name}\nservices:\n${web(1)}`,
  }));
  const second = `${stack.name}-test`;
  others.push(projectLabel(second));
  const testing = { flags: ['-p', second] };
  for (const call of [{}, testing]) await composeAs(stack, call, 'up', '--detach');
  await okAs(stack, testing, 'create', 'test');
  await stack.write({ 'compose.yaml': `name: ${stack.name}\nservices:\n${web(2)}` });
  const [own] = await containersOf(stack.name, 'web');
  const { exitCode, stderr } = await cliAs(stack, {}, 'rollback', 'latest', '--yes');
  expect([exitCode, stderr]).toEqual([10, expect.stringContaining(second)]);
  await composeAs(stack, testing, 'up', '--detach');
  await okAs(stack, testing, 'rollback', 'latest', '--yes');
  expect([await versionOf(second), await containersOf(stack.name, 'web')]).toEqual(['1', [own]]);
});

test('a container name that another container has blocks beforehand', async () => {
  const compose = (name: string, version: number, own: string) =>
    `name: ${name}\nservices:\n${web(version, own)}  idle: { ${SLEEPER} }\n`;
  const stack = await aStack('e2e-held', (name) => ({
    'compose.yaml': compose(name, 1, `, container_name: "${name}-held"`),
  }));
  await stack.compose('up', '--detach');
  await okAs(stack, {}, 'create', 'good');
  await stack.write({ 'compose.yaml': compose(stack.name, 2, '') });
  await stack.compose('up', '--detach');
  await docker(
    'run',
    '--detach',
    '--init',
    '--name',
    `${stack.name}-held`,
    '--label',
    `held=${stack.name}`,
    'busybox:latest',
    'sleep',
    '999',
  );
  others.push(`held=${stack.name}`);
  const before = await containersOf(stack.name, 'web');
  const { exitCode, stderr } = await cliAs(stack, {}, 'rollback', 'latest', '--yes');
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining(`${stack.name}-held`)]);
  expect(await containersOf(stack.name, 'web')).toEqual(before);
});

test('labels with paths of another machine: nothing is made there, and the files are asked for', async () => {
  const stack = await aStack('e2e-portainer', () => ({}));
  const elsewhere = `/data/compose/${stack.name}`;
  const labels = {
    'com.docker.compose.project': stack.name,
    'com.docker.compose.service': 'web',
    'com.docker.compose.container-number': '1',
    'com.docker.compose.oneoff': 'False',
    'com.docker.compose.config-hash': 'f'.repeat(64),
    'com.docker.compose.project.working_dir': elsewhere,
    'com.docker.compose.project.config_files': `${elsewhere}/docker-compose.yml`,
    'com.docker.compose.project.environment_file': `${elsewhere}/stack.env`,
  };
  const flags = Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
  await docker('run', '--detach', '--init', ...flags, 'busybox:latest', 'sleep', '999');
  const { exitCode, stderr } = await cliAs(stack, { flags: ['-p', stack.name] }, 'create', 'x');
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(elsewhere)]);
  await stack.write({ 'docker-compose.yml': `services:\n${web(1)}` });
  await okAs(stack, { flags: ['-p', stack.name, '-f', 'docker-compose.yml'] }, 'create', 'x');
  expect(await exists('/data/compose')).toBe(false);
});

test('files from standard input in the labels are ignored', async () => {
  const stack = await aStack('e2e-stdin', (name) => ({
    'compose.yaml': `name: ${name}\nservices:\n${web(1)}`,
  }));
  const input = 'services: { web: { environment: { A: b } } }';
  await execa('docker', ['compose', '-f', 'compose.yaml', '-f', '-', 'up', '--detach'], {
    cwd: stack.directory,
    input,
  });
  await okAs(stack, {}, 'create', 'x');
});

test('a broken present does not keep anybody from going back', async () => {
  const settings = 'services: { web: { handler: generic, health_timeout: 20s } }\n';
  const compose = (name: string, version: number, labels = '') =>
    `name: ${name}\nservices:\n  web: { ${sleeper('busybox:latest')}, labels: { version: "${version}"${labels} } }\n`;
  const stack = await aStack('e2e-broken', (name) => ({
    'compose.yaml': compose(name, 1),
    'rollback.yaml': settings,
  }));
  await stack.compose('up', '--detach');
  await okAs(stack, {}, 'create', 'good');
  const foreign = ', rollback.enable: "true", rollback.handler: "previous", rollback.port: "many"';
  await stack.write({
    'compose.yaml': compose(stack.name, 2, foreign),
    'rollback.yaml': `<<<<<<< HEAD\n${settings}=======\nmax_rollback_points: 3\n>>>>>>> update\n`,
  });
  await stack.compose('up', '--detach');
  const refused = await cliAs(stack, {}, 'create', 'x');
  expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('rollback.yaml')]);
  const { stderr } = await okAs(stack, {}, 'rollback', 'latest', '--yes');
  for (const named of ['rollback.yaml', 'rollback.enable', 'previous', 'rollback.port'])
    expect(stderr).toContain(named);
  expect(await versionOf(stack.name)).toBe('1');
  expect(stderr).toContain('settings that point');
  await stack.write({ 'rollback.yaml': 'max_points: 3\n', 'compose.yaml': compose(stack.name, 3, foreign) });
  const mistyped = await cliAs(stack, {}, 'create', 'x');
  expect([mistyped.exitCode, mistyped.stderr]).toEqual([2, expect.stringContaining('max_points')]);
  await stack.write({ 'rollback.yaml': settings });
  const { stderr: told } = await okAs(stack, {}, 'create', 'labels');
  expect(told).toContain('rollback.enable');
});
