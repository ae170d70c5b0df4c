import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { PODMAN } from '../../support/engine.js';
import { aStack, cliWith, type CliResult, type Stack } from '../../support/e2e.js';

/** A Podman that does not get going because of its own settings, in its own words. */

let stack: Stack;

beforeAll(async () => {
  stack = await aStack('e2e-podman-diagnose', (name) => ({
    'compose.yaml': `name: ${name}\nservices: { web: { image: busybox:latest, command: sleep 1000, stop_grace_period: 0s } }\n`,
  }));
  await stack.compose('up', '--detach');
});

/** With the lab's own program, and this text for a containers.conf where there is one. */
async function diagnose(settings?: string): Promise<CliResult> {
  const folder = `${stack.locks}/bin`;
  const program = await readFile(PODMAN ?? '', 'utf8');
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/containers.conf`, settings ?? '');
  const other = program.replace(/CONTAINERS_CONF=\S+/, `CONTAINERS_CONF=${folder}/containers.conf`);
  await writeFile(`${folder}/podman`, settings === undefined ? program : other);
  await chmod(`${folder}/podman`, 0o755);
  return await cliWith(stack, { env: { PATH: `${folder}:${process.env['PATH']}` } }, 'migrate', 'diagnose');
}

test('its own settings: nothing is found', async () => {
  const { exitCode, stdout } = await diagnose();
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Nothing wrong was found')]);
});

test('a containers.conf that is no TOML', async () => {
  const { exitCode, stdout } = await diagnose('[containers]\npids_limit = = 3\n');
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /\[permission-issues\] a containers\.conf is broken\n {2}podman info: .*(?:toml|line 2)/i,
  );
});
