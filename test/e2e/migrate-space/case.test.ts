import { mkdir } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { pipeline } from 'node:stream';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { docker } from '../../support/engine.js';
import { aStack, cli, cliWith, containersOf, json, until, type Stack } from '../../support/e2e.js';
import { atTerminal } from '../../support/processes.js';

/** A Podman with little space: what does not fit there is told before anything stops, not by a disk that is full. */

const { PODMAN = '' } = process.env;
const MEGABYTES = 16;

let stack: Stack;
let small: string;
let service: ReturnType<typeof podmanIn>;

beforeAll(async () => {
  stack = await aStack('e2e-space', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  files:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    volumes: ['data:/data']
volumes: { data: {} }
`,
  }));
  await stack.compose('up', '--detach');
  small = `${stack.locks}/small`;
  await mkdir(small);
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m`, 'tmpfs', small]);
  service = podmanIn(small);
  const argv = ['--silent', '--unix-socket', `${small}/sock`, 'http://podman/_ping'];
  await until(async () => (await execa('curl', argv, { reject: false })).stdout === 'OK', 'Podman answers');
});

afterAll(async () => {
  service.kill();
  await service;
  await execa('umount', [small]);
});

function podmanIn(folder: string) {
  const folders = [`--root=${folder}/storage`, `--runroot=${folder}/run`, `--tmpdir=${folder}/tmp`];
  const words = ['--storage-driver=vfs', 'system', 'service', '--time=0', `unix://${folder}/sock`];
  return execa(PODMAN, [...folders, ...words], { stdin: 'ignore', reject: false });
}

const inside = async (script: string) =>
  docker('exec', (await stack.ids('files'))[0] ?? '', 'sh', '-c', script);
/** More than there is room for. */
const fill = () => inside(`dd if=/dev/urandom of=/data/large bs=1M count=${MEGABYTES + 4}`);
beforeEach(() => inside('rm -f /data/large'));
const toPodman = ['to-podman', '--target-host'];

/** The same Docker, at an address that is not taken for this machine's; requests for `refused` fail there. */
async function dockerElsewhere(refused = '/nothing'): Promise<string> {
  const path = (process.env['DOCKER_HOST'] ?? '').replace('unix://', '');
  const server = createServer((client) => {
    const engine = connect(path);
    client.on('data', (chunk: Buffer) => {
      if (chunk.includes(refused))
        client.write('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n');
      else engine.write(chunk);
    });
    pipeline(engine, client, () => engine.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `tcp://127.0.0.2:${address.port}`;
}

test('data that does not fit stops the plan, and nothing else', async () => {
  await fill();
  const before = await containersOf(stack);
  const { exitCode, stderr } = await cli(stack, 'migrate', ...toPodman, `unix://${small}/sock`, '--yes');
  expect([exitCode, stderr]).toEqual([
    3,
    expect.stringMatching(
      new RegExp(`the data takes 2\\d\\.\\d MB, and Podman has 1\\d\\.\\d MB free in ${small}/storage`),
    ),
  ]);
  expect(await containersOf(stack)).toEqual(before);
  expect((await execa('ls', [`${small}/storage/volumes`], { reject: false })).stdout).toBe('');
});

test('data that only the engine may read is measured, too', async () => {
  await fill();
  const before = await containersOf(stack);
  const elsewhere = await dockerElsewhere();
  const argv = ['migrate', ...toPodman, `unix://${small}/sock`, '--yes'];
  const { exitCode, stderr } = await cliWith(stack, { env: { DOCKER_HOST: elsewhere } }, ...argv);
  expect([exitCode, stderr]).toEqual([3, expect.stringMatching(/the data takes 2\d\.\d MB/)]);
  expect(await containersOf(stack)).toEqual(before);
});

test('an engine that does not tell how much there is stands in nobody’s way', async () => {
  await fill();
  const env = { DOCKER_HOST: await dockerElsewhere('/system/df') };
  const argv = ['migrate', ...toPodman, `unix://${small}/sock`, '--dry-run'];
  const { exitCode, stderr } = await cliWith(stack, { env }, ...argv);
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining('how much the volumes hold is not known')]);
});

test('a file that is mostly a hole takes what it takes', async () => {
  await inside('truncate -s 1000000000000 /data/large');
  const plan = await json(stack, 'migrate', ...toPodman, `unix://${small}/sock`, '--dry-run');
  expect(plan).toMatchObject({ blockers: [], volumes: [{ name: `${stack.name}_data` }] });
});

test('data that grows while somebody thinks the plan over is seen, too', async () => {
  const before = await containersOf(stack);
  const terminal = atTerminal(stack, 'migrate', ...toPodman, `unix://${small}/sock`);
  await terminal.sees('[yes/no]:');
  await fill();
  terminal.type('yes\r');
  expect(await terminal.ended()).toBe(3);
  expect(terminal.shown).toContain('the data takes');
  expect(await containersOf(stack)).toEqual(before);
});
