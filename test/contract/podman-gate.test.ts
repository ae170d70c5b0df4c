import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { RUN_VARIABLE } from '../../src/model/names.js';
import { makeFolder } from '../support/folder.js';

/** What stands between podman-compose and Podman. */

it('leaves no mark of the run on what Podman leaves running, and ends Podman when it is ended', async () => {
  // In Podman's place one that stays.
  const stays = `#!/bin/sh\necho $$ >"$0.pid"\nenv >"$0.env"\nmv "$0.env" "$0.done"\nexec sleep 1000\n`;
  const folder = await makeFolder();
  await folder.write({ stays }, 0o755);
  const program = folder.at('stays');
  const gate = spawn(
    fileURLToPath(new URL('../../src/engine/podman-gate.sh', import.meta.url)),
    ['ps', '-a'],
    {
      env: { ...process.env, COMPOSE_ROLLBACK_GATE_PROGRAM: program, [RUN_VARIABLE]: 'run-000000000000' },
      stdio: 'ignore',
    },
  );
  const ended = once(gate, 'exit');
  const written = async (path: string) => await readFile(path, 'utf8').catch(() => '');
  await expect.poll(() => written(`${program}.done`), { timeout: 20_000 }).toContain('PATH=');
  expect(await written(`${program}.done`)).not.toContain(RUN_VARIABLE);
  const pid = (await written(`${program}.pid`)).trim();
  await expect.poll(() => written(`/proc/${pid}/cmdline`), { timeout: 20_000 }).toContain('sleep');
  gate.kill('SIGTERM');
  await ended;
  expect(await written(`/proc/${pid}/cmdline`)).toBe('');
});
