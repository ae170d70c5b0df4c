import { expect, test } from 'vitest';
import { aStack, cli, cliWith, create, docker, json, ok, type Stack } from '../../support/e2e.js';
import { compose, isPodmanBefore } from '../../support/engine.js';
import { containerOf, SLEEPER } from '../../support/round-trip.js';

/**
 * Settings that no hash of compose covers, or that no file says: what runs after a rollback is what ran at the point, as the engine tells it. How
 * single facts are compared: plan-facts.test.ts; all keys of compose: property.
 */

/** 4.3.1 starts no container with `ulimits` where its own are the highest allowed, and its API has no `docker update`. */
const IS_PODMAN_4 = await isPodmanBefore(5, 0);

/** As `docker inspect --format` prints it, of the first container of a service. */
async function inspect(stack: Stack, service: string, format: string): Promise<string> {
  return await docker('inspect', '--format', format, (await containerOf(stack, service)).id);
}

const inside = async (stack: Stack, service: string, ...argv: string[]) =>
  await docker('exec', (await containerOf(stack, service)).id, ...argv);

async function expectNothingToDo(stack: Stack, point: string): Promise<void> {
  expect(await json(stack, 'rollback', point, '--dry-run')).toMatchObject({ operations: [], blockers: [] });
  expect((await cli(stack, 'diff', point, '--exit-code')).exitCode).toBe(0);
}

test('the content of configs and the name of a volume, which are in no hash', async () => {
  const files = (content: string, volume: string) => (name: string) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { ${SLEEPER}, configs: [{ source: motd, target: /etc/motd }], volumes: ['store:/store'] }
  idle: { ${SLEEPER} }
configs: { motd: { content: '${content}' } }
volumes: { store: { name: ${name}_${volume} } }
`,
  });
  const stack = await aStack('e2e-facts', files('listen 8080', 'prod'));
  await stack.compose('up', '-d');
  const point = await create(stack);
  await expectNothingToDo(stack, point);

  await stack.write(files('listen 9999', 'test')(stack.name));
  await stack.compose('up', '-d', '--force-recreate', 'web');
  const idle = await containerOf(stack, 'idle');
  const differing = await cli(stack, 'diff', point, '--exit-code');
  expect(differing.exitCode).toBe(1);
  expect(differing.stdout).toContain('mount./store');
  expect(differing.stdout).not.toContain('9999');

  const { stdout } = await ok(stack, 'rollback', point, '--yes');
  expect(stdout).toMatch(/Proved: \d+ facts/);
  expect(await inside(stack, 'web', 'cat', '/etc/motd')).toBe('listen 8080');
  expect(await inspect(stack, 'web', '{{(index .Mounts 0).Name}}')).toBe(`${stack.name}_prod`);
  expect(await containerOf(stack, 'idle')).toEqual(idle);
  await expectNothingToDo(stack, point);

  await ok(stack, 'undo', '--yes');
  expect(await inside(stack, 'web', 'cat', '/etc/motd')).toBe('listen 9999');
});

test('a network that became internal, with a container of somebody else in it', async () => {
  const files = (internal: boolean) => (name: string) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { ${SLEEPER}, networks: [back] }
  idle: { ${SLEEPER} }
networks: { back: { internal: ${internal}, ipam: { config: [{ subnet: 198.18.213.0/24 }] } } }
`,
  });
  const stack = await aStack('e2e-facts-net', files(false));
  await stack.compose('up', '-d');
  const point = await create(stack);
  await stack.compose('down', '-t', '1');
  await stack.write(files(true)(stack.name));
  await stack.compose('up', '-d');
  const network = `${stack.name}_back`;
  const [idle, guest] = [await containerOf(stack, 'idle'), `${stack.name}-guest`];
  await docker('run', '-d', '--name', guest, 'busybox:latest', 'sleep', 'infinity');
  await docker('network', 'connect', '--alias', 'visitor', '--ip', '198.18.213.77', network, guest);
  const guestFacts = () =>
    docker(
      'inspect',
      '--format',
      `{{.State.StartedAt}} {{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}} {{.Aliases}}{{end}}`,
      guest,
    );
  const before = await guestFacts();
  expect(before).toContain('198.18.213.77');
  try {
    expect(await json(stack, 'rollback', point, '--dry-run')).toMatchObject({
      risks: expect.arrayContaining([expect.objectContaining({ code: 'network-shared' })]),
    });
    await ok(stack, 'rollback', point, '--yes');
    expect(await docker('network', 'inspect', '--format', '{{.Internal}}', network)).toBe('false');
    expect(await guestFacts()).toBe(before);
    expect(await containerOf(stack, 'idle')).toEqual(idle);
    await expectNothingToDo(stack, point);
    await ok(stack, 'undo', '--yes');
    expect(await docker('network', 'inspect', '--format', '{{.Internal}}', network)).toBe('true');
    expect(await guestFacts()).toBe(before);
  } finally {
    await docker('rm', '-f', guest);
  }
});

