import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, expect, it } from 'vitest';
import { summaryOfRecord } from '../../src/store/point-files.js';
import { openSealing, traces, userKey, type UserKey } from '../support/sealing.js';
import {
  makePoint,
  pointId,
  removeCompiledStore,
  startChild,
  temporaryDirectory,
  writePoint,
} from '../support/store.js';

const SECRET = 'PASSWORD=hunter2-and-more\n';
const POINT = pointId(1);
const AT_ONCE = 4;

afterAll(removeCompiledStore);

/** Makes a safety point, then encrypts it; dies before the n-th time that it makes, moves or removes something for that. */
const SEAL = `
  import fs from 'node:fs/promises';
  import { syncBuiltinESMExports } from 'node:module';
  const [path, recipient, source, last] = argv;
  let left = Infinity;
  for (const name of ['rename', 'rm', 'mkdir', 'link', 'open']) {
    const original = fs[name];
    fs[name] = async (...args) => {
      const changes = name !== 'open' || args[1] === 'wx';
      if (changes && left-- === 0) {
        process.kill(process.pid, 'SIGKILL');
        await forever();
      }
      return original(...args);
    };
  }
  syncBuiltinESMExports();
  const { Store } = await store('store');
  const { makePoint } = JSON.parse(argv[4]);
  const into = await Store.open(path, { encryption: { recipients: [recipient], passphrase: false } });
  const writer = await into.begin(makePoint.id, { seal: false });
  const entry = { path: '.env', type: 'file', mode: 384, stored: 'configs/.env' };
  const entries = [{ ...entry, ...(await writer.addFile('configs/.env', source)) }];
  const model = { stored: 'model.json', ...(await writer.addJson('model.json', { format: 1, model: null, model_error: null, variables: [] })) };
  const config_hashes = { '.env': entries[0].sha256 };
  const summary = await writer.commit({ ...makePoint, config_hashes, entries, model });
  (await into.writeIndex()).insertPoint(summary);
  left = Number(last);
  await into.seal(makePoint.id);
  console.log('sealed');
`;

/** Whether it was killed before it was done. */
async function killedAt(path: string, user: UserKey, last: number): Promise<boolean> {
  const source = join(path, '..', 'source');
  await writeFile(source, SECRET);
  const point = JSON.stringify({ makePoint: makePoint(1, { kind: 'safety' }) });
  const child = await startChild(SEAL, [path, user.recipient, source, String(last), point]);
  child.line.catch(() => undefined);
  const how = await child.ended;
  expect(['SIGKILL', 0]).toContain(how);
  return how === 'SIGKILL';
}

async function checkAfter(path: string, user: UserKey): Promise<void> {
  const reading = await openSealing(path, { identityFile: user.file });
  await reading.tidy();
  const point = await reading.read(POINT);
  expect(point).toMatchObject({ id: POINT, kind: 'safety', entries: [{ path: '.env' }] });
  expect(await reading.isSealed(point)).toBe(true);
  expect(await reading.verify(point)).toEqual([]);
  expect(await textOf(await reading.openFile(point, { path: '.env', outside: false }))).toBe(SECRET);
  expect((await reading.readIndex())?.points()).toMatchObject([
    { id: POINT, sealed: true, config_hashes: {} },
  ]);
  reading.close();
  const names = await readdir(path);
  expect(names.toSorted()).toEqual(['.gitignore', 'index.db', POINT, 'store-key.age', 'store-key.json']);
  expect(await traces(path, [SECRET])).toEqual([]);
}

it('encrypts a safety point whole, wherever it is killed', { timeout: 120_000 }, async () => {
  const user = await userKey();
  let kills = 0;
  for (let first = 0, done = false; !done; first += AT_ONCE) {
    const results = await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, offset) => {
        const path = join(await temporaryDirectory(), 'backups');
        const killed = await killedAt(path, user, first + offset);
        await checkAfter(path, user);
        return killed;
      }),
    );
    kills += results.filter(Boolean).length;
    done = results.includes(false);
  }
  expect(kills).toBeGreaterThan(10);
});

it('encrypts a large stream with flat memory', { timeout: 60_000 }, async () => {
  const [path, user] = [join(await temporaryDirectory(), 'backups'), await userKey()];
  const into = await openSealing(path, {
    settings: { recipients: [user.recipient] },
    identityFile: user.file,
  });
  const writer = await into.begin(POINT);
  const chunk = Buffer.alloc(1024 * 1024, 'data ');
  let most = 0;
  const watched = (bytes: number) => {
    if (bytes % (16 * chunk.length) === 0) most = Math.max(most, process.memoryUsage().rss);
  };
  const before = process.memoryUsage().rss;
  const chunks = 200;
  const archive = await writer.addStream('volumes/a.tar', Readable.from(Array(chunks).fill(chunk)), watched);
  expect(archive.size).toBe(chunks * chunk.length);
  const point = await writePoint(writer, makePoint(1));
  let size = 0;
  for await (const part of await into.openStored(point, { stored: 'volumes/a.tar' })) {
    if (!(part instanceof Uint8Array)) throw new TypeError('bytes were expected');
    size += part.length;
    watched(size);
  }
  expect(size).toBe(archive.size);
  expect((await stat(join(path, POINT, 'volumes/a.tar.age'))).size).toBeGreaterThan(size);
  expect(most - before).toBeLessThan(100 * 1024 * 1024);
  expect(summaryOfRecord(await into.readRecord(POINT)).sealed).toBe(true);
  into.close();
});
