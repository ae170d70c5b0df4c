import { createHash, randomInt } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll } from 'vitest';
import { COMPOSE_V1, docker, testProject, type TestProject } from './engine.js';
import { isKept } from './keep.js';

/**
 * What end-to-end tests work with: a real stack, the built program as a user runs it, and facts to compare before and after. Nothing
 * here asks our own code how things are.
 */

export { docker } from './engine.js';
export { eventually as until } from './handlers.js';

export const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface Stack extends TestProject {
  /** Folder of the locks, outside of the project. */
  locks: string;
}

const stacks = new Set<Stack>();

// Runs before the projects themselves go: their points name the tags to take away.
afterAll(async () => {
  if (isKept()) return;
  for (const stack of stacks) await stack.remove();
});

/**
 * A project of its own with these files, nothing started. Give its compose file `name: ${name}` and its images names that start with
 * `${name}`: then all of it goes when the test file ends, with its points, the tags they keep and its locks.
 */
export async function aStack(
  prefix: string,
  files: (name: string) => Record<string, string>,
): Promise<Stack> {
  const project = await testProject(prefix);
  const locks = await mkdtemp(join(tmpdir(), `${project.name}-locks-`));
  const stack: Stack = {
    ...project,
    locks,
    async remove() {
      const kept = Object.keys(await keptTags(stack));
      await project.remove(); // with the containers: a tag that is the last one of an image in use cannot go
      // Forced: a tag that is gone already is as good.
      if (kept.length > 0) await docker('image', 'rm', '--force', ...kept);
      await rm(locks, { recursive: true, force: true });
      stacks.delete(stack);
    },
  };
  stacks.add(stack);
  await stack.write(files(project.name));
  return stack;
}

// ---------------------------------------------------------------- the program

export interface CliResult {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

/** What our program has in its environment besides what the tests have. */
export function environmentOf(stack: Stack): Record<string, string> {
  const name = COMPOSE_V1 === undefined ? {} : { COMPOSE_PROJECT_NAME: stack.name };
  const state = join(stack.locks, 'state');
  return { COMPOSE_ROLLBACK_LOCK_DIR: stack.locks, COMPOSE_ROLLBACK_STATE_DIR: state, ...name };
}

/** `compose-rollback ARGV…` in the stack's directory, without a terminal. A failure is a result, not an error. */
export async function cli(stack: Stack, ...argv: string[]): Promise<CliResult> {
  return await cliWith(stack, {}, ...argv);
}

/** As `cli`, with more variables in the shell (undefined: without one), or from another folder. */
export async function cliWith(
  stack: Stack,
  { env = {}, cwd = stack.directory }: { env?: Record<string, string | undefined>; cwd?: string },
  ...argv: string[]
): Promise<CliResult> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [MAIN, ...argv], {
    cwd,
    env: { ...environmentOf(stack), ...env },
    stdin: 'ignore',
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

/** As `cli`, for what has to succeed: throws with all that was printed when it does not. */
export async function ok(stack: Stack, ...argv: string[]): Promise<CliResult> {
  const result = await cli(stack, ...argv);
  if (result.exitCode === 0) return result;
  throw new Error(`${argv.join(' ')} exited with ${result.exitCode}\n${result.stdout}\n${result.stderr}`);
}

/** The one document that a command prints with `--json`; the command has to succeed. */
export async function json(stack: Stack, ...argv: string[]): Promise<unknown> {
  return JSON.parse((await ok(stack, ...argv, '--json')).stdout);
}

/** Makes a point; its id. */
export async function create(stack: Stack, ...argv: string[]): Promise<string> {
  return (await ok(stack, 'create', '--quiet', ...argv)).stdout;
}

// ---------------------------------------------------------------- an API to roll back

const API = `
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
const version = process.env.VERSION;
// The flag is in a volume, so that a version that was well may turn out not to be when it comes back.
const isBroken = () => existsSync('/data/broken-' + version);
if (existsSync('/data/dead-' + version)) process.exit(3);
const server = createServer((request, response) => {
  response.writeHead(request.url === '/health' && isBroken() ? 500 : 200).end(version);
});
server.listen(8000);
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeAllConnections(); });
`;

/**
 * What an API is built from: it answers its version at / and /health on port 8000 and honours SIGTERM; /health is 500 once there is
 * a file `/data/broken-VERSION`, and it does not start with a file `/data/dead-VERSION`.
 */
export function apiSource(version: string): { Dockerfile: string; 'server.mjs': string } {
  const steps = ['FROM node:20-alpine', `ENV VERSION=${version}`, 'COPY server.mjs /server.mjs'];
  const start = ['EXPOSE 8000', 'CMD ["node", "/server.mjs"]'];
  return { Dockerfile: [...steps, ...start, ''].join('\n'), 'server.mjs': `// ${version}\n${API}` };
}

/** Builds a version of the API under `tag`; its image id. No other stack has the same image. */
export async function buildApi(stack: Stack, tag: string, version: string): Promise<string> {
  const context = await mkdtemp(join(tmpdir(), `${stack.name}-build-`));
  for (const [file, text] of Object.entries(apiSource(version))) await writeFile(join(context, file), text);
  await docker('build', '--quiet', '--label', `of=${stack.name}`, '--tag', tag, context);
  await rm(context, { recursive: true });
  return await imageId(tag);
}

export async function imageId(reference: string): Promise<string> {
  return await docker('image', 'inspect', '--format', '{{.Id}}', reference);
}

/** What is answered there, with another status than 200 in front of it; undefined when nobody answers within 2 s. */
export async function answer(port: number, path = '/'): Promise<string | undefined> {
  const headers = { connection: 'close' };
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers,
      signal: AbortSignal.timeout(2000),
    });
    const body = await response.text();
    return response.status === 200 ? body : `${response.status} ${body}`;
  } catch (error) {
    const late = error instanceof DOMException && error.name === 'TimeoutError';
    if (late || error instanceof TypeError) return undefined; // a TypeError is what fetch throws when there is no answer
    throw error;
  }
}

