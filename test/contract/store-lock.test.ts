import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import { acquireLock } from '../../src/store/lock.js';
import { isMissing } from '../support/needs.js';
import { removeCompiledStore, startChild, temporaryDirectory } from '../support/store.js';

afterAll(removeCompiledStore);

let folder: string;

beforeEach(async () => {
  const parent = await temporaryDirectory();
  await chmod(parent, 0o755);
  folder = join(parent, 'locks');
  vi.stubEnv('COMPOSE_ROLLBACK_LOCK_DIR', folder);
});

const REQUEST = { engineId: 'engine', project: 'shop', command: 'rollback rb-000000000001' };

const HOLD = `
  const { acquireLock } = await store('lock');
  const lock = await acquireLock(JSON.parse(argv[0])).catch((error) => error);
  console.log(lock.release ? 'held' : lock.code + ': ' + lock.message);
  if (lock.release) await forever();`;

it('is held by one, and names that one to others', async () => {
  const holder = await startChild(HOLD, [JSON.stringify(REQUEST)]);
  expect(await holder.line).toBe('held');
  const started = performance.now();
  await expect(acquireLock({ ...REQUEST, command: 'other' })).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringMatching(
      new RegExp(
        `^project "shop" is locked by process ${holder.process.pid} \\("rollback rb-0{11}1"\\), since "20`,
      ),
    ),
    hint: expect.any(String),
  });
  expect(performance.now() - started).toBeLessThan(1000);
});

it('is freed by the kernel when its holder is killed', async () => {
  const holder = await startChild(HOLD, [JSON.stringify(REQUEST)]);
  expect(await holder.line).toBe('held');
  holder.process.kill('SIGKILL');
  await holder.ended;
  const lock = await acquireLock(REQUEST);
  const other = await startChild(HOLD, [JSON.stringify(REQUEST)]);
  expect(await other.line).toContain(`locked by process ${process.pid}`);
  await lock.release();
});

it('is waited for, as long as asked', async () => {
  const holder = await startChild(HOLD, [JSON.stringify(REQUEST)]);
  expect(await holder.line).toBe('held');
  const onWait = vi.fn<() => void>(() => {
    holder.process.kill('SIGKILL');
  });
  const lock = await acquireLock({ ...REQUEST, command: 'other' }, { timeoutMs: 30_000, onWait });
  expect(onWait.mock.calls).toEqual([[expect.stringMatching(/^project "shop" is locked by process \d+ /)]]);
  const late = acquireLock(REQUEST, { timeoutMs: 250 });
  await expect(late).rejects.toMatchObject({ code: 'locked' });
  const controller = new AbortController();
  const onWaiting = () => controller.abort(new Error('enough'));
  const aborted = acquireLock(REQUEST, { timeoutMs: 30_000, signal: controller.signal, onWait: onWaiting });
  await expect(aborted).rejects.toMatchObject({ code: 'interrupted' });
  await lock.release();
});

it('does not name a dead predecessor whose words are still there', async () => {
  const dead = await startChild(HOLD, [JSON.stringify(REQUEST)]);
  await dead.line;
  dead.process.kill('SIGKILL');
  await dead.ended;
  const json = (await readdir(folder)).find((name) => name.endsWith('.json')) ?? '';
  const words = await readFile(join(folder, json), 'utf8');
  const lock = await acquireLock(REQUEST);
  await writeFile(join(folder, json), words);
  await expect(acquireLock(REQUEST)).rejects.toThrow('locked by another process');
  await lock.release();
});

it('is released, again and again, and then free', async () => {
  const lock = await acquireLock(REQUEST);
  await expect(acquireLock(REQUEST)).rejects.toMatchObject({ code: 'locked' });
  await lock.release();
  await lock.release();
  const next = await acquireLock(REQUEST);
  // A release of the old one must not free the new one.
  await lock.release();
  const other = await startChild(HOLD, [JSON.stringify(REQUEST)]);
  expect(await other.line).toContain('locked');
  await next.release();
});

it('is not given up by a failed attempt of the same process', async () => {
  const lock = await acquireLock(REQUEST);
  await expect(acquireLock(REQUEST)).rejects.toMatchObject({ code: 'locked' });
  const other = await startChild(HOLD, [JSON.stringify(REQUEST)]);
  expect(await other.line).toContain('locked');
  await lock.release();
});

it('goes to one of many that ask at once', async () => {
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => acquireLock(REQUEST)));
  const got = all.filter((one) => one.status === 'fulfilled');
  expect(got).toHaveLength(1);
  const refusals = all.filter((one) => one.status === 'rejected').map((one): unknown => one.reason);
  expect(refusals).toEqual(Array.from({ length: 7 }, () => expect.objectContaining({ code: 'locked' })));
  await got[0]?.value.release();
});

it('is one a project and engine', async () => {
  const locks = await Promise.all([
    acquireLock(REQUEST),
    acquireLock({ ...REQUEST, project: 'other' }),
    acquireLock({ ...REQUEST, engineId: 'other' }),
  ]);
  expect(await readdir(folder)).toHaveLength(2 * locks.length);
  await Promise.all(locks.map((lock) => lock.release()));
});

it.skipIf(isMissing('root'))(
  'is shared by users: what root made, another user can lock, and the other way round',
  async () => {
    const user = { uid: 65534 };
    const lock = await acquireLock(REQUEST);
    const refused = await startChild(HOLD, [JSON.stringify(REQUEST)], user);
    expect(await refused.line).toContain(`locked: project "shop" is locked by process ${process.pid}`);
    await lock.release();
    const holder = await startChild(HOLD, [JSON.stringify(REQUEST)], user);
    expect(await holder.line).toBe('held');
    await expect(acquireLock(REQUEST)).rejects.toThrow(`process ${holder.process.pid}`);
    expect((await stat(folder)).mode & 0o7777).toBe(0o1777);
    for (const name of await readdir(folder))
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o666);
  },
);

it('writes nothing into the lock, and leaves no other files', async () => {
  const lock = await acquireLock(REQUEST);
  expect(await readdir(folder)).toHaveLength(2);
  await lock.release();
  for (const name of await readdir(folder)) expect((await stat(join(folder, name))).size).toBe(0);
});

it.each(['lock', 'json'])('follows no link: %s', async (kind) => {
  await (await acquireLock(REQUEST)).release();
  const victim = join(folder, '../victim');
  await writeFile(victim, 'precious');
  const name = (await readdir(folder)).find((found) => found.endsWith(kind)) ?? '';
  await rm(join(folder, name));
  await symlink(victim, join(folder, name));
  await expect(acquireLock(REQUEST)).rejects.toMatchObject({ code: 'unsafe' });
  expect(await readFile(victim, 'utf8')).toBe('precious');
});

it('refuses a folder that others could exchange', async () => {
  await mkdir(folder);
  await chmod(folder, 0o777);
  await expect(acquireLock(REQUEST)).rejects.toMatchObject({ code: 'unsafe' });
  await rm(folder, { recursive: true });
  await symlink('/tmp', folder);
  await expect(acquireLock(REQUEST)).rejects.toMatchObject({ code: 'unsafe' });
});

it('prints what it finds beside the lock as text, never as control characters', async () => {
  const lock = await acquireLock({ ...REQUEST, command: 'x\u001b[2J\ny' });
  await expect(acquireLock({ ...REQUEST, project: 'shop' })).rejects.toThrow(/"x\\u001b\[2J\\ny"/);
  await lock.release();
});
