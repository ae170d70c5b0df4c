import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { docker } from '../../support/e2e.js';

/** The demo, as a newcomer runs it: it shows the job done, and leaves nothing behind. */

const DEMO = fileURLToPath(new URL('../../../scripts/demo.sh', import.meta.url));
const NAMES = 'compose-rollback-demo';

async function lines(...argv: string[]): Promise<string[]> {
  return (await docker(...argv)).split('\n').filter((line) => line !== '');
}

/** Whatever of the engine's has the demo's name; and the images that were built from the example's sources. */
async function leftovers(): Promise<Record<string, string[]>> {
  const all = {
    containers: await lines('ps', '--all', '--format', '{{.Names}}'),
    volumes: await lines('volume', 'ls', '--format', '{{.Name}}'),
    networks: await lines('network', 'ls', '--format', '{{.Name}}'),
    tags: await lines('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'),
  };
  return Object.fromEntries(
    Object.entries(all).map(([what, names]) => [what, names.filter((name) => name.includes(NAMES))]),
  );
}

test('shows 200, 500, 200, and leaves nothing behind', { timeout: 300_000 }, async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'e2e-demo-'));
  const before = await leftovers();
  const { stdout } = await execa('bash', [DEMO], { env: { TMPDIR: temporary }, stdin: 'ignore' });
  expect([...stdout.matchAll(/GET \S+: HTTP (\d+)/g)].map(([, status]) => status)).toEqual([
    '200',
    '500',
    '200',
  ]);
  expect(stdout).toContain('The demo is done');

  expect(await leftovers()).toEqual(before);
  expect(await readdir(temporary)).toEqual([]);
  await rm(temporary, { recursive: true });
  const ids = new Set(stdout.match(/rb-[0-9a-f]{12}/g));
  expect(ids.size).toBeGreaterThan(0);
  const kept = await lines('image', 'ls', '--format', '{{.Tag}}', 'compose-rollback/kept');
  expect(kept.filter((tag) => [...ids].some((id) => tag.startsWith(id)))).toEqual([]);
});
