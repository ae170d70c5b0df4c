import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { findBackupPlace } from '../../src/session/backup-place.js';
import { discardMoved, moveBackupDir } from '../../src/store/move.js';
import { Store } from '../../src/store/store.js';
import { filesOf } from '../support/e2e.js';
import { ALL, SEED } from '../support/kills.js';
import { sample } from '../support/random.js';
import {
  compiledStore,
  makePoint,
  pointId,
  removeCompiledStore,
  temporaryDirectory,
  writePoint,
} from '../support/store.js';

/** Moving a backup directory: killed at any step, one whole store counts, and the move can be repeated. */

afterAll(removeCompiledStore);

const KILLER = fileURLToPath(new URL('../support/kill.mjs', import.meta.url));

/** A directory on another file system than the temporary ones. */
async function elsewhere(): Promise<string> {
  const path = await mkdtemp('/dev/shm/cr-move-');
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

/** A project with two points that share a file. */
async function projectWithPoints(): Promise<{ shop: string; from: string; env: Record<string, string> }> {
  const folder = await temporaryDirectory();
  const shop = join(folder, 'shop');
  const from = join(shop, 'rollback/backups');
  const store = await Store.open(from, { create: true });
  for (const number of [1, 2]) {
    await writePoint(await store.begin(pointId(number)), makePoint(number));
    await store.tidy();
  }
  store.close();
  return { shop, from, env: { COMPOSE_ROLLBACK_STATE_DIR: join(folder, 'state') } };
}

/** Moves as the command does, in a process that is killed at a step; the number of steps without one. */
async function moveKilled(
  { shop, from, env }: Awaited<ReturnType<typeof projectWithPoints>>,
  to: string,
  kill?: { at: number; when: string },
): Promise<number> {
  const base = pathToFileURL(join(await compiledStore(), 'src/store')).href;
  const count = join(shop, 'steps');
  const script = `
    const { moveBackupDir } = await import('${base}/move.js');
    const { readPlaceRecords, writePlaceRecord } = await import('${base}/places.js');
    const [directory, from, to, state] = process.argv.slice(1);
    const [earlier] = await readPlaceRecords(state);
    const record = () =>
      writePlaceRecord(state + '/shop.json', { directory, project: 'shop', backupDir: to, movedFrom: from });
    await moveBackupDir({ from, to, resumes: earlier?.backupDir === to && earlier.movedFrom === from, record });`;
  const argv = ['--import', KILLER, '--input-type=module', '-e', script, '--'];
  const variables = kill ? { KILL_AT: String(kill.at), KILL_WHEN: kill.when } : { KILL_COUNT: count };
  await new Promise<void>((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [...argv, shop, from, to, env['COMPOSE_ROLLBACK_STATE_DIR'] ?? ''],
      { env: { ...process.env, ...variables } },
      (error) => {
        if (error && child.signalCode !== 'SIGKILL') reject(error);
        else resolve();
      },
    );
  });
  return kill ? 0 : Number(await readFile(count, 'utf8'));
}

it.each(['one file system', 'two'])(
  'killed at any step, the points are whole in one place: %s',
  async (kind) => {
    const target = kind === 'two' ? elsewhere : temporaryDirectory;
    const steps = await moveKilled(await projectWithPoints(), join(await target(), 'points'));
    expect(steps).toBeGreaterThan(3);
    const all = Array.from({ length: steps * 2 }, (_, index) => ({
      at: 1 + Math.floor(index / 2),
      when: index % 2 === 0 ? 'before' : 'after',
    }));
    // The first and the last steps decide which directory counts; in between is the copy.
    const chosen = ALL ? all : [...all.slice(0, 6), ...sample(all.slice(6, -8), 2, SEED), ...all.slice(-8)];
    for (const { at, when } of chosen) {
      const project = await projectWithPoints();
      const whole = await filesOf(project.from);
      const to = join(await target(), 'points');
      await moveKilled(project, to, { at, when });
      const folder = { directory: project.shop, files: [], name: 'shop' };
      const place = await findBackupPlace({}, project, folder);
      expect([at, when, await filesOf(place.path)]).toEqual([at, when, whole]);
      if (place.path !== to) {
        expect(place.path).toBe(project.from);
        await moveKilled(project, to);
        expect(await findBackupPlace({}, project, folder)).toMatchObject({ path: to, origin: 'recorded' });
        expect([at, when, await filesOf(to)]).toEqual([at, when, whole]);
      }
      await discardMoved(project.from);
      expect(await readdir(join(project.shop, 'rollback'))).toEqual([]);
    }
  },
  240_000,
);

it('keeps modes and what points share on another file system', async () => {
  const project = await projectWithPoints();
  const to = join(await elsewhere(), 'points');
  await moveKilled(project, to);
  const files = [1, 2].map((number) => join(to, pointId(number), 'configs/compose.yaml'));
  const [one, other] = await Promise.all(files.map((file) => stat(file)));
  expect([one?.ino, one?.nlink, (one?.mode ?? 0) & 0o777]).toEqual([other?.ino, 2, 0o600]);
  expect((await stat(to)).mode & 0o777).toBe(0o700);
});

it('refuses a directory that is not empty, its own inside, and what is no file, and leaves all as it was', async () => {
  const { from } = await projectWithPoints();
  const whole = await filesOf(from);
  const taken = await temporaryDirectory();
  await writeFile(join(taken, 'mine'), '');
  const record = async () => undefined;
  for (const to of [taken, join(from, 'inside'), join(from, '..')]) {
    const moving = moveBackupDir({ from, to, resumes: false, record });
    await expect(moving).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('nothing was changed'),
    });
  }
  await symlink('/etc/hostname', join(from, 'link'));
  const moving = moveBackupDir({ from, to: join(await elsewhere(), 'points'), resumes: false, record });
  await expect(moving).rejects.toMatchObject({ code: 'unsafe' });
  await rm(join(from, 'link'));
  expect(await filesOf(from)).toEqual(whole);
});

it('does not take another directory for what a killed move left', async () => {
  const { from } = await projectWithPoints();
  const to = await temporaryDirectory();
  await mkdir(join(to, 'photos'));
  const moving = moveBackupDir({ from, to, resumes: true, record: async () => undefined });
  await expect(moving).rejects.toMatchObject({ code: 'usage' });
  expect(await readdir(to)).toEqual(['photos']);
});
