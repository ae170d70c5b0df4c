import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { discoverEngine } from '../../src/engine/discovery.js';
import { connectEngine } from '../../src/engine/connect.js';
import { overStumbles } from '../../src/engine/stumbles.js';
import { isKept, keep } from './keep.js';
import { podmanCompose } from './podman-compose.js';
import type { Engine } from '../../src/engine/engine.js';

/**
 * The real engine for tests: the one that DOCKER_HOST or the usual places name (`eval "$(scripts/lab.sh env)"`). Nobody answering is
 * a failure, never a skip. Everything made here is gone when the test file ends.
 */

/** The program of the Podman under test; undefined when it is Docker. Set with DOCKER_HOST by the project of vitest that tests it. */
export const PODMAN = process.env['TEST_PODMAN'];

/** Throws `engine-unreachable` when no engine answers. */
export async function connectTestEngine(): Promise<Engine> {
  const engine = await connectEngine(await discoverEngine({ engine: 'auto', env: process.env }));
  await engine.identity();
  return engine;
}

/** Runs the `docker` program; its stdout, trimmed. Throws with its stderr when it fails. */
export async function docker(...argv: string[]): Promise<string> {
  return (await overStumbles(() => execa('docker', argv, { stdin: 'ignore' }))).stdout;
}

/** Runs a container to its end and removes it; what it said. (Detached: who attaches to Podman 4.3.1 waits forever where its own clean-up is missing.) */
export async function runToEnd(...argv: string[]): Promise<string> {
  const id = await docker('run', '--detach', ...argv);
  const exitCode = await docker('wait', id);
  const said = await docker('logs', id);
  await docker('rm', id);
  if (exitCode !== '0') throw new Error(`docker run ${argv.join(' ')} ended with ${exitCode}: ${said}`);
  return said;
}

/** Whether the engine under test is a Podman of an earlier release than `major.minor`. */
export async function isPodmanBefore(major: number, minor: number): Promise<boolean> {
  if (PODMAN === undefined) return false;
  const version = await docker('version', '--format', '{{.Server.Version}}');
  const [own = 0, ownMinor = 0] = version.split('.').map(Number);
  return own < major || (own === major && ownMinor < minor);
}

/** The podman-compose that stands for compose where that is what is tested. */
export const PODMAN_COMPOSE = process.env['TEST_PODMAN_COMPOSE'];

/** Does BuildKit build into containerd's image store here? Docker's newest releases come like that; images are then indexes with attestations. */
export async function buildsIndexes(): Promise<boolean> {
  if (PODMAN !== undefined) return false;
  if ((await docker('info', '--format', '{{.Driver}}')) !== 'overlayfs') return false;
  return (await execa('docker', ['buildx', 'version'], { reject: false })).exitCode === 0;
}

/** The docker-compose 1.x that stands for compose where that is what is tested. */
export const COMPOSE_V1 = process.env['TEST_COMPOSE_V1'];
/** Version 1 needs a field of images that Docker 25 and later show in older API versions only. Our program finds another way. */
export const ENV_OF_V1 = { COMPOSE_API_VERSION: '1.41' };

/**
 * Runs `docker compose ARGV…`; its stdout. Podman leaves health checks to systemd: where that is not there, compose would wait for ever for
 * what nobody checks, so that checks are run meanwhile.
 */
