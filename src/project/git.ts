import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { RollbackError, messageOf } from '../model/errors.js';
import type { GitState } from '../model/project.js';
import { withoutKeys } from '../model/secrets.js';
import { hasCode, isSafePath, look } from './paths.js';

/** The project's git work tree, read with one process: simple-git takes three and 30 ms to load. */

const COMMIT = /^[0-9a-f]{40,64}$/;

export interface GitOptions {
  /** Told in one line why git could not be read, where there is a repository. */
  warn?: (message: string) => void;
  signal?: AbortSignal | undefined;
}

const OPTIONS = ['-c', 'core.fsmonitor=false', '--no-optional-locks'];

/** Undefined without a repository, a commit, or a git program. Submodules do not make the project dirty: no point holds what is in them. */
export async function readGit(directory: string, options: GitOptions = {}): Promise<GitState | undefined> {
  const root = await findRoot(directory);
  if (root === undefined) return undefined;
  const result = await execa(
    'git',
    [...OPTIONS, '-C', root, 'status', '--porcelain=v2', '--branch', '--ignore-submodules=untracked'],
    {
      env: environmentWithout(OF_A_HOOK),
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    },
  );
  options.signal?.throwIfAborted();
  if (result.failed) {
    if (!hasCode(result.cause, 'ENOENT')) options.warn?.(problemOf(result.stderr, root));
    return undefined;
  }
  const state = parseStatus(result.stdout, root);
  return state && { ...state, ...(await readSubmodules(result.stdout, root)) };
}

/** A changed submodule in `git status`: `1 .M SC..`, C for another commit, M for changes; the path is the last of nine fields. */
const SUBMODULE = /^1 \S+ S([C.])([M.])\S (?:\S+ ){5}(.+)$/;

async function readSubmodules(status: string, root: string): Promise<Pick<GitState, 'submodules'>> {
  const found = status.split('\n').flatMap((line) => {
    const [, commit, changes, path] = SUBMODULE.exec(line) ?? [];
    // Names that git quotes are left alone.
    return path === undefined || path.startsWith('"')
      ? []
      : [{ path, moved: commit === 'C', changed: changes === 'M' }];
  });
  if (found.length === 0) return {};
  const heads = await Promise.all(
    found
      .filter(({ moved }) => moved)
      .map(async ({ path }) => [path, await headOf(join(root, path))] as const),
  );
  const moved = heads.flatMap(([path, head]) => (head === undefined ? [] : [[path, head] as const]));
  return {
    submodules: {
      moved: Object.fromEntries(moved),
      changed: found.filter(({ changed }) => changed).map(({ path }) => path),
    },
  };
}

const HEAD_TIMEOUT_MS = 10_000;

async function headOf(directory: string): Promise<string | undefined> {
  const { stdout, failed } = await execa(
    'git',
    [...OPTIONS, '-C', directory, 'rev-parse', '--verify', 'HEAD'],
    {
      env: environmentWithout(OF_A_HOOK),
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout: HEAD_TIMEOUT_MS,
    },
  );
  return failed ? undefined : stdout.trim();
}

