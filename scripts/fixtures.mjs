#!/usr/bin/env node
// Checks that a point holds each file that compose opens, for all compose files below some directories:
//   node scripts/fixtures.mjs DIRECTORY...
// Fetch the end-to-end fixtures of docker/compose and the tests of podman-compose for it; none of them is part of this project.
// Needs strace, an engine (eval "$(scripts/lab.sh env)") and a build in dist/. The directories are copied, never written to.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';

const MAIN = join(import.meta.dirname, '../dist/main.js');
/** Files of the machine, of compose and of its settings. */
const MACHINE = /^\/(?:proc|sys|dev|etc|usr|lib|lib64|bin|run|var\/lib|var\/run)\//;

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'compose-rollback-fixtures-')));
const counts = { rejected: 0, covered: 0, missing: 0, failed: 0 };

try {
  for (const directory of process.argv.slice(2)) {
    const copy = join(scratch, basename(resolve(directory)));
    cpSync(directory, copy, { recursive: true, verbatimSymlinks: true });
    const files = readdirSync(copy, { recursive: true }).filter((path) => /\.ya?ml$/.test(path));
    for (const file of files.toSorted((a, b) => a.localeCompare(b)))
      check(join(copy, file), relative(scratch, join(copy, file)));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(
  Object.entries(counts)
    .map(([what, count]) => `${count} ${what}`)
    .join(', '),
);
process.exitCode = counts.missing + counts.failed === 0 ? 0 : 1;

function check(file, name) {
  const opened = openedByCompose(file);
  if (!opened) {
    counts.rejected += 1;
    return;
  }
  const point = recordedPoint(file, name);
  if (!point) return;
  const isNamed = (path) => point.named.some((named) => path === named || path.startsWith(`${named}/`));
  const isMissing = (path) => !point.covered.has(path) && !isNamed(path);
  const missing = opened.filter(isMissing);
  counts[missing.length === 0 ? 'covered' : 'missing'] += 1;
  for (const path of missing) console.log(`${name}: not in the point: ${path.replace(`${scratch}/`, '')}`);
}

/** Regular files, by real path, that compose reads for this file; undefined when compose does not accept it. */
function openedByCompose(file) {
  const trace = join(scratch, 'trace');
  const strace = ['-f', '-qq', '-y', '-e', 'trace=open,openat', '-e', 'status=successful', '-o', trace];
  const command = ['docker', 'compose', '--file', file, 'config'];
  const { status } = spawnSync('strace', [...strace, ...command], { cwd: dirname(file), stdio: 'ignore' });
  if (status !== 0) return undefined;
  const paths = [...readFileSync(trace, 'utf8').matchAll(/= \d+<([^>]+)>$/gm)].map(([, path]) => path);
  return [...new Set(paths)].filter((path) => !MACHINE.test(path) && isFile(path));
}

function isFile(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** Compose opens what a link leads to; the point names the link. */
function realPath(path) {
  return statSync(path, { throwIfNoEntry: false }) ? realpathSync(path) : path;
}

/** Absolute paths that a new point holds, and those that it says it does not hold; undefined when none can be made. */
function recordedPoint(file, name) {
  const backups = mkdtempSync(join(scratch, 'backups-'));
  const ours = (...args) =>
    execFileSync(process.execPath, [MAIN, '--file', file, '--backup-dir', backups, ...args], {
      cwd: dirname(file),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  try {
    const id = ours('create', '--quiet').trim();
    const point = JSON.parse(ours('show', id, '--json'));
    ours('delete', id, '--yes');
    const absolute = ({ path }) => resolve(point.project.directory, path);
    const entries = [...point.entries, ...point.outside].filter(({ type }) => type !== 'absent');
    return { covered: new Set(entries.map(absolute)), named: point.skipped.map(absolute).map(realPath) };
  } catch (error) {
    counts.failed += 1;
    console.log(
      `${name}: ${String(error.stderr ?? error)
        .trim()
        .split('\n')
        .at(-1)}`,
    );
    return undefined;
  } finally {
    rmSync(backups, { recursive: true, force: true });
  }
}
