import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkout, hasCommit, readGit } from '../../src/project/git.js';
import { makeFolder, type Folder } from '../support/folder.js';
import { isMissing } from '../support/needs.js';

async function git(folder: Folder, ...argv: string[]): Promise<string> {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'init.defaultBranch=main'];
  const { stdout } = await promisify(execFile)('git', [...identity, ...argv], { cwd: folder.path });
  return stdout.trim();
}

async function repository(files: Record<string, string> = { 'compose.yaml': 'one' }): Promise<Folder> {
  const folder = await makeFolder(files);
  await git(folder, 'init', '--quiet');
  await git(folder, 'config', 'user.name', 't');
  await git(folder, 'config', 'user.email', 't@example.com');
  await git(folder, 'add', '.');
  await git(folder, 'commit', '--quiet', '--message', 'one');
  return folder;
}

test('commit, branch, work tree and whether anything is uncommitted', async () => {
  const folder = await repository({ 'deploy/compose.yaml': 'one' });
  const commit = await git(folder, 'rev-parse', 'HEAD');
  expect(await readGit(folder.at('deploy'))).toEqual({
    commit,
    branch: 'main',
    dirty: false,
    root: folder.path,
  });
  await folder.write({ 'untracked file': '' });
  expect(await readGit(folder.path)).toMatchObject({ dirty: true });
  await git(folder, 'checkout', '--quiet', '--detach');
  expect(await readGit(folder.path)).toMatchObject({ branch: undefined });
});

test('no repository, no commit, a .git that is none', async () => {
  const folder = await makeFolder();
  expect(await readGit(folder.path)).toBeUndefined();
  await git(folder, 'init', '--quiet');
  expect(await readGit(folder.path)).toBeUndefined();
  const broken = await makeFolder({ '.git': 'gitdir: /nowhere\n' });
  const warnings: string[] = [];
  expect(await readGit(broken.path, { warn: (message) => warnings.push(message) })).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('git could not be read: ')]);
});

test.skipIf(isMissing('root'))("another user's repository gives a warning that says what to do", async () => {
  const folder = await repository();
  await chown(folder.path, 1234, 1234);
  await chown(folder.at('.git'), 1234, 1234);
  const saved = process.env['HOME'];
  onTestFinished(() => void (process.env['HOME'] = saved));
  process.env['HOME'] = '/nonexistent';
  const warnings: string[] = [];
  expect(await readGit(folder.path, { warn: (message) => warnings.push(message) })).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('safe.directory')]);
});

test("called from a git hook, the project's own repository is read", async () => {
  const [hooked, own] = [await repository(), await repository({ other: 'x' })];
  process.env['GIT_DIR'] = hooked.at('.git');
  onTestFinished(() => void delete process.env['GIT_DIR']);
  const state = await readGit(own.path);
  delete process.env['GIT_DIR'];
  expect(state?.commit).toBe(await git(own, 'rev-parse', 'HEAD'));
});

test('checkout stashes changes of tracked files under the name of the run, and leaves untracked ones: they may be data', async () => {
  const folder = await repository();
  const first = await git(folder, 'rev-parse', 'HEAD');
  await folder.write({ 'compose.yaml': 'two' });
  await git(folder, 'commit', '--quiet', '--all', '--message', 'two');
  await folder.write({
    'compose.yaml': 'edited',
    'new.txt': 'untracked',
    'rollback/backups/rb-1/point.json': '{}',
  });
  const options = { commit: first, branch: 'main', run: 'run-1' };
  const done = await checkout(folder.path, options);
  expect(done).toMatchObject({ stash: expect.stringMatching(/^[0-9a-f]{40}$/), from: { branch: 'main' } });
  expect(await readFile(folder.at('compose.yaml'), 'utf8')).toBe('one');
  expect(await readFile(folder.at('new.txt'), 'utf8')).toBe('untracked');
  expect(await readFile(folder.at('rollback/backups/rb-1/point.json'), 'utf8')).toBe('{}');
  expect(await git(folder, 'stash', 'list')).toContain('run-1');
  expect(await readGit(folder.path)).toMatchObject({ commit: first, branch: undefined });
  // Done is done: nothing is left to stash or to check out.
  expect(await checkout(folder.path, { ...options, branch: null })).toMatchObject({ stash: undefined });
});

test('a branch that still points to the commit is checked out as a branch', async () => {
  const folder = await repository();
  const commit = await git(folder, 'rev-parse', 'HEAD');
  await git(folder, 'checkout', '--quiet', '-b', 'feature');
  await checkout(folder.path, { commit, branch: 'main', run: 'run-1' });
  expect(await readGit(folder.path)).toMatchObject({ commit, branch: 'main' });
});

