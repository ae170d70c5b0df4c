import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { TestProject } from 'vitest/node';

/** Builds dist/ before tests run it, unless it was built from exactly the present sources. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const STAMP = join(ROOT, 'node_modules/.compose-rollback-built');
const INPUTS = [
  'package.json',
  'package-lock.json',
  'scripts/build.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
];

export default async function setup(project: TestProject): Promise<void> {
  await buildIfStale();
  project.onTestsRerun(buildIfStale);
}

async function buildIfStale(): Promise<void> {
  // Taken before the build: a source that is edited meanwhile makes the result stale.
  const sources = await hashSources();
  const stamp = await readFile(STAMP, 'utf8').catch(() => '');
  if (stamp === `${sources} ${await buildTime()}`) return;
  await execa('npm', ['run', 'build'], { cwd: ROOT, stdin: 'ignore' });
  await writeFile(STAMP, `${sources} ${await buildTime()}`);
}

async function hashSources(): Promise<string> {
  const items = await readdir(join(ROOT, 'src'), { recursive: true, withFileTypes: true });
  const files = items.filter((item) => item.isFile()).map((item) => join(item.parentPath, item.name));
  const hash = createHash('sha256');
  for (const file of [...files.toSorted(), ...INPUTS.map((name) => join(ROOT, name))]) {
    hash
      .update(`${file}\0`)
      .update(await readFile(file))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Differs after each build, whoever started it; undefined when there was none. */
async function buildTime(): Promise<number | undefined> {
  return (await stat(join(ROOT, 'dist/meta.json')).catch(() => undefined))?.mtimeMs;
}
