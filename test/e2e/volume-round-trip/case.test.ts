import { chown, mkdir, stat } from 'node:fs/promises';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { cli, docker, environmentOf, MAIN, type CliResult, type Stack } from '../../support/e2e.js';
import { dataStack, listing, type DataStack } from '../../support/data.js';
import { PODMAN } from '../../support/engine.js';
import { starts } from '../../support/round-trip.js';

/** Data of volumes and directories comes back exactly, by either driver. */

let data: DataStack;
let stack: Stack;

/** Somebody who may talk to the engine and not read its folders. */
async function asUser(...argv: string[]): Promise<CliResult> {
  const { gid } = await stat((process.env['DOCKER_HOST'] ?? '/var/run/docker.sock').replace('unix://', ''));
  const user = ['--reuid=4321', `--regid=${gid}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
  const { exitCode, stdout, stderr } = await execa('setpriv', [...user, process.execPath, MAIN, ...argv], {
    cwd: stack.directory,
    env: { ...environmentOf(stack), HOME: '/nonexistent' },
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

const DRIVERS = [
  { driver: 'host', call: (...argv: string[]) => cli(stack, ...argv), prepare: async () => undefined },
  {
    driver: 'api',
    call: asUser,
    prepare: async () => {
      await mkdir(stack.path('rollback'));
      await chown(stack.path('rollback'), 4321, 0);
      await execa('chmod', ['1777', stack.locks]);
      await execa('chmod', ['755', stack.directory]);
    },
  },
];

/** Podman's own streams do not serve: its data is copied where it lies, by whoever may. */
const drivers = PODMAN === undefined ? DRIVERS : DRIVERS.filter(({ driver }) => driver === 'host');

describe.each(drivers)('by the driver $driver', ({ driver, call, prepare }) => {
  const succeed = async (...argv: string[]) => {
    const result = await call(...argv);
    expect(result.exitCode, result.stderr).toBe(0);
    return result.stdout;
  };

  beforeAll(async () => {
    data = await dataStack('e2e-data-trip');
    ({ stack } = data);
    await prepare();
  });

  test('data comes back exactly, and goes forth again with undo', async () => {
    await data.reset();
    const point = await succeed('create', '--quiet', '--include-volumes');
    const before = await listing(stack.path('files'), driver);
    const record = JSON.parse(await succeed('show', point, '--json'));
    expect(record.volume_data).toMatchObject([
      { name: `${stack.name}_data`, kind: 'volume', driver, services: ['redis'] },
      { name: 'files', kind: 'bind', driver, services: ['files'] },
    ]);
    await data.change();
    const after = await listing(stack.path('files'), driver);

    await starts(stack, ['redis', 'files'], () => succeed('rollback', point, '--yes'));
    expect(await data.get()).toBe('first');
    expect(await listing(stack.path('files'), driver)).toBe(before);
    await data.leftNothing();

    await starts(stack, ['redis', 'files'], () => succeed('undo', '--yes'));
    expect(await data.get()).toBe('second');
    expect(await listing(stack.path('files'), driver)).toBe(after);
    await data.leftNothing();
    expect((await call('verify', '--all')).exitCode).toBe(0);
  });

  test('a volume that is gone is made again, with its data', async () => {
    await data.reset();
    const point = await succeed('create', '--quiet', '--include-volumes');
    await stack.compose('down', '--volumes');
    await succeed('rollback', point, '--yes');
    expect(await data.get()).toBe('first');
    const labels = JSON.parse(
      await docker('volume', 'inspect', `${stack.name}_data`, '--format', '{{json .Labels}}'),
    );
    expect(labels).toMatchObject({
      'com.docker.compose.project': stack.name,
      'com.docker.compose.volume': 'data',
    });
    await data.leftNothing();
  });
});
