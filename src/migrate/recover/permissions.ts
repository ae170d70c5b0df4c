import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { findProgram } from '../../engine/search-path.js';
import { quoted } from '../../model/names.js';
import { look } from '../../project/paths.js';
import { restoreFile } from '../../project/write.js';
import { explained } from '../../store/files.js';
import type { Diagnosis, Finding } from '../diagnose/finding.js';
import { lookAtMachine } from '../validate/machine-facts.js';
import { findPodmanProblems, whyPodmanFails } from '../diagnose/podman.js';
import type { Remedy, Step } from './recovery.js';

/** What keeps Podman from starting for the user who calls. Only a file of that user is ever changed. */

type Environment = Record<string, string | undefined>;

export interface Caller {
  env: Environment;
  user: string;
  /** Of the project, where it is logged. */
  directory: string;
}

export async function findPermissionProblems({ env, user }: Caller): Promise<Diagnosis> {
  const [podman, ids] = await Promise.all([findPodmanProblems(env), findMissingIds(env, user)]);
  return { findings: [...ids, ...podman], warnings: [] };
}

/** Without subordinate ids a rootless Podman has one user inside. Only root gives them. */
async function findMissingIds(env: Environment, user: string): Promise<Finding[]> {
  if (process.geteuid?.() === 0 || (await findProgram('podman', env)) === undefined) return [];
  const { uids, gids } = (await lookAtMachine(env, user)).subordinate;
  if (uids > 0 && gids > 0) return [];
  return [
    {
      scenario: 'permission-issues',
      service: null,
      cause: 'this user has no subordinate ids',
      evidence: `${user} has ${uids} in /etc/subuid and ${gids} in /etc/subgid`,
      fix: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user} && podman system migrate`,
    },
  ];
}

/** The caller's containers.conf goes on without the lines that Podman cannot do with; as it was it stays beside it. */
export async function planPermissions({ env }: Caller, findings: Finding[]): Promise<Remedy> {
  const others = findings.filter(({ cause }) => cause === 'this user has no subordinate ids');
  const podman = findings.filter((finding) => !others.includes(finding));
  const refuse = (): Remedy => ({ steps: [], obstacles: findings });
  const path = configurationOf(env);
  if (podman.length === 0 || path === undefined || !(await look(path))?.isFile()) return refuse();
  const text = await explained(`read ${quoted(path)}`, () => readFile(path, 'utf8'));
  const left = await withoutTheFewest(text.split('\n'), (candidate) => startsWith(env, path, candidate));
  return left === undefined || left.size === 0
    ? refuse()
    : { obstacles: others, steps: [rewriting(path, text, left)] };
}

/** Where Podman looks for what this user has set: not in a home when it runs as root. */
function configurationOf({ CONTAINERS_CONF, XDG_CONFIG_HOME, HOME }: Environment): string | undefined {
  if (CONTAINERS_CONF) return CONTAINERS_CONF;
  const home = XDG_CONFIG_HOME || (HOME && join(HOME, '.config'));
  return process.geteuid?.() === 0 || !home ? undefined : join(home, 'containers/containers.conf');
}

function rewriting(path: string, text: string, left: ReadonlySet<number>): Step {
  const now = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const aside = `${path}.${now}`;
  const lines = [...left].map((index) => index + 1).toSorted((a, b) => a - b);
  return {
    what: `make comments of lines ${lines.join(', ')} of ${path}; the file as it is stays beside it, with the time in its name`,
    act: async () => {
      await explained(`keep ${quoted(path)} aside`, () => copyFile(path, aside, constants.COPYFILE_EXCL));
      const mode = ((await look(path))?.mode ?? 0o600) & 0o777;
      const source = () => Readable.from([commented(text.split('\n'), left)]);
      await restoreFile(dirname(path), basename(path), source, { mode, inPlace: false });
    },
  };
}

const commented = (lines: string[], left: ReadonlySet<number>) =>
  lines.map((line, index) => (left.has(index) ? `# ${line}` : line)).join('\n');

/**
 * Tries a text in the place of the configuration, without touching that; what Podman says, undefined when it starts. With a store of its own: it writes
 * down in the real one what a configuration leaves open. (Options say where, too: what a storage.conf says of that, Podman 4.3.1 passes over in favour of
 * a store that its user has; root's does not start without. Measured.)
 */
async function startsWith(env: Environment, path: string, text: string): Promise<string | undefined> {
  // A runroot of more than 50 characters Podman refuses.
  const trial = await mkdtemp(join(env['XDG_RUNTIME_DIR'] || tmpdir(), 'try-'));
  try {
    const store = join(trial, 'storage.conf');
    const [root, run] = [join(trial, 'root'), join(trial, 'run')];
    const places = `graphroot = ${JSON.stringify(root)}\nrunroot = ${JSON.stringify(run)}\n`;
    await writeFile(store, `[storage]\ndriver = "vfs"\n${places}`);
    const options = ['--root', root, '--runroot', run];
    const folder = join(trial, 'containers');
    await mkdir(folder);
    const file = join(folder, 'containers.conf');
    await writeFile(file, text);
    const own = { ...env, CONTAINERS_STORAGE_CONF: store };
    if (env['CONTAINERS_CONF']) return await whyPodmanFails({ ...own, CONTAINERS_CONF: file }, options);
    for (const name of await readdir(dirname(path))) {
      if (name !== basename(path)) await symlink(join(dirname(path), name), join(folder, name));
    }
    return await whyPodmanFails({ ...own, XDG_CONFIG_HOME: trial }, options);
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

/**
 * The fewest lines (from 0) without which Podman starts: of those that it names, and at most one that it does not; of all of them when nothing less helps.
 * Undefined when not even that does.
 */
async function withoutTheFewest(
  lines: string[],
  attempt: (text: string) => Promise<string | undefined>,
): Promise<ReadonlySet<number> | undefined> {
  const says = (left: Iterable<number>) => attempt(commented(lines, new Set(left)));
  const settings = lines.flatMap((line, index) => (/^\s*(?:#|$)/.test(line) ? [] : [index]));
  const named = await namedLines(lines, settings, says);
  const unnamed = settings.filter((index) => !named.has(index));
  for (const left of [[...named], ...unnamed.map((index) => [...named, index])]) {
    if ((await says(left)) === undefined) return await needed(left, says);
  }
  return (await says(settings)) === undefined ? await needed(settings, says) : undefined;
}

type Says = (left: Iterable<number>) => Promise<string | undefined>;

/** Podman names one line at a time, now and then the one after it; where a value does not end, far from its key. */
async function namedLines(lines: string[], settings: number[], says: Says): Promise<ReadonlySet<number>> {
  const left = new Set<number>();
  for (let words = await says(left); words !== undefined; words = await says(left)) {
    const line = Number(/\bline (\d+)/.exec(words)?.[1]);
    const key = /\blast key \\?"(?:[^"]*\.)?([^".\\]+)\\?"/.exec(words)?.[1];
    const begun = lines.findLastIndex((text, index) => index < line && text.split('=')[0]?.trim() === key);
    const next = [begun, line - 1, line - 2].find((index) => settings.includes(index) && !left.has(index));
    if (next === undefined) break;
    left.add(next);
  }
  return left;
}

/** Without those that it does not matter for. */
async function needed(found: number[], says: Says): Promise<ReadonlySet<number>> {
  const left = new Set(found);
  for (const index of found) {
    left.delete(index);
    if ((await says(left)) !== undefined) left.add(index);
  }
  return left;
}