export async function compose(
  argv: string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<string> {
  if (PODMAN_COMPOSE !== undefined) return await podmanCompose(PODMAN_COMPOSE, argv, options);
  const [program, ...words] = COMPOSE_V1 === undefined ? ['docker', 'compose'] : [COMPOSE_V1];
  const env = { ...(COMPOSE_V1 === undefined ? {} : ENV_OF_V1), ...options.env };
  return await overStumbles(async () => {
    const running = execa(program, [...words, ...argv], { ...options, env, stdin: 'ignore' });
    if (PODMAN !== undefined) await checkHealthUntil(PODMAN, running);
    return (await running).stdout;
  });
}

async function checkHealthUntil(podman: string, running: PromiseLike<unknown>): Promise<void> {
  const over = () => true;
  const ending = Promise.resolve(running).then(over, over);
  while (!(await Promise.race([ending, delay(500, false)]))) {
    const waiting = ['--filter', 'health=starting', '--filter', 'health=reset'];
    const unknown = await execa(podman, ['ps', '--quiet', ...waiting], { reject: false });
    for (const id of lines(unknown.stdout)) {
      await execa(podman, ['healthcheck', 'run', id], { reject: false });
    }
  }
}

export interface TestProject {
  /** Unique, and a valid compose project name. */
  name: string;
  /** Absolute, without symbolic links; its own temporary directory. */
  directory: string;
  /** Writes files, by path relative to the directory, parents included; returns the absolute path of the last one. */
  write(files: Record<string, string>, mode?: number): Promise<string>;
  path(relative: string): string;
  /** `docker compose -p NAME …` in the directory; its stdout. */
  compose(...argv: string[]): Promise<string>;
  /** Ids of the service's containers, running or not, in full, sorted by number. */
  ids(service: string): Promise<string[]>;
  /** Removes all of it now; runs by itself at the end of the test file. */
  remove(): Promise<void>;
}

const projects = new Set<TestProject>();

afterAll(async () => {
  for (const project of projects) await (isKept() ? keep(project) : project.remove());
});

/**
 * A directory and a unique project name for one test. Containers, networks and volumes with this project's label, and images whose
 * repository starts with its name (`NAME-api:v1`, `NAME/api:v1`), are removed with it.
 */
export async function testProject(prefix: string): Promise<TestProject> {
  const name = `${prefix.toLowerCase()}-${randomBytes(4).toString('hex')}`;
  const directory = await realpath(await mkdtemp(join(tmpdir(), `${name}-`)));
  const label = `label=com.docker.compose.project=${name}`;

  const project: TestProject = {
    name,
    directory,
    path: (relative) => join(directory, relative),
    async write(files, mode = 0o644) {
      let last = directory;
      for (const [relative, text] of Object.entries(files)) {
        last = join(directory, relative);
        await mkdir(dirname(last), { recursive: true });
        // Version 1 knows no name in a file.
        await writeFile(last, COMPOSE_V1 === undefined ? text : text.replace(/^name: .*\n/m, ''));
        await chmod(last, mode);
      }
      return last;
    },
    async compose(...argv) {
      return await compose(['-p', name, ...argv], { cwd: directory });
    },
    async ids(service) {
      const format = '{{.Label "com.docker.compose.container-number"}} {{.ID}}';
      const filters = ['--filter', label, '--filter', `label=com.docker.compose.service=${service}`];
      const rows = lines(await docker('ps', '--all', '--no-trunc', ...filters, '--format', format));
      return rows
        .map((row) => row.split(' '))
        .toSorted((a, b) => Number(a[0]) - Number(b[0]))
        .map((row) => row[1] ?? '');
    },
    async remove() {
      await removeContainers(label);
      // What podman-compose puts a project's containers into.
      if (PODMAN !== undefined) await execa(PODMAN, ['pod', 'rm', '--force', '--ignore', `pod_${name}`]);
      await removeAll(['network', 'ls', '--quiet', '--filter', label], ['network', 'rm']);
      await removeAll(['volume', 'ls', '--quiet', '--filter', label], ['volume', 'rm', '--force']);
      for (const pattern of [`${name}*`, `${name}*/*`]) {
        const found = await docker(
          'image',
          'ls',
          '--filter',
          `reference=${pattern}`,
          '--format',
          '{{.Repository}}:{{.Tag}}',
        );
        // Podman tells all names of an image of which one fits.
        const ours = lines(found).filter((tag) => tag.startsWith(name));
        if (ours.length > 0) await docker('image', 'rm', ...ours);
      }
      await rm(directory, { recursive: true, force: true });
      projects.delete(project);
    },
  };
  projects.add(project);
  return project;
}

/** Podman removes none that others live in: those go first, in as many rounds as it takes. */
async function removeContainers(label: string): Promise<void> {
  const list = ['ps', '--all', '--quiet', '--filter', label];
  for (let left = lines(await docker(...list)); left.length > 0;) {
    await execa('docker', ['rm', '--force', '--volumes', ...left], { reject: PODMAN === undefined });
    const now = lines(await docker(...list));
    if (now.length >= left.length) await docker('rm', '--force', '--volumes', ...now);
    left = now;
  }
}

async function removeAll(list: string[], remove: string[]): Promise<void> {
  const found = lines(await docker(...list));
  if (found.length > 0) await docker(...remove, ...found);
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
