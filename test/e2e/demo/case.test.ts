import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { docker } from '../../support/e2e.js';

/** The demo, as a newcomer runs it: it shows the job done, and leaves nothing behind. */

const REPO = fileURLToPath(new URL('../../..', import.meta.url));
const NAMES = 'compose-rollback-demo';

async function lines(...argv: string[]): Promise<string[]> {
  return (await docker(...argv)).split('\n').filter((line) => line !== '');
}

/** Whatever of the engine's has the demo's name, and the images that were built from the example's sources. */
async function leftovers(): Promise<Record<string, string[]>> {
  const all = {
    containers: await lines('ps', '--all', '--format', '{{.Names}}'),
    volumes: await lines('volume', 'ls', '--format', '{{.Name}}'),
    networks: await lines('network', 'ls', '--format', '{{.Name}}'),
    tags: await lines('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'),
  };
  const ours = Object.entries(all).map(([what, names]) => {
    return [what, names.filter((name) => name.includes(NAMES))] as const;
  });
  return { ...Object.fromEntries(ours), images: await apiImages() };
}

/** Images of the example's API, tagged or not. Others come and go meanwhile. */
async function apiImages(): Promise<string[]> {
  const ids = new Set(await lines('image', 'ls', '--all', '--quiet', '--no-trunc'));
  const inspect = ['image', 'inspect', '--format', '{{.Id}} {{.Config.Env}}', ...ids];
  const { stdout } = await execa('docker', inspect, { reject: false });
  const rows = stdout.split('\n').filter((row) => row.includes('API_VERSION='));
  return rows.toSorted((a, b) => (a < b ? -1 : 1));
}

/** Else the demo would install the dependencies anew, and take away those that this very test runs by. */
async function dependenciesAreFresh(): Promise<boolean> {
  const fresh =
    '[[ $(<node_modules/.compose-rollback-installed) == "$(cksum <package-lock.json) $(node --version)" ]]';
  const { exitCode } = await execa('bash', ['-c', fresh], { cwd: REPO, reject: false });
  return exitCode === 0;
}

test('shows 200, 500, 200, and leaves nothing behind', { timeout: 300_000 }, async () => {
  if (!(await dependenciesAreFresh()))
    throw new Error('run scripts/test.sh first: it installs what is missing');
  const temporary = await mkdtemp(join(tmpdir(), 'e2e-demo-'));
  onTestFinished(() => rm(temporary, { recursive: true, force: true }));
  const before = await leftovers();
  const { stdout } = await execa('bash', ['scripts/demo.sh'], {
    cwd: REPO,
    env: { TMPDIR: temporary },
    stdin: 'ignore',
  });
  expect([...stdout.matchAll(/GET \S+: HTTP (\d+)/g)].map(([, status]) => status)).toEqual([
    '200',
    '500',
    '200',
  ]);
  expect(stdout).toContain('The demo took');

  expect(await leftovers()).toEqual(before);
  expect(await readdir(temporary)).toEqual([]);
  const ids = new Set(stdout.match(/rb-[0-9a-f]{12}/g));
  expect(ids.size).toBeGreaterThan(0);
  const kept = await lines('image', 'ls', '--format', '{{.Tag}}', 'compose-rollback/kept');
  expect(kept.filter((tag) => [...ids].some((id) => tag.startsWith(id)))).toEqual([]);
});
