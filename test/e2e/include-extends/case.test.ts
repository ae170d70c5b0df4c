import { beforeAll, expect, test } from 'vitest';
import { aStack, docker, type Stack } from '../../support/e2e.js';
import {
  composeAs,
  containerOf,
  okAs,
  roundTrip,
  SLEEPER,
  starts,
  stateOf,
  type Call,
} from '../../support/round-trip.js';

/** One project out of many files: included, extended, overridden, some of them outside of its folder. */

const composeFile = (name: string) => `
name: ${name}
include:
  - path: parts/db.yaml
    project_directory: parts/home
    env_file: parts/db.env
  - ../shared/common.yaml
x-defaults: &defaults { ${SLEEPER}, labels: &labels { kept: anchor } }
services:
  web:
    extends: { file: templates/web.yaml, service: web }
    labels: { <<: *labels, own: web }
  idle:
    <<: *defaults
    environment: { MERGED: key }
`;

const FILES = {
  'app/compose.override.yaml': `
services:
  web:
    environment: { FROM_TEMPLATE: !reset null }
    dns_search: !override [one.example]
`,
  'app/templates/web.yaml': `
services:
  web:
    extends: { file: deeper/base.yaml, service: base }
    environment: { FROM_TEMPLATE: reset }
    dns_search: [overridden.example]
`,
  'app/templates/deeper/base.yaml': `services: { base: { ${SLEEPER}, environment: { DEEP: one } } }\n`,
  'app/parts/db.yaml': `
services:
  db:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    environment: { SIZE: "\${SIZE}" }
    volumes: ["./db.conf:/etc/db.conf:ro"]
`,
  'app/parts/db.env': 'SIZE=1\n',
  'app/parts/home/db.conf': 'one\n',
  'shared/common.yaml': `services: { common: { ${SLEEPER}, environment: { COMMON: one } } }\n`,
  'shared/more.yaml': `services: { more: { ${SLEEPER}, environment: { MORE: one } } }\n`,
};

let stack: Stack;
let user: Call;

beforeAll(async () => {
  stack = await aStack('e2e-include', (name) => ({ ...FILES, 'app/compose.yaml': composeFile(name) }));
  const files = ['compose.yaml', 'compose.override.yaml', '../shared/more.yaml'];
  user = { cwd: stack.path('app'), flags: files.flatMap((file) => ['-f', file]) };
  await composeAs(stack, user, 'up', '--detach');
});

async function edit(path: keyof typeof FILES, from: string, to: string): Promise<void> {
  expect(FILES[path]).toContain(from);
  await stack.write({ [path]: FILES[path].replace(from, to) });
}

async function environment(service: string): Promise<string> {
  const { id } = await containerOf(stack, service);
  return await docker('inspect', '--format', '{{join .Config.Env " "}} {{.HostConfig.DNSSearch}}', id);
}

test('changes in extended, overriding and included files, their env file and what they mount are undone', async () => {
  const change = async () => {
    await edit('app/templates/deeper/base.yaml', 'one', 'two');
    await edit('app/compose.override.yaml', '!override [one.example]', '[two.example]');
    await edit('app/parts/db.env', '1', '2');
    await edit('app/parts/home/db.conf', 'one', 'two');
    await composeAs(stack, user, 'up', '--detach');
    expect(await environment('web')).toMatch(/DEEP=two.*overridden.example two.example/);
    expect(await environment('db')).toContain('SIZE=2');
  };
  await roundTrip(stack, { change, touched: ['web', 'db'], call: { cwd: stack.path('app') }, up: user });
});

test('files outside of the project: left alone, though services come back, and undone when asked for', async () => {
  const call: Call = { cwd: stack.path('app') };
  const before = await stateOf(stack);
  const change = async () => {
    await edit('shared/common.yaml', 'one', 'two');
    await edit('shared/more.yaml', 'one', 'two');
    await composeAs(stack, user, 'up', '--detach');
    const changed = await stateOf(stack);
    const { stdout } = await okAs(stack, call, 'rollback', 'latest', '--dry-run');
    for (const file of ['common.yaml', 'more.yaml']) expect(stdout).toContain(stack.path(`shared/${file}`));
    const { stderr } = await starts(stack, ['common', 'more'], () =>
      okAs(stack, call, 'rollback', 'latest', '--yes'),
    );
    expect(stderr).toContain('--outside');
    expect(await stateOf(stack)).toEqual({ containers: before.containers, files: changed.files });
    await composeAs(stack, user, 'up', '--detach');
    expect(await stateOf(stack)).toEqual(changed);
  };
  await roundTrip(stack, { change, touched: ['common', 'more'], call, flags: ['--outside'], up: user });
});
