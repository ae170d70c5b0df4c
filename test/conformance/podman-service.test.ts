import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { MAIN } from '../support/e2e.js';
import { connectTestEngine, docker, testProject } from '../support/engine.js';

/** Podman where no socket listens: its service is there for as long as somebody needs it. Run where Podman is the engine. */

/** Command lines of the services whose socket is below this folder. */
async function services(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) =>
      (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').join(' '),
    ),
  );
  return lines.filter((line) => line.includes(' system service ') && line.includes(folder));
}

it('is started for each command, and ends by itself', async () => {
  const engine = await connectTestEngine();
  const runtime = await mkdtemp(join(tmpdir(), 'podman-service-'));
  onTestFinished(() => rm(runtime, { recursive: true }));
  const project = await testProject('pmservice');
  await project.write({
    'compose.yaml': `name: ${project.name}\nservices: { web: { image: busybox:latest, command: [sleep, '1000'], init: true } }\n`,
  });
  await project.compose('up', '-d');
  const env = {
    XDG_RUNTIME_DIR: runtime,
    DOCKER_HOST: undefined,
    CONTAINER_HOST: undefined,
    DOCKER_CONTEXT: undefined,
  };
  const call = (...argv: string[]) =>
    execa(process.execPath, [MAIN, '--engine', 'podman', ...argv], {
      cwd: project.directory,
      env,
      reject: false,
    });

  const [first, second] = [await call('status', '--json'), await call('create', '--quiet')];
  expect([first.exitCode, second.exitCode], `${first.stderr}${second.stderr}`).toEqual([0, 0]);
  expect(JSON.parse(first.stdout)).toMatchObject({
    engine: { kind: 'podman', host: expect.stringContaining(`unix://${runtime}/compose-rollback/podman-`) },
    services: [{ name: 'web', state: 'running' }],
  });
  await expect.poll(() => services(runtime), { timeout: 30_000, interval: 500 }).toEqual([]);
  expect(await readdir(join(runtime, 'compose-rollback'))).toEqual([]);

  const kept = await engine.references('compose-rollback/kept');
  const own = kept.filter(({ reference }) => reference.includes(`:${second.stdout}-`));
  await docker('image', 'rm', ...own.map(({ reference }) => reference));
});
