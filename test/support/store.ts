import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { rolldown } from 'rolldown';
import { glob } from 'tinyglobby';
import { onTestFinished } from 'vitest';
import type { Point, PointSummary } from '../../src/model/point.js';
import type { BeginRecord } from '../../src/model/run.js';
import { sealedName } from '../../src/store/point-files.js';
import type { Identity } from '../../src/store/point-reader.js';
import type { PointWriter, WriterOptions } from '../../src/store/point-writer.js';
import { summaryOf } from '../../src/store/summary.js';

export const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** A directory of this test's own, gone when it ends. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp('/tmp/cr-store-');
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export const pointId = (number: number): string => `rb-${number.toString(16).padStart(12, '0')}`;

/** A point without files; `number` gives its id and its time, in seconds. */
export function makePoint(number: number, changes: Partial<Point> = {}): Point {
  const image = {
    ref: 'redis:7',
    id: sha256('redis'),
    digests: [],
    platform: 'linux/amd64',
    diff_ids: [],
    config_digest: null,
    tag_id: null,
    kept_tag: '',
  };
  return {
    format: 1,
    id: pointId(number),
    sequence: number,
    timestamp: new Date(1_700_000_000_000 + (number % 1e9) * 1000).toISOString(),
    description: `point ${number}`,
    kind: 'manual',
    name: null,
    pinned: false,
    partial: false,
    services: ['redis'],
    failing: [],
    docker_images: { redis: 'redis:7' },
    config_hashes: {},
    volumes: [],
    replaced: [],
    volume_data: [],
    dumps: [],
    image_archives: [],
    project: {
      name: 'shop',
      directory: '/srv/shop',
      files: ['compose.yaml'],
      files_named: false,
      name_origin: null,
      profiles: [],
      env_files: [],
    },
    images: { redis: image },
    containers: {},
    entries: [],
    outside: [],
    directories: [],
    skipped: [],
    without_data: [],
    model: { stored: 'model.json', size: 0, sha256: sha256('') },
    facts: null,
    sizes: { configs: 0, images: 0, volumes: 0, total: 0 },
    warnings: [],
    metadata: {
      git_commit: null,
      git_branch: null,
      git_dirty: null,
      hostname: 'here',
      include_volumes: false,
      engine: { kind: 'docker', id: 'engine', version: '20.10', storage_driver: 'overlay2' },
      provider: { name: 'docker compose', version: '2.26.1' },
      user: 'root',
      tool_version: '0.1.0',
      run: null,
    },
    ...changes,
  };
}

export const makeSummary = (number: number, changes: Partial<PointSummary> = {}): PointSummary => ({
  ...summaryOf(makePoint(number)),
  ...changes,
});

export const makeBegin = (run: string, changes: Partial<BeginRecord> = {}): BeginRecord => ({
  type: 'begin',
  at: '2025-11-05T17:30:00.000Z',
  run,
  sequence: 1,
  kind: 'rollback',
  project: 'shop',
  user: 'root',
  pid: 1,
  process: '1-1-00000000',
  target: pointId(1),
  safety: pointId(2),
  undoes: null,
  request: {
    services: null,
    config_only: false,
    volumes: true,
    outside: false,
    git: false,
    leave_tags: false,
    image: null,
  },
  plan: {},
  ...changes,
});

/** Stores these files (path to text) through `writer`, and commits the point that describes them. */
export async function writePoint(
  writer: PointWriter,
  point: Point,
  files: Record<string, string> = { 'compose.yaml': 'services: {}\n' },
): Promise<Point> {
  const scratch = await temporaryDirectory();
  const entries: Point['entries'] = [];
  for (const [path, text] of Object.entries(files)) {
    const source = join(scratch, String(entries.length));
    await writeFile(source, text);
    const stored = `configs/${path}`;
    entries.push({ path, type: 'file', mode: 0o644, stored, ...(await writer.addFile(stored, source)) });
  }
  const model = { format: 1, model: null, model_error: null, variables: [] };
  const whole = {
    ...point,
    entries,
    model: { stored: 'model.json', ...(await writer.addJson('model.json', model)) },
  };
  await writer.commit(whole);
  return whole;
}

export const MODES = ['plain', 'encrypted'] as const;

/** How points are written and read, encrypted or not. */
export async function inMode(mode: (typeof MODES)[number]): Promise<{
  options: WriterOptions;
  identity: Identity;
  /** Where a stored file is on the disk. */
  named: (stored: string) => string;
}> {
  const key = await generateX25519Identity();
  const identity = async () => key;
  if (mode === 'plain') return { options: {}, identity, named: (stored) => stored };
  return { options: { recipient: await identityToRecipient(key) }, identity, named: sealedName };
}

let compiled: Promise<string> | undefined;

/** The store compiled for child processes, which cannot read TypeScript; inside the repository, so that they find the libraries. */
export async function compiledStore(): Promise<string> {
  compiled ??= (async () => {
    const outdir = await mkdtemp(join(process.cwd(), 'node_modules', '.store-test-'));
    // For children of other users too.
    await chmod(outdir, 0o755);
    await writeFile(join(outdir, 'package.json'), '{ "type": "module" }');
    const program = await rolldown({
      input: await glob(['src/store/*.ts', 'src/model/*.ts']),
      platform: 'node',
      external: /^(?!@oxc-project\/)[^./\0]/, // all libraries but its own helpers
      transform: { target: 'node20.19' },
    });
    await program.write({ dir: outdir, preserveModules: true, preserveModulesRoot: '.' });
    return outdir;
  })();
  return compiled;
}

/** To be called after all tests of a file that used `startChild`. */
export async function removeCompiledStore(): Promise<void> {
  if (compiled) await rm(await compiled, { recursive: true, force: true });
  compiled = undefined;
}

export interface Child {
  process: ChildProcess;
  /** Resolves once the child has printed a line, with that line. */
  line: Promise<string>;
  /** Resolves with the exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

/**
 * Runs `script` (a module's text) in a process of its own. `store('lock')` in it imports `src/store/lock.ts`; `argv` are its arguments.
 */
export async function startChild(
  script: string,
  argv: string[],
  options: { cwd?: string; uid?: number } = {},
): Promise<Child> {
  const base = pathToFileURL(join(await compiledStore(), 'src', 'store')).href;
  const text = `
    const store = (name) => import(${JSON.stringify(base)} + '/' + name + '.js');
    const argv = process.argv.slice(1);
    const forever = () => new Promise(() => setInterval(() => {}, 1e9));
    ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text, '--', ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  const ended = once(child, 'exit').then(([code, signal]: unknown[]): number | string =>
    typeof code === 'number' ? code : String(signal),
  );
  const printed = once(child.stdout, 'data').then(([data]: unknown[]) => String(data).trim());
  const line = Promise.race([
    printed,
    ended.then((how) => Promise.reject(new Error(`the child ended (${how}) without a word`))),
  ]);
  line.catch(() => undefined);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return { process: child, line, ended };
}