/**
 * A TCP port that nobody listens on. Below those that the kernel gives to outgoing connections, and each test process has its own range: what is
 * free now stays free until a container takes it.
 */
export async function freePort(): Promise<number> {
  const range = 20_000 + (Number(process.env['VITEST_POOL_ID'] ?? 0) % 12) * 1000;
  for (;;) {
    const port = range + randomInt(1000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

// ---------------------------------------------------------------- before and after

export interface ContainerFacts {
  id: string;
  service: string;
  state: string;
  startedAt: string;
  /** Of the image that runs. */
  image: string;
  /** Compose's own, from the label. */
  configHash: string;
  restarts: number;
}

/** All that a command which changes nothing leaves as it is; compare with `toEqual`. */
export interface Snapshot {
  /** By container name. */
  containers: Record<string, ContainerFacts>;
  /** By path: type, mode and bytes of what is in the project, the backup directory left out. */
  files: Record<string, string>;
  /** The same of the backup directory: points, journals, audit trail, index. */
  backups: Record<string, string>;
  /** Reference to image id: of the project's images, and of the tags that keep images for it. */
  tags: Record<string, string>;
}

const BACKUPS = 'rollback/backups';
const KEPT = 'compose-rollback/kept:';

export async function snapshot(stack: Stack): Promise<Snapshot> {
  const [containers, all, names] = await Promise.all([
    containersOf(stack),
    filesOf(stack.directory),
    references(),
  ]);
  const entries = Object.entries(all);
  const isBackup = ([path]: [string, string]) => path.startsWith(`${BACKUPS}/`);
  return {
    containers,
    files: Object.fromEntries(entries.filter((entry) => !isBackup(entry))),
    backups: Object.fromEntries(entries.filter(isBackup)),
    tags: { ...ownTags(stack, names), ...(await keptTags(stack, names)) },
  };
}

/** The project's containers by name, as `docker inspect` tells. */
export async function containersOf(stack: Stack): Promise<Record<string, ContainerFacts>> {
  const label = `label=com.docker.compose.project=${stack.name}`;
  const ids = lines(await docker('ps', '--all', '--quiet', '--filter', label));
  if (ids.length === 0) return {};
  const compose = (what: string) => `{{json (index .Config.Labels "com.docker.compose.${what}")}}`;
  const state = '"state":{{json .State.Status}},"startedAt":{{json .State.StartedAt}}';
  const more = `"restarts":{{.RestartCount}},"service":${compose('service')},"configHash":${compose('config-hash')}`;
  const format = `{"name":{{json .Name}},"id":{{json .Id}},"image":{{json .Image}},${state},${more}}`;
  const rows = lines(await docker('inspect', '--type', 'container', '--format', format, ...ids)).toSorted();
  return Object.fromEntries(
    rows.map((row) => {
      const { name, ...facts }: ContainerFacts & { name: string } = JSON.parse(row);
      return [name.slice(1), facts];
    }),
  );
}

/** Every path below a directory with its type, mode and bytes; long bytes as their hash. */
export async function filesOf(directory: string): Promise<Record<string, string>> {
  const paths = (await readdir(directory, { recursive: true })).toSorted();
  const facts = paths.map(async (path) => [path, await describeFile(join(directory, path))] as const);
  return Object.fromEntries(await Promise.all(facts));
}

async function describeFile(path: string): Promise<string> {
  const stats = await lstat(path);
  const mode = (stats.mode & 0o7777).toString(8);
  if (stats.isSymbolicLink()) return `link to ${await readlink(path)}`;
  if (stats.isDirectory()) return `directory ${mode}`;
  if (!stats.isFile()) return `special ${mode}`;
  const bytes = await readFile(path);
  const hash = createHash('sha256').update(bytes).digest('hex');
  return `file ${mode} ${bytes.length > 2000 ? hash : bytes.toString('latin1')}`;
}

function ownTags(stack: Stack, names: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(names).filter(([reference]) => reference.startsWith(stack.name)));
}

/** Tags that keep images for the points below the stack's directory, and whatever else keeps images that only the stack has. */
export async function keptTags(
  stack: Stack,
  names?: Record<string, string>,
): Promise<Record<string, string>> {
  const folders = [stack.directory, stack.locks]; // points may also be in the state directory, beside the locks
  const listings = folders.map((folder) => readdir(folder, { recursive: true }));
  const paths = (await Promise.all(listings)).flat();
  const points = new Set(paths.flatMap((path) => /rb-[0-9a-f]{12}/.exec(path)?.[0] ?? []));
  const kept: [string, string][] = [];
  const own = new Set<string>();
  const shared = new Set<string>(); // busybox under a name of the stack's is still everybody's
  for (const [tag, image] of Object.entries(names ?? (await references()))) {
    if (tag.startsWith(KEPT)) kept.push([tag, image]);
    else (tag.startsWith(stack.name) ? own : shared).add(image);
  }
  const isOurs = ([tag, image]: [string, string]) =>
    (own.has(image) && !shared.has(image)) || [...points].some((point) => tag.startsWith(`${KEPT}${point}-`));
  return Object.fromEntries(kept.filter(isOurs));
}

/** All references, as `docker image ls` tells them, to image ids. */
async function references(): Promise<Record<string, string>> {
  const format = '{{.Repository}}:{{.Tag}} {{.ID}}';
  const rows = lines(await docker('image', 'ls', '--no-trunc', '--format', format));
  return Object.fromEntries(rows.map((row) => row.split(' ')));
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
