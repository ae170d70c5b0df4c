import { access, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import type * as Library from '../../../src/index.js';
import { aStack, buildApi, cli, create, docker, json, ok, snapshot, type Stack } from '../../support/e2e.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** Which points stay, what goes with those that do not, and that the index is only a mirror. */

/** The built library: the command line makes no deploy points. */
const library: typeof Library = await import(
  fileURLToPath(new URL('../../../dist/index.js', import.meta.url))
);

const composeFile = (name: string, time = 'infinity') => `
name: ${name}
services:
  job: { image: '${name}-job:latest', command: [sleep, '${time}'], stop_signal: SIGKILL }
`;

let stack: Stack;
let tag: string;

beforeAll(async () => {
  stack = await aStack('e2e-keep', (name) => ({
    'compose.yaml': composeFile(name),
    'rollback.yaml': 'max_rollback_points: 3\nmax_deploy_points: 2\n',
  }));
  vi.stubEnv('COMPOSE_ROLLBACK_LOCK_DIR', stack.locks);
  tag = `${stack.name}-job:latest`;
  await buildApi(stack, tag, 'v1');
  await stack.compose('up', '-d');
});

beforeEach(async () => {
  await stack.write({ 'compose.yaml': composeFile(stack.name) });
  const all = await points(...library.POINT_KINDS);
  if (all.length > 0) await ok(stack, 'delete', ...all, '--force', '--yes');
});

const listed = z.object({ points: z.array(z.object({ id: z.string() })) });

/** Ids, newest first. */
async function points(...kinds: Library.PointKind[]): Promise<string[]> {
  const found = listed.parse(await json(stack, 'list', '--kind', kinds.join(','))).points;
  return found.map(({ id }) => id);
}

/** Directories and kept tags are those of the listed points, and no others. */
async function holdsOnlyWhatIsListed(): Promise<void> {
  const ids = (await points(...library.POINT_KINDS)).toSorted();
  const { backups, tags } = await snapshot(stack);
  const directories = Object.keys(backups).flatMap(
    (path) => /^rollback\/backups\/(rb-\w+)$/.exec(path)?.[1] ?? [],
  );
  expect(directories.toSorted()).toEqual(ids);
  const kept = Object.keys(tags).flatMap((name) => /:(rb-\w{12})-/.exec(name)?.[1] ?? []);
  expect(kept.toSorted()).toEqual(ids);
}

const pointFile = z.object({ kind: z.string() });

/** Kinds of the points whose directories are in the store, by id, as their own files say. */
async function kindsInStore(): Promise<Record<string, string>> {
  const names = await readdir(stack.path('rollback/backups'));
  const kinds = names
    .filter((name) => name.startsWith('rb-'))
    .map(async (id) => {
      const text = await readFile(stack.path(`rollback/backups/${id}/point.json`), 'utf8');
      return [id, pointFile.parse(JSON.parse(text)).kind] as const;
    });
  return Object.fromEntries(await Promise.all(kinds));
}

test('the newest three stay, and the pinned one, and three safety points; cleanup leaves fewer', async () => {
  const pinned = await create(stack, 'pinned', '--pin');
  const ids: string[] = [];
  for (const name of ['one', 'two', 'three', 'four', 'five']) ids.push(await create(stack, name));
  expect(await points('manual')).toEqual([...ids.slice(2).toReversed(), pinned]);
  await holdsOnlyWhatIsListed();

  // Safety points are counted apart.
  const manual = await points('manual');
  await stack.write({ 'compose.yaml': composeFile(stack.name, '99') });
  await ok(stack, 'rollback', 'latest', '--yes', '--config-only');
  for (let time = 0; time < 4; time += 1) await ok(stack, 'undo', '--yes', '--config-only');
  const safety = await points('safety');
  expect(safety).toHaveLength(3);
  expect(await points('manual')).toEqual(manual);
  await holdsOnlyWhatIsListed();

  await ok(stack, 'cleanup', '--older-than', '1h', '--yes');
  expect([await points('manual'), await points('safety')]).toEqual([manual, safety]);
  // All but the pinned point, and the safety point that `undo` goes back to.
  const { points: old } = listed.parse(await json(stack, 'cleanup', '--older-than', '0s', '--dry-run'));
  const expected = [...manual.slice(0, -1), ...safety.slice(1)];
  expect(old.map(({ id }) => id).toSorted()).toEqual(expected.toSorted());

  await ok(stack, 'cleanup', '--keep-last', '1', '--yes');
  expect(await points('manual')).toEqual([manual[0], pinned]);
  expect(await points('safety')).toEqual(safety.slice(0, 1)); // counted apart here too
  await holdsOnlyWhatIsListed();
}, 240_000);

test('the newest three manual points and two deploy points stay, whatever was made last', async () => {
  const manager = new library.RollbackManager({ projectRoot: stack.directory });
  const manual: string[] = [];
  const deploys: string[] = [];
  for (let round = 1; round <= 4; round += 1) {
    manual.push(await create(stack, `manual ${round}`));
    deploys.push((await manager.createRollbackPoint({ kind: 'deploy', description: `deploy ${round}` })).id);
  }
  const expected = Object.fromEntries([
    ...manual.slice(1).map((id) => [id, 'manual']),
    ...deploys.slice(2).map((id) => [id, 'deploy']),
  ]);
  expect(await kindsInStore()).toEqual(expected);
  expect(await points('deploy')).toEqual(deploys.slice(2).toReversed());
  await holdsOnlyWhatIsListed();

  // The safety point of this rollback is newer, and `latest` ignores it.
  await stack.write({ 'compose.yaml': composeFile(stack.name, '98') });
  await ok(stack, 'rollback', 'latest', '--yes', '--config-only');
  expect(await json(stack, 'show', 'latest')).toMatchObject({ id: deploys.at(-1), kind: 'deploy' });
  expect(await kindsInStore()).toEqual({ ...expected, [(await points('safety'))[0] ?? '']: 'safety' });
}, 240_000);

test('cleanup needs to be told what is old', async () => {
  await create(stack);
  const { exitCode, stderr } = await leavesAllAsItWas(stack, () => cli(stack, 'cleanup', '--yes'));
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--keep-last N, --older-than 30d')]);
});

describe('delete', () => {
  test('a pinned point only when forced', async () => {
    const pinned = await create(stack, '--pin');
    const { exitCode, stderr } = await leavesAllAsItWas(stack, () => cli(stack, 'delete', pinned, '--yes'));
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('is pinned; nothing was deleted')]);
    await ok(stack, 'delete', pinned, '--yes', '--force');
    expect(await points('manual')).not.toContain(pinned);
    await holdsOnlyWhatIsListed();
  });

  test('takes several, or none when one of them is not there', async () => {
    const [first, second] = [await create(stack), await create(stack)];
    const wrong = () => cli(stack, 'delete', first, 'rb-000000000000', '--yes');
    expect((await leavesAllAsItWas(stack, wrong)).exitCode).toBe(10);
    await ok(stack, 'delete', first, second, '--yes');
    expect(await points('manual')).toEqual([]);
  });

  test('frees an image that nothing else refers to, and only such a one', async () => {
    onTestFinished(async () => void (await stack.compose('up', '-d')));
    const point = await create(stack, 'job runs v1');
    const old = await buildApi(stack, tag, 'v2');
    const [v1 = ''] = Object.values((await snapshot(stack)).containers).map(({ image }) => image);
    await ok(stack, 'delete', point, '--yes');
    await docker('image', 'inspect', v1); // its container runs

    await stack.compose('up', '-d');
    const second = await create(stack, 'job runs v2');
    await buildApi(stack, tag, 'v3');
    await stack.compose('up', '-d');
    await docker('image', 'inspect', old);
    await ok(stack, 'delete', second, '--yes');
    await expect(docker('image', 'inspect', old)).rejects.toThrow('No such image');
  });
});