/** The nearest folder upwards with a `.git`, which is a file in work trees and submodules. */
async function findRoot(directory: string): Promise<string | undefined> {
  for (let folder = directory; ; folder = dirname(folder)) {
    if ((await look(join(folder, '.git'))) !== undefined) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Called from a git hook we would otherwise look at the hook's repository. */
const OF_A_HOOK = /^GIT_(?:DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|PREFIX)$/;
/** simple-git refuses to start with these in its environment: they name programs to run. */
const PROGRAMS = /^(?:GIT_.*|EDITOR|VISUAL|PAGER|SSH_ASKPASS|PREFIX)$/;

function environmentWithout(names: RegExp): Record<string, string> {
  const kept = Object.entries(withoutKeys(process.env)).filter(([name]) => !names.test(name));
  return { ...Object.fromEntries(kept.map(([name, value]) => [name, value ?? ''])), LC_ALL: 'C' };
}

function problemOf(stderr: string, root: string): string {
  if (stderr.includes('dubious ownership')) {
    return `git does not trust ${root}, which belongs to another user: the commit is not recorded (git config --global --add safe.directory)`;
  }
  return `git could not be read: ${stderr.trim().split('\n')[0] ?? 'it failed'}`;
}

function parseStatus(text: string, root: string): GitState | undefined {
  const lines = text.split('\n').filter((line) => line !== '');
  const header = (name: string) =>
    lines.find((line) => line.startsWith(`# ${name} `))?.slice(`# ${name} `.length);
  const commit = header('branch.oid');
  if (commit === undefined || commit === '(initial)') return undefined;
  const branch = header('branch.head');
  return {
    commit,
    branch: branch === '(detached)' ? undefined : branch,
    dirty: lines.some((line) => !line.startsWith('# ') && !SUBMODULE.test(line)),
    root,
  };
}

export interface Checkout {
  /** Of the stash that took what was not committed; undefined when there was nothing. */
  stash: string | undefined;
  /** Where the work tree was before. */
  from: { commit: string; branch: string | undefined };
}

export interface CheckoutOptions {
  commit: string;
  /** Checked out instead of the commit when it points there. */
  branch: string | null;
  /** Submodules that go to a commit of their own, by path; null for the commit that the project names. */
  submodules?: Record<string, string | null> | undefined;
  /** Names the run in the stash's message. */
  run: string;
}

/**
 * Stashes changes of tracked files and checks a commit out. Untracked files stay where they are: among them may be data that a
 * service is using. Submodules that were initialised come along. Throws `failed` with git's words.
 */
export async function checkout(directory: string, options: CheckoutOptions): Promise<Checkout> {
  const before = await readGit(directory);
  if (before === undefined) {
    throw new RollbackError('failed', `${directory} is in no git work tree with a commit`, {
      hint: 'leave --git away',
    });
  }
  const { simpleGit } = await import('simple-git');
  const git = simpleGit(before.root).env(environmentWithout(PROGRAMS));
  try {
    if (!COMMIT.test(options.commit)) throw new Error('the recorded commit is no commit id');
    await git.raw(['cat-file', '-e', `${options.commit}^{commit}`]);
    const stash = before.dirty ? await stashChanges(options) : undefined;
    if (before.commit !== options.commit || before.branch !== (options.branch ?? undefined)) {
      const onBranch = options.branch !== null && (await tipOf(options.branch)) === options.commit;
      await git.raw(
        onBranch && options.branch !== null
          ? ['checkout', options.branch, '--']
          : ['checkout', '--detach', options.commit],
      );
    }
    await updateSubmodules(before.root);
    for (const [path, commit] of Object.entries(options.submodules ?? {})) {
      if (commit === null) continue;
      if (!COMMIT.test(commit) || !isSafePath(path))
        throw new Error(`the recorded commit of ${path} is no commit`);
      await git.raw(['-C', path, 'checkout', '--detach', commit, '--']);
    }
    return { stash, from: { commit: before.commit, branch: before.branch } };
  } catch (error) {
    throw new RollbackError(
      'failed',
      `git could not check out ${options.commit.slice(0, 12)}: ${firstLine(error)}`,
      {
        hint: 'what was stashed is in `git stash list`; leave --git away to go back without git',
        cause: error,
      },
    );
  }

  async function tipOf(branch: string): Promise<string | undefined> {
    const listed = await git.raw(['for-each-ref', '--format=%(objectname)', `refs/heads/${branch}`]);
    return listed.trim() || undefined;
  }

  async function stashChanges({ run }: CheckoutOptions): Promise<string | undefined> {
    const previous = await newestStash();
    const message = `compose-rollback ${run}: before checking out ${options.commit.slice(0, 12)}`;
    await git.raw(['stash', 'push', '--message', message]);
    const stash = await newestStash();
    return stash === previous ? undefined : stash;
  }

  async function newestStash(): Promise<string | undefined> {
    return (await git.raw(['for-each-ref', '--format=%(objectname)', 'refs/stash'])).trim() || undefined;
  }
}

/** A commit of somebody else may name any address for a submodule: nothing but these is asked, and no program is run for it. */
const SUBMODULE_PROTOCOLS = ['https', 'ssh'];

async function updateSubmodules(root: string): Promise<void> {
  if ((await look(join(root, '.gitmodules'))) === undefined) return;
  const allowed = SUBMODULE_PROTOCOLS.flatMap((protocol) => ['-c', `protocol.${protocol}.allow=always`]);
  const argv = ['-C', root, '-c', 'protocol.allow=never', ...allowed];
  const result = await execa(
    'git',
    [...argv, 'submodule', '--quiet', 'update', '--recursive', '--checkout'],
    {
      env: { ...environmentWithout(PROGRAMS), GIT_TERMINAL_PROMPT: '0' },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    },
  );
  if (result.failed)
    throw new Error(`a submodule: ${result.stderr.trim().split('\n').at(-1) ?? 'it failed'}`);
}

/** Is the commit in the repository around `directory`? */
export async function hasCommit(directory: string, commit: string): Promise<boolean> {
  const root = await findRoot(directory);
  if (root === undefined || !COMMIT.test(commit)) return false;
  const argv = ['-C', root, 'cat-file', '-e', `${commit}^{commit}`];
  const { exitCode } = await execa('git', argv, {
    env: withoutKeys(process.env),
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
  return exitCode === 0;
}

function firstLine(error: unknown): string {
  return messageOf(error).trim().split('\n')[0] ?? '';
}
