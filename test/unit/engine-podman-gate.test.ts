import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../support/folder.js';

/** What of podman-compose's calls reaches Podman, and in which words. The calls are literal: those of 1.0.3, 1.5.0 and 1.6.0. */

const GATE = fileURLToPath(new URL('../../src/engine/podman-gate.sh', import.meta.url));

/** What Podman is called with; undefined when it is not. `there` are the names of containers. */
async function through(
  argv: string[],
  { services = 'app', policies = '', there = '' } = {},
): Promise<string[] | undefined> {
  const folder = await makeFolder();
  const program = `#!/bin/sh
if [ "$1 $2" = "container exists" ]; then case "${there}" in "$3") exit 0 ;; *) exit 1 ;; esac; fi
printf '%s\\n' "$@" >"$0.called"
`;
  await folder.write({ podman: program }, 0o755);
  const env = {
    COMPOSE_ROLLBACK_GATE_PROGRAM: folder.at('podman'),
    COMPOSE_ROLLBACK_GATE_SERVICES: ` ${services} `,
    COMPOSE_ROLLBACK_GATE_POLICIES: ` ${policies} `,
  };
  const { exitCode } = await execa(GATE, argv, { env, stdin: 'ignore', reject: false });
  expect(exitCode).toBe(0);
  const called = await readFile(folder.at('podman.called'), 'utf8').catch(() => undefined);
  return called?.trimEnd().split('\n');
}

const labels = (service: string) => [
  '--label',
  'io.podman.compose.project=shop',
  '--label',
  `com.docker.compose.service=${service}`,
];
/** As 1.6.0 makes it. */
const created = (
  service: string,
  { ties = [] as string[], options = [] as string[], command = ['serve'] } = {},
) => [
  'create',
  `--name=shop_${service}_1`,
  '--pod=pod_shop',
  ...ties,
  ...labels(service),
  '--network=shop_default:alias=app',
  ...options,
  'docker.io/library/app:1',
  ...command,
];
const made = (...words: Parameters<typeof created>) => [
  'create',
  '--pull=never',
  ...created(...words).slice(1),
];

describe('a container', () => {
  it('of a service that was asked for is made, without pulling', async () => {
    expect(await through(created('app'))).toEqual(made('app'));
  });

  it('of another service is not', async () => {
    expect(await through(created('db'))).toBeUndefined();
    expect(await through(created('app'), { services: 'ap pp' })).toBeUndefined();
  });

  it('that is there stays', async () => {
    expect(await through(created('app'), { there: 'shop_app_1' })).toBeUndefined();
    expect(await through(created('app'), { there: 'shop_app_10' })).toEqual(made('app'));
  });

  it('is tied to none, whatever its command says', async () => {
    const command = ['serve', '--requires=x'];
    const ties = ['--requires=shop_db_1,shop_job_1'];
    expect(await through(created('app', { ties, command }))).toEqual(made('app', { command }));
  });

  it.each([
    [['--pull=always'], ['--pull=never']],
    [
      ['--pull', 'always'],
      ['--pull', 'never'],
    ],
    [
      ['--pull', '--pull=newer'],
      ['--pull', 'never'],
    ],
  ])('of a service with a pull policy is not pulled: %j', async (options, replaced) => {
    const command = ['serve', '--pull=x', '--pull', 'y'];
    const call = created('app', { options, command });
    expect(await through(call, { policies: 'db app' })).toEqual(made('app', { options: replaced, command }));
  });

  it('of a service without one keeps the words of its command', async () => {
    const command = ['serve', '', '--pull', 'x', '--pull=y', 'two words'];
    expect(await through(created('app', { command }), { policies: 'db' })).toEqual(made('app', { command }));
  });
});

it.each([
  ['--version', ''],
  ['ps', '--filter', 'label=io.podman.compose.project=shop', '-a', '--format', 'json'],
  ['network', 'exists', 'shop_default'],
  ['network', 'create', '--label', 'io.podman.compose.project=shop', 'shop_default'],
  ['volume', 'inspect', 'shop_data'],
  ['volume', 'create', 'shop_data'],
  ['pod', 'exists', 'pod_shop'],
  ['pod', 'create', '--name=pod_shop', '--infra=false', '--share='],
])('%s %s goes through as it is', async (...argv) => {
  expect((await through(argv))?.filter(Boolean)).toEqual(argv.filter(Boolean));
});

it.each([
  ['pull', '--policy', 'missing', 'docker.io/library/app:1'],
  ['build', '-t', 'shop_app', '.'],
  ['run', '--name=shop_app_1', '-d', ...labels('app'), 'app:1'],
  ['start', 'shop_app_1'],
  ['wait', '--condition=running', 'shop_db_1'],
  ['stop', '-t', '10', 'shop_app_1'],
  ['rm', 'shop_app_1'],
  ['pod', 'rm', 'pod_shop'],
  ['network', 'rm', 'shop_default'],
  ['volume', 'rm', 'shop_data'],
  ['rmi', '--ignore', '--force', 'app:1'],
])('%s %s ends well and does nothing', async (...argv) => {
  expect(await through(argv)).toBeUndefined();
});