test.skipIf(IS_PODMAN_4)('a service whose files were edited before the point, and not applied', async () => {
  const files = (mode: string, more: string) => (name: string) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { ${SLEEPER}, environment: { MODE: ${mode}, SECRET: value-${mode} }${more} }
`,
  });
  const old = ', mem_limit: 64m, ulimits: { nofile: 512 }, cap_drop: [NET_RAW], labels: { role: first }';
  const stack = await aStack('e2e-facts-edit', files('one', old));
  await stack.compose('up', '-d');
  const facts = async () => {
    const format =
      '{{.HostConfig.Memory}} {{.HostConfig.Ulimits}} {{.HostConfig.CapDrop}} {{index .Config.Labels "role"}}';
    const environment: string[] = JSON.parse(await inspect(stack, 'web', '{{json .Config.Env}}'));
    // Podman tells the id of the container, too. In any order: compose keeps them in a map.
    const set = environment.filter((entry) => !entry.startsWith('HOSTNAME=')).toSorted();
    return [...set, await inspect(stack, 'web', format)].join(' ');
  };
  const recorded = await facts();
  await stack.write(files('two', '')(stack.name));
  const made = await ok(stack, 'create');
  expect(made.stdout + made.stderr).toContain('other settings');
  await stack.compose('up', '-d');
  expect(await facts()).not.toBe(recorded);

  const { stdout } = await ok(stack, 'rollback', 'latest', '--yes');
  expect(await facts()).toBe(recorded);
  const keys = ['environment.MODE', 'environment.SECRET', 'labels.role', 'mem_limit', 'ulimits'];
  const what = 'mem_limit is 67108864, the files say not set';
  expect(stdout).toContain('the next docker compose up replaces it');
  expect(stdout).toContain(what);
  expect(stdout).not.toContain('value-one');
  const status = await json(stack, 'status');
  expect(status).toMatchObject({
    replaced: [
      {
        service: 'web',
        differences: expect.arrayContaining(keys.map((key) => expect.objectContaining({ key }))),
      },
    ],
  });
  expect(JSON.stringify(status)).not.toMatch(/value-(?:one|two)/);
  const shown = await ok(stack, 'status');
  expect(shown.stderr).toContain(
    'the next docker compose up replaces web, because its files say otherwise: ',
  );
  expect(shown.stderr).toContain('environment.MODE differs;');
  expect(shown.stderr).toContain(what);
  await expectNothingToDo(stack, 'latest');
  // In the plan too, before anything is done.
  await ok(stack, 'undo', '--yes');
  expect(await json(stack, 'status')).toMatchObject({ replaced: [] });
  const planned = await ok(stack, 'rollback', 'latest', '--dry-run');
  expect(planned.stdout).toContain(what);
  await ok(stack, 'rollback', 'latest', '--yes');
  // A container that was made from standing input is found and recorded like any other.
  await create(stack);
  await stack.compose('up', '-d');
  expect(await facts()).not.toBe(recorded);
});

test.skipIf(IS_PODMAN_4)(
  'settings that were changed by hand, and connections that were made by hand',
  async () => {
    const stack = await aStack('e2e-facts-hand', (name) => ({
      'compose.yaml': `name: ${name}\nservices: { web: { ${SLEEPER} }, idle: { ${SLEEPER} } }\n`,
    }));
    const network = `${stack.name}_extra`;
    const web = async () => (await containerOf(stack, 'web')).id;
    const label = `com.docker.compose.project=${stack.name}`;
    await stack.compose('up', '-d');
    await docker('network', 'create', '--label', label, network);
    await docker('network', 'connect', '--alias', 'byhand', network, await web());
    const connected = () => inspect(stack, 'web', `{{index .NetworkSettings.Networks "${network}"}}`);
    const point = await create(stack);
    await expectNothingToDo(stack, point);

    await docker('update', '--memory', '100m', '--memory-swap', '200m', await web());
    await docker('network', 'disconnect', network, await web());
    await ok(stack, 'rollback', point, '--yes');
    expect(await inspect(stack, 'web', '{{.HostConfig.Memory}}')).toBe('0');
    expect(await connected()).toContain('byhand');
    await expectNothingToDo(stack, point);

    // What compose makes of a definition has the name of the service for an alias too.
    await docker('update', '--memory', '100m', '--memory-swap', '200m', await web());
    const limited = await create(stack);
    await stack.compose('up', '-d', '--force-recreate', 'web');
    await ok(stack, 'rollback', limited, '--yes');
    expect(await inspect(stack, 'web', '{{.HostConfig.Memory}}')).toBe('104857600');
    // Docker 20.10 lists the beginning of the id too.
    expect(await connected()).toMatch(/\[byhand(?: [0-9a-f]{12})?\]/);
    await expectNothingToDo(stack, limited);

    await docker('network', 'disconnect', network, await web());
    await docker('network', 'rm', network);
    const plan = await json(stack, 'rollback', limited, '--dry-run');
    expect(plan).toMatchObject({ blockers: [], operations: [] });
  },
);

test('an anonymous volume that was renewed, and one that is gone', async () => {
  const stack = await aStack('e2e-facts-anon', (name) => ({
    'compose.yaml': `name: ${name}\nservices: { web: { ${SLEEPER}, volumes: [/cache] } }\n`,
  }));
  const volume = () => inspect(stack, 'web', '{{(index .Mounts 0).Name}}');
  await stack.compose('up', '-d');
  const first = await volume();
  const point = await create(stack);
  await stack.compose('up', '-d', '-V', '--force-recreate');
  expect(await volume()).not.toBe(first);
  await ok(stack, 'rollback', point, '--yes');
  expect(await volume()).toBe(first);

  await stack.compose('up', '-d', '-V', '--force-recreate');
  await docker('volume', 'rm', first);
  expect(await json(stack, 'rollback', point, '--dry-run')).toMatchObject({ operations: [], blockers: [] });
});

test('another home directory: cron and sudo have one of their own', async () => {
  const stack = await aStack('e2e-facts-home', (name) => ({
    'compose.yaml': `name: ${name}\nservices: { web: { ${SLEEPER}, labels: [a=1], volumes: ['~/media:/media'] } }\n`,
    'home/ann/media/what': 'films',
  }));
  const [ann, root] = ['ann', 'root'].map((user) => ({ HOME: `${stack.directory}/home/${user}` }));
  const docker_config = process.env['DOCKER_CONFIG'];
  const env = (home: { HOME: string } | undefined) => ({ ...home, DOCKER_CONFIG: docker_config });
  await compose(['-p', stack.name, 'up', '-d'], { cwd: stack.directory, env: env(ann) });
  const source = () => inspect(stack, 'web', '{{(index .Mounts 0).Source}}');
  const recorded = await source();
  expect(recorded).toContain('/home/ann/media');
  expect((await cliWith(stack, { env: env(root) }, 'create', 'nightly')).exitCode).toBe(0);
  await docker('rm', '-f', (await containerOf(stack, 'web')).id);
  const { exitCode } = await cliWith(stack, { env: env(root) }, 'rollback', 'latest', '--yes');
  expect(exitCode).toBe(0);
  expect(await source()).toBe(recorded);
});

test('a network of others that changed, and the name of a host that belongs to another service', async () => {
  const files = (user: string) => (name: string) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { ${SLEEPER}, user: '${user}', networks: [proxy] }
  side: { ${SLEEPER}, network_mode: 'service:web' }
networks: { proxy: { external: true, name: ${name}_of_others } }
`,
  });
  const stack = await aStack('e2e-facts-external', files('1'));
  const network = `${stack.name}_of_others`;
  await docker('network', 'create', network);
  try {
    await stack.compose('up', '-d');
    const point = await create(stack);
    await expectNothingToDo(stack, point);
    await stack.compose('down', '-t', '1');
    await docker('network', 'rm', network);
    await docker('network', 'create', '--internal', network);
    await stack.write(files('2')(stack.name));
    await stack.compose('up', '-d');

    const { exitCode, stdout } = await cli(stack, 'rollback', point, '--yes');
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 23,
      stdout: expect.stringContaining(`Not equal: network ${network}: internal was not set, is true`),
    });
    expect(stdout).not.toContain('hostname');
    expect(await inspect(stack, 'web', '{{.Config.User}}')).toBe('1');
    expect(await docker('network', 'inspect', '--format', '{{.Internal}}', network)).toBe('true');
  } finally {
    await stack.compose('down', '-t', '1');
    await docker('network', 'rm', network);
  }
});