describe('the index', () => {
  const index = () => stack.path('rollback/backups/index.db');

  // Also where a test failed that lost it.
  afterEach(async () => void (await ok(stack, 'reindex')));

  /** What was tried without an index is in the trail too. */
  const refusals = (...actions: string[]) =>
    actions.map((action) => expect.objectContaining({ action, result: 'failed' }));

  /** All that it tells. */
  async function told(): Promise<unknown[]> {
    return Promise.all([['list', '--safety'], ['runs'], ['history']].map((argv) => json(stack, ...argv)));
  }

  const losses: Record<string, () => Promise<void>> = {
    'was deleted': () => rm(index()),
    'holds something else': () =>
      writeFile(index(), 'no database at all, but long enough to look like something'.repeat(99)),
    'is empty': () => writeFile(index(), ''),
    'was cut short': () => truncate(index(), 5000),
    'was made by a newer version': async () => {
      const db = new SqliteDatabase(index());
      db.pragma('user_version = 99');
      db.close();
    },
  };

  for (const [loss, lose] of Object.entries(losses)) {
    test(`${loss}: said so, nothing touched; reindex makes the same one again`, async () => {
      await create(stack, `before it ${loss}`, '--name', 'named');
      const [list, runs, history] = await told();
      await lose();
      for (const argv of [
        ['list'],
        ['create'],
        ['rollback', 'latest', '--yes'],
        ['delete', 'latest', '--yes'],
      ]) {
        const { exitCode, stderr } = await leavesOnlyATrace(stack, () => cli(stack, ...argv));
        expect([1, 2], stderr).toContain(exitCode);
        expect(stderr).toMatch(/compose-rollback: the index .*\n/);
        expect(stderr).toContain('compose-rollback reindex');
      }
      await ok(stack, 'reindex');
      const again = await told();
      expect(again.slice(0, 2)).toEqual([list, runs]);
      expect(again[2]).toEqual({
        history: [...refusals('delete', 'rollback', 'create'), ...Object(history).history],
      });
    });
  }

  test('was lost together with the compose file', async () => {
    await create(stack);
    const before = await told();
    await rm(index());
    await rename(stack.path('compose.yaml'), stack.path('away.yaml'));
    await ok(stack, 'reindex');
    expect(await told()).toEqual(before);
    await rename(stack.path('away.yaml'), stack.path('compose.yaml'));
    await access(index());
  });
});