test('a commit that is not there is refused before anything is stashed', async () => {
  const folder = await repository();
  await folder.write({ 'compose.yaml': 'edited' });
  for (const commit of ['f'.repeat(40), '--help', 'HEAD~1; rm -rf x']) {
    const attempt = checkout(folder.path, { commit, branch: null, run: 'run-1' });
    await expect(attempt).rejects.toMatchObject({ code: 'failed' });
  }
  expect(await readFile(folder.at('compose.yaml'), 'utf8')).toBe('edited');
  expect(await git(folder, 'stash', 'list')).toBe('');
});

test('tells whether a commit is there', async () => {
  const folder = await repository();
  expect(await hasCommit(folder.path, await git(folder, 'rev-parse', 'HEAD'))).toBe(true);
  expect(await hasCommit(folder.path, 'f'.repeat(40))).toBe(false);
  expect(await hasCommit(folder.path, '--help')).toBe(false);
  expect(await hasCommit((await makeFolder()).path, 'f'.repeat(40))).toBe(false);
});

test('without a repository there is nothing to check out', async () => {
  const folder = await makeFolder();
  await mkdir(folder.at('x'));
  await writeFile(folder.at('x/y'), '');
  const attempt = checkout(folder.path, { commit: 'f'.repeat(40), branch: null, run: 'r' });
  await expect(attempt).rejects.toMatchObject({ code: 'failed', hint: expect.stringContaining('--git') });
});

describe('submodules', () => {
  const LOCAL = ['-c', 'protocol.file.allow=always'];

  /** A repository with `lib` as a submodule, at each of its two commits one of `lib`. */
  async function withSubmodule() {
    const lib = await repository();
    const first = await git(lib, 'rev-parse', 'HEAD');
    await lib.write({ 'compose.yaml': 'two' });
    await git(lib, 'commit', '--quiet', '--all', '--message', 'two');
    const folder = await repository();
    await git(folder, ...LOCAL, 'submodule', '--quiet', 'add', lib.path, 'lib');
    const sub = { ...folder, path: folder.at('lib') };
    await git(sub, 'checkout', '--quiet', first);
    await git(folder, 'commit', '--quiet', '--all', '--message', 'with lib one');
    const before = await git(folder, 'rev-parse', 'HEAD');
    await git(sub, 'checkout', '--quiet', '-');
    await git(folder, 'commit', '--quiet', '--all', '--message', 'with lib two');
    return { lib, folder, sub, before };
  }

  test('come along with a checkout', async () => {
    const { folder, before } = await withSubmodule();
    await checkout(folder.path, { commit: before, branch: null, run: 'run-1' });
    expect(await readFile(folder.at('lib/compose.yaml'), 'utf8')).toBe('one');
  });

  test('are no changes of the project', async () => {
    const { folder, sub } = await withSubmodule();
    await writeFile(`${sub.path}/compose.yaml`, 'edited');
    expect(await readGit(folder.path)).toMatchObject({ dirty: false });
  });

  test('that moved while the project stayed are told, and brought back', async () => {
    const { folder, sub } = await withSubmodule();
    const [commit, named] = [await git(folder, 'rev-parse', 'HEAD'), await git(sub, 'rev-parse', 'HEAD')];
    expect((await readGit(folder.path))?.submodules).toBeUndefined();
    const other = await git(sub, 'rev-parse', 'HEAD~1');
    await git(sub, 'checkout', '--quiet', other);
    await writeFile(folder.at('lib/compose.yaml'), 'edited');
    expect(await readGit(folder.path)).toMatchObject({
      dirty: false,
      submodules: { moved: { lib: other }, changed: ['lib'] },
    });
    await git(sub, 'checkout', '--quiet', 'compose.yaml');
    const back = { commit, branch: null, run: 'run-1' };
    await checkout(folder.path, { ...back, submodules: { lib: null } });
    expect(await git(sub, 'rev-parse', 'HEAD')).toBe(named);
    // And to a commit of its own, where it was at the point.
    await checkout(folder.path, { ...back, submodules: { lib: other } });
    expect(await git(sub, 'rev-parse', 'HEAD')).toBe(other);
    const outside = checkout(folder.path, { ...back, submodules: { '../lib': other } });
    await expect(outside).rejects.toMatchObject({ code: 'failed' });
  });

  test('are fetched by https and ssh alone', async () => {
    const { lib, folder, sub } = await withSubmodule();
    await lib.write({ 'compose.yaml': 'three' });
    await git(lib, 'commit', '--quiet', '--all', '--message', 'three');
    const third = await git(lib, 'rev-parse', 'HEAD');
    await git(folder, 'update-index', '--cacheinfo', `160000,${third},lib`);
    await git(folder, 'commit', '--quiet', '--message', 'with lib three');
    const commit = await git(folder, 'rev-parse', 'HEAD');
    const attempt = checkout(folder.path, { commit, branch: null, run: 'run-1' });
    await expect(attempt).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('submodule'),
    });
    await expect(git(sub, 'cat-file', '-e', third)).rejects.toThrow('cat-file');
  });
});
