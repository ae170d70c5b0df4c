import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clearPodman } from '../support/podman-side.js';
import { aStack, ok, type Stack } from '../support/e2e.js';
import { HOURS } from '../support/faults.js';
import { everyKill, runKilled } from '../support/kills.js';

/** A move, or the undo of one, that is killed at any step is finished by `resume` and taken back by `abort`: the project runs at one side, with its data, and nothing is left over. */

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
  const script = ': > /data/of; chown -R 7:7 /data';
  for (const service of SERVICES) await at(DOCKER, 'compose', 'exec', '-T', service, 'sh', '-c', script);
});

afterAll(() => clearPodman(stack.name));

async function at(host: string, ...argv: string[]): Promise<string> {
  const options = { cwd: stack.directory, env: { DOCKER_HOST: host }, stdin: 'ignore' } as const;
  return (await execa('docker', argv, options)).stdout;
}

const ofProject = () => ['--filter', `label=com.docker.compose.project=${stack.name}`];
const listed = async (host: string, ...argv: string[]) =>
  (await at(host, ...argv, ...ofProject())).split('\n').filter((line) => line !== '');
const containers = (host: string) => listed(host, 'ps', '--all', '--quiet');
const running = (host: string) => listed(host, 'ps', '--format', '{{.Label "com.docker.compose.service"}}');

async function mountpoint(host: string, service: string): Promise<string> {
  return await at(host, 'volume', 'inspect', '--format', '{{.Mountpoint}}', `${stack.name}_${service}`);
}

/** What is written at a side says whose it is. */
async function write(host: string): Promise<void> {
  for (const service of SERVICES) {
    await writeFile(join(await mountpoint(host, service), 'of'), `${service} of ${host}`);
  }
}

interface Way {
  source: string;
  target: string;
  argv: string[];
  /** The data goes with it; else each side keeps its own. */
  carries: boolean;
  /** It runs at the source alone. */
  reset(): Promise<void>;
}

const toPodman = ['migrate', 'to-podman', '--target-host', PODMAN, '--yes'];

async function atDockerAlone(): Promise<void> {
  await clearPodman(stack.name);
  await at(DOCKER, 'update', '--restart', 'always', ...(await containers(DOCKER)));
  await at(DOCKER, 'start', ...(await containers(DOCKER)));
  await write(DOCKER);
}

const WAYS: Record<string, Way> = {
  'to a Podman that has nothing of it': {
    source: DOCKER,
    target: PODMAN,
    argv: toPodman,
    carries: true,
    reset: atDockerAlone,
  },
  'to a Docker that has data and stopped containers of it': {
    source: PODMAN,
    target: DOCKER,
    argv: ['migrate', 'to-docker', '--host', PODMAN, '--target-host', DOCKER, '--yes'],
    carries: true,
    reset: async () => {
      if ((await containers(PODMAN)).length === 0) await ok(stack, ...toPodman);
      await at(PODMAN, 'start', ...(await containers(PODMAN)));
      // What an earlier move held gets its policies back; a policy that somebody changed by hand would be a difference.
      await at(DOCKER, 'compose', 'create');
      await at(DOCKER, 'stop', ...(await containers(DOCKER)));
      await write(PODMAN);
      await write(DOCKER);
    },
  },
  'to Podman, undone': {
    source: PODMAN,
    target: DOCKER,
    argv: ['undo', '--yes'],
    carries: false,
    reset: async () => {
      await atDockerAlone();
      await ok(stack, ...toPodman);
      await write(PODMAN);
    },
  },
};

/** It runs at one side, whole, with the data it should have there; the other has its own, or that. Returns where it runs. */
async function isWhole({ source, target, carries }: Way, moment: string): Promise<string> {
  const [here, there] = [await running(source), await running(target)];
  expect([here.toSorted(), there.toSorted()], moment).toContainEqual(SERVICES);
  expect([here, there], moment).toContainEqual([]);
  const host = here.length > 0 ? source : target;
  for (const service of SERVICES) {
    const script = 'cat /data/of; stat -c " %u:%g" /data /data/of';
    const found = await at(host, 'compose', 'exec', '-T', service, 'sh', '-c', script);
    expect(found, moment).toBe(`${service} of ${carries ? source : host} 7:7\n 7:7`);
  }
  expect(await containers(source), moment).toHaveLength(SERVICES.length);
  for (const side of [source, target]) {
    for (const volume of await listed(side, 'volume', 'ls', '--quiet')) {
      const service = volume.slice(`${stack.name}_`.length);
      const place = await mountpoint(side, service);
      const beside = await readdir(dirname(place));
      expect(
        beside.filter((name) => name.includes('compose-rollback')),
        moment,
      ).toEqual([]);
      const owners = carries && side === target ? [source, target] : [side];
      expect(
        owners.map((owner) => `${service} of ${owner}`),
        moment,
      ).toContain(await readFile(join(place, 'of'), 'utf8'));
    }
  }
  if (source === DOCKER || !carries) {
    const format = '{{.HostConfig.RestartPolicy.Name}}';
    const policies = await at(DOCKER, 'inspect', '--format', format, ...(await containers(DOCKER)));
    expect(new Set(policies.split('\n')), moment).toEqual(new Set([host === DOCKER ? 'always' : 'no']));
  }
  return host;
}

/** How the newest run ended; undefined when it was killed before it began. */
async function lastResult(runsBefore: number): Promise<string | null | undefined> {
  const found: { runs: { result: string | null }[] } = JSON.parse((await ok(stack, 'runs', '--json')).stdout);
  return found.runs.length > runsBefore ? found.runs[0]?.result : undefined;
}

const countRuns = async () => JSON.parse((await ok(stack, 'runs', '--json')).stdout).runs.length;

describe.each(Object.entries(WAYS))('a move %s', (_, way) => {
  const { source, target, argv } = way;

  test.each([
    ['resume', { done: target }],
    ['abort', { done: target, returned: source }],
  ] as const)(
    'killed at a step, then %s',
    async (recovery, ends) => {
      let runs = 0;
      const reset = async () => {
        await way.reset();
        runs = await countRuns();
      };
      const check = async (moment: string) => {
        const { exitCode, stderr } = await runKilled(stack, undefined, recovery);
        expect(exitCode, `${moment}: ${stderr}`).toBe(0);
        const result = await lastResult(runs);
        const expected =
          result === undefined ? source : new Map<string | null, string>(Object.entries(ends)).get(result);
        expect(await isWhole(way, moment), `${moment}: ${result}`).toBe(expected);
      };
      await everyKill(stack, () => argv, reset, check);
    },
    HOURS,
  );
});