test('a subnet that somebody else took, and an address that is not free: known before anything stops', async () => {
  const [subnet, address] = ['10.219.7.0/24', '10.219.7.9'];
  const files = (name: string, more: string) => ({
    'compose.yaml': `
name: ${name}
services:
  web: { ${SLEEPER}${more} }
networks:
  back: { ipam: { config: [{ subnet: ${subnet} }] } }
`,
  });
  const inBack = `, networks: { back: { ipv4_address: ${address} } }`;
  const stack = await aStack('e2e-facts-subnet', (name) => files(name, inBack));
  const [network, other] = [`${stack.name}_back`, `${stack.name}-other`];
  await stack.compose('up', '-d');
  await create(stack);
  await stack.write(files(stack.name, ''));
  await stack.compose('up', '-d');
  const before = await containerOf(stack, 'web');
  const blockersOf = async () => {
    const refused = await cli(stack, 'rollback', 'latest', '--yes');
    expect(refused.exitCode).toBe(3);
    expect(await containerOf(stack, 'web')).toEqual(before);
    return refused.stderr;
  };
  const image = await inspect(stack, 'web', '{{.Config.Image}}');
  try {
    await docker('run', '-d', '--name', other, '--network', network, '--ip', address, image, 'sleep', '600');
    expect(await blockersOf()).toContain(
      `web needs the address ${address} in network ${network}, which container ${other} has`,
    );
    await docker('rm', '-f', other);
    await docker('network', 'rm', network);
    await docker('network', 'create', '--subnet', '10.219.7.128/25', other);
    expect(await blockersOf()).toContain(
      `network ${network} has to be made with ${subnet}, which overlaps 10.219.7.128/25 of network ${other}`,
    );
    await docker('network', 'rm', other);
    await ok(stack, 'rollback', 'latest', '--yes');
    expect(await inspect(stack, 'web', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`)).toBe(
      address,
    );
  } finally {
    await docker('rm', '-f', other);
    await docker('network', 'rm', '-f', other);
  }
});

test('two services that exchanged the names and addresses of their containers', async () => {
  const files = (blue: [string, number], green: [string, number]) => (name: string) => {
    const service = ([color, last]: [string, number]) =>
      `{ ${SLEEPER}, container_name: ${name}-${color}, networks: { back: { ipv4_address: 10.219.9.${last} } } }`;
    return {
      'compose.yaml': `
name: ${name}
services:
  blue: ${service(blue)}
  green: ${service(green)}
networks: { back: { ipam: { config: [{ subnet: 10.219.9.0/24 }] } } }
`,
    };
  };
  const stack = await aStack('e2e-facts-exchanged', files(['live', 11], ['spare', 12]));
  await stack.compose('up', '-d');
  const point = await create(stack);
  await stack.compose('down', '-t', '1');
  await stack.write(files(['spare', 12], ['live', 11])(stack.name));
  await stack.compose('up', '-d');
  const live = async () =>
    await docker(
      'inspect',
      '--format',
      `{{index .Config.Labels "com.docker.compose.service"}} {{(index .NetworkSettings.Networks "${stack.name}_back").IPAddress}}`,
      `${stack.name}-live`,
    );
  expect(await live()).toBe('green 10.219.9.11');
  await ok(stack, 'rollback', point, '--yes');
  expect(await live()).toBe('blue 10.219.9.11');
  await expectNothingToDo(stack, point);
  await ok(stack, 'undo', '--yes');
  expect(await live()).toBe('green 10.219.9.11');
});
