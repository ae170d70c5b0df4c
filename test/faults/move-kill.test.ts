import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aStack, ok, type Stack } from '../support/e2e.js';
import { HOURS } from '../support/faults.js';
import { everyKill, runKilled } from '../support/kills.js';

/** A move that is killed at any step is finished by `resume` and taken back by `abort`: the project runs at one side, with its data, and nothing is left over. */

const { PODMAN_HOST: PODMAN = '', DOCKER_HOST: DOCKER = '' } = process.env;
const SERVICES = ['cache', 'web'];

let stack: Stack;

beforeAll(async () => {
  const definition = `{ image: busybox:latest, init: true, restart: always, command: [sleep, '100000'], volumes: ['VOLUME:/data'] }`;
  stack = await aStack('move-kill', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  cache: ${definition.replace('VOLUME', 'cache')}
  web: ${definition.replace('VOLUME', 'web')}
volumes: { cache: {}, web: {} }
`,
  }));
  await stack.compose('up', '--detach');
  for (const service of SERVICES)
    await at(
      DOCKER,
      'compose',
      'exec',
      '-T',
      service,
      'sh',
      '-c',
      `echo ${service} > /data/of; chown -R 7:7 /data`,
    );
});

afterAll(() => clearPodman());

async function at(host: string, ...argv: string[]): Promise<string> {
  const options = { cwd: stack.directory, env: { DOCKER_HOST: host }, stdin: 'ignore' } as const;
  return (await execa('docker', argv, options)).stdout;
}

const ofProject = () => ['--filter', `label=com.docker.compose.project=${stack.name}`];
const listed = async (host: string, ...argv: string[]) =>
  (await at(host, ...argv, ...ofProject())).split('\n').filter((line) => line !== '');

async function clearPodman(): Promise<void> {
  const containers = await listed(PODMAN, 'ps', '--all', '--quiet');
  if (containers.length > 0) await at(PODMAN, 'rm', '--force', ...containers);
  for (const what of ['volume', 'network']) {
    const found = await listed(PODMAN, what, 'ls', '--quiet');
    if (found.length > 0) await at(PODMAN, what, 'rm', ...found);
  }
}

/** It runs on Docker, as it was made, and Podman has nothing of it. */
async function toDocker(): Promise<void> {
  await clearPodman();
  const containers = await listed(DOCKER, 'ps', '--all', '--quiet');
  await at(DOCKER, 'update', '--restart', 'always', ...containers);
  await at(DOCKER, 'start', ...containers);
}

const running = (host: string) => listed(host, 'ps', '--format', '{{.Label "com.docker.compose.service"}}');

/** Returns where it runs. */
async function isWhole(moment: string): Promise<string> {
  const [docker, podman] = [await running(DOCKER), await running(PODMAN)];
  expect([docker.toSorted(), podman.toSorted()], moment).toContainEqual(SERVICES);
  expect([docker, podman], moment).toContainEqual([]);
  const host = docker.length > 0 ? DOCKER : PODMAN;
  for (const service of SERVICES) {
    const script = 'cat /data/of; stat -c %u:%g /data /data/of';
    const found = await at(host, 'compose', 'exec', '-T', service, 'sh', '-c', script);
    expect(found, moment).toBe(`${service}\n7:7\n7:7`);
  }
  expect(await listed(DOCKER, 'ps', '--all', '--quiet'), moment).toHaveLength(SERVICES.length);
  for (const side of [DOCKER, PODMAN]) {
    for (const volume of await listed(side, 'volume', 'ls', '--quiet')) {
      const place = dirname(await at(side, 'volume', 'inspect', '--format', '{{.Mountpoint}}', volume));
      expect(
        (await readdir(place)).filter((name) => name.includes('compose-rollback')),
        moment,
      ).toEqual([]);
    }
  }
  const policies = await at(
    DOCKER,
    'inspect',
    '--format',
    '{{.HostConfig.RestartPolicy.Name}}',
    ...(await listed(DOCKER, 'ps', '--all', '--quiet')),
  );
  expect(new Set(policies.split('\n')), moment).toEqual(new Set([host === DOCKER ? 'always' : 'no']));
  return host;
}

/** How the newest run ended; undefined when it was killed before it began. */
async function lastResult(runsBefore: number): Promise<string | null | undefined> {
  const found: { runs: { result: string | null }[] } = JSON.parse((await ok(stack, 'runs', '--json')).stdout);
  return found.runs.length > runsBefore ? found.runs[0]?.result : undefined;
}

const countRuns = async () => JSON.parse((await ok(stack, 'runs', '--json')).stdout).runs.length;

describe.each([
  ['resume', { done: PODMAN }],
  ['abort', { done: PODMAN, returned: DOCKER }],
] as const)('a move, then %s', (recovery, ends) => {
  let runs = 0;

  const reset = async () => {
    await toDocker();
    runs = await countRuns();
  };

  const check = async (moment: string) => {
    const { exitCode, stderr } = await runKilled(stack, undefined, recovery);
    expect(exitCode, `${moment}: ${stderr}`).toBe(0);
    const result = await lastResult(runs);
    const expected =
      result === undefined ? DOCKER : new Map<string | null, string>(Object.entries(ends)).get(result);
    expect(await isWhole(moment), `${moment}: ${result}`).toBe(expected);
  };

  test(
    'killed at a step',
    () => everyKill(stack, () => ['migrate', 'to-podman', '--target-host', PODMAN, '--yes'], reset, check),
    HOURS,
  );
});
