import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it, onTestFinished, vi } from 'vitest';
import { RunLog } from '../../src/runs/log.js';
import { listRuns } from '../../src/runs/unfinished.js';
import type { Store } from '../../src/store/store.js';
import { Store as Opened } from '../../src/store/store.js';
import { openSealing, userKey } from '../support/sealing.js';
import {
  makePoint,
  pointId,
  removeCompiledStore,
  startChild,
  temporaryDirectory,
  writePoint,
} from '../support/store.js';

/** The order of points and runs is the order in which they were made, whatever the clock said, and wherever the index went. */

afterAll(removeCompiledStore);

const newPath = async () => join(await temporaryDirectory(), 'backups');
const idsOf = async (store: Store) => (await store.readIndex())?.points().map(({ id }) => id);

/** Makes a point as the use cases do. The higher its number, the further the clock has gone back. */
async function addPoint(store: Store, number: number): Promise<void> {
  const index = await store.writeIndex();
  const writer = await store.begin(pointId(number));
  const timestamp = new Date(Date.UTC(2026, 0, 1) - number * 3_600_000).toISOString();
  await writePoint(writer, makePoint(number, { sequence: index.takePlace(), timestamp }));
  await store.tidy();
}

it.each(['plain', 'encrypted'])(
  'points of a clock that goes back stay in order through a lost index: %s',
  async (mode) => {
    const path = await newPath();
    const key = mode === 'encrypted' ? await userKey() : undefined;
    const store = key
      ? await openSealing(path, { settings: { recipients: [key.recipient] } })
      : await Opened.open(path);
    for (const number of [1, 2, 3]) await addPoint(store, number);
    const newestFirst = [3, 2, 1].map(pointId);
    expect(await idsOf(store)).toEqual(newestFirst);
    expect((await store.readIndex())?.latest('shop', 1, ['manual'])?.id).toBe(pointId(2));

    store.close();
    await rm(store.dir.indexFile);
    await store.reindex();
    expect(await idsOf(store)).toEqual(newestFirst);
    await addPoint(store, 4);
    expect(await idsOf(store)).toEqual([4, 3, 2, 1].map(pointId));
    store.close();
  },
);

it('runs of a clock that goes back stay in order through a lost index and an index that does not know one', async () => {
  const store = await Opened.open(await newPath(), { create: true });
  const project = {
    name: 'shop',
    directory: '/srv/shop',
    files: [],
    origin: 'default' as const,
    profiles: [],
    envFiles: [],
  };
  const ids = ['run-00000000000a', 'run-00000000000b', 'run-00000000000c'];
  const plan = { kind: 'rollback', project: 'shop', operations: [], risks: [], blockers: [] };
  const request = {
    services: null,
    config_only: false,
    volumes: true,
    outside: false,
    git: false,
    image: null,
  };
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  for (const [place, run] of ids.entries()) {
    vi.setSystemTime(new Date(Date.UTC(2026, 0, 1) - place * 3_600_000));
    const beginning = { run, kind: 'rollback', target: pointId(1), safety: pointId(2), undoes: null };
    const log = await RunLog.begin({ store, project, user: 'me' }, beginning, { plan, request });
    await log.end('done', 'fine', []);
  }
  const newestFirst = ids.toReversed();
  expect((await listRuns(store, 'shop')).map(({ id }) => id)).toEqual(newestFirst);
  store.close();
  await rm(store.dir.indexFile);
  await store.reindex();
  expect((await store.readIndex())?.runs().map(({ id }) => id)).toEqual(newestFirst);
  store.close();
});

it('gives no place twice to processes of projects that share a store', async () => {
  const path = await newPath();
  await (await Opened.open(path, { create: true })).writeIndex();
  const script = `
    const { Store } = await store('store');
    const index = await (await Store.open(argv[0])).writeIndex();
    console.log(Array.from({ length: 200 }, () => index.takePlace()).join());`;
  const children = await Promise.all([1, 2].map(() => startChild(script, [path])));
  const lines = await Promise.all(children.map((child) => child.line));
  const places = lines.flatMap((line) => line.split(',').map(Number));
  expect(new Set(places).size).toBe(400);
  expect(Math.max(...places)).toBe(400);
});
