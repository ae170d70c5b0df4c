import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { Decrypter } from 'age-encryption';
import { expect, it } from 'vitest';
import { Journal } from '../../src/store/journal.js';
import { sealedName } from '../../src/store/point-files.js';
import { rewriteRecord } from '../../src/store/point-reader.js';
import { openSealing, SECRETS, storeSecrets, traces, userKey } from '../support/sealing.js';
import { makeBegin, makePoint, pointId, sha256, temporaryDirectory, writePoint } from '../support/store.js';

const { ENV, DATA } = SECRETS;
const ALL = Object.values(SECRETS);
const RUN = 'run-000000000001';

const aPath = async () => join(await temporaryDirectory(), 'backups');

it('leaves no trace of what it stores outside of the ciphertext, and gives it back to the key', async () => {
  const [path, user] = [await aPath(), await userKey()];
  const settings = { recipients: [user.recipient] };
  const writing = await openSealing(path, { settings });
  const points = [await storeSecrets(writing, 1), await storeSecrets(writing, 2, { kind: 'safety' })];
  expect(await traces(path, ALL)).not.toEqual([]);
  await writing.seal(pointId(2));
  await writing.setPinned(pointId(1), true);
  expect(await traces(path, ALL)).toEqual([]);
  await writing.reindex();
  const without = await writing.readIndex();
  expect(without?.points().map(({ id, sealed, pinned }) => ({ id, sealed, pinned }))).toEqual([
    { id: pointId(2), sealed: true, pinned: false },
    { id: pointId(1), sealed: true, pinned: true },
  ]);
  writing.close();
  expect(await traces(path, ALL)).toEqual([]);

  const reading = await openSealing(path, { identityFile: user.file });
  for (const point of points) {
    const found = await reading.read(point.id);
    expect(found).toEqual({ ...point, pinned: point.id === pointId(1) });
    expect(await textOf(await reading.openFile(found, { path: '.env', outside: false }))).toBe(ENV);
    expect(await textOf(await reading.openStored(found, { stored: 'volumes/data.tar' }))).toBe(DATA);
    expect(await reading.readModel(found)).toMatchObject({ variables: [] });
    expect(await reading.verify(found)).toEqual([]);
    expect(await reading.verify(await reading.readRecord(point.id))).toEqual([]);
  }
  reading.close();
  expect(await traces(path, ALL)).toEqual([]);
  for (const item of await readdir(path, { recursive: true, withFileTypes: true })) {
    const { mode } = await stat(join(item.parentPath, item.name));
    expect(mode & 0o077).toBe(0);
  }
});

it('can be read with any age program and the private half of its key', async () => {
  const [path, user] = [await aPath(), await userKey()];
  const into = await openSealing(path, { settings: { recipients: [user.recipient] } });
  await storeSecrets(into, 1);
  into.close();
  const mine = new Decrypter();
  mine.addIdentity(user.identity);
  const its = new Decrypter();
  its.addIdentity(await mine.decrypt(await readFile(join(path, 'store-key.age')), 'text'));
  const file = join(path, pointId(1), 'configs/.env.age');
  expect(await its.decrypt(await readFile(file), 'text')).toBe(ENV);
});

it('opens nothing without the key, with another, or with something that is none', async () => {
  const [path, user, other] = [await aPath(), await userKey(), await userKey()];
  const into = await openSealing(path, { settings: { recipients: [user.recipient] } });
  const point = await storeSecrets(into, 1);
  into.close();
  const junk = join(await temporaryDirectory(), 'junk');
  await writeFile(junk, `${user.identity.slice(0, -3)}QQQ\n`);
  const empty = `${junk}-empty`;
  await writeFile(empty, '# nothing\n');
  const attempts = [
    {},
    { identityFile: other.file },
    { identityFile: junk },
    { identityFile: empty },
    { env: { COMPOSE_ROLLBACK_IDENTITY: other.file } },
    { env: { COMPOSE_ROLLBACK_PASSPHRASE: 'guess' } },
    { env: { COMPOSE_ROLLBACK_PASSPHRASE_FILE: empty.replace('-empty', '') } },
  ];
  for (const attempt of attempts) {
    const reading = await openSealing(path, attempt);
    const refused = { code: 'cannot-decrypt', hint: expect.stringContaining('--identity FILE') };
    const reads = [
      () => reading.read(point.id),
      () => reading.readModel(point),
      () => reading.openStored(point, { stored: 'configs/.env' }),
      () => reading.verify(point),
      () => reading.amend(point.id, async (_, now) => now),
    ];
    for (const read of reads) {
      const error: unknown = await read().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject(refused);
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(
        /AGE-SECRET-KEY-1|QQQ|guess/,
      );
    }
    expect(await reading.verify(await reading.readRecord(point.id))).toEqual([]);
    reading.close();
  }
  const gone = await openSealing(path, { identityFile: `${junk}-gone` });
  await expect(gone.read(point.id)).rejects.toMatchObject({ code: 'failed' });
});

it('finds every change of the ciphertext, with the key and without', async () => {
  const [path, user] = [await aPath(), await userKey()];
  const into = await openSealing(path, {
    settings: { recipients: [user.recipient] },
    identityFile: user.file,
  });
  const point = await storeSecrets(into, 1);
  const record = await into.readRecord(point.id);
  const names = ['configs/.env.age', 'model.json.age', 'volumes/data.tar.age', 'sealed.age'];
  for (const name of names) {
    const file = join(path, point.id, name);
    const bytes = await readFile(file);
    const changed = Buffer.from(bytes);
    changed[changed.length - 5] = (changed.at(-5) ?? 0) ^ 1;
    for (const harm of [changed, bytes.subarray(0, -1), bytes.subarray(0, 40), Buffer.alloc(0)]) {
      await writeFile(file, harm);
      expect((await into.verify(record)).map((problem) => problem.path)).toEqual([name]);
      if (name === 'sealed.age') {
        await expect(into.read(point.id)).rejects.toMatchObject({ code: 'damaged' });
        continue;
      }
      expect((await into.verify(point)).map((problem) => problem.path)).toEqual([name]);
      const reading = into.openStored(point, { stored: name.replace(/\.age$/, '') });
      await expect(reading.then(textOf)).rejects.toMatchObject({ code: 'damaged' });
    }
    await writeFile(file, bytes);
  }
  // Ciphertext that somebody else made for the same key, with a record that fits it: only the key can tell.
  const [env, conf] = [
    join(path, point.id, 'configs/.env.age'),
    join(path, point.id, 'configs/app.conf.age'),
  ];
  const own = await readFile(env);
  await writeFile(env, await readFile(conf));
  if (!('files' in record)) throw new Error('the point is not encrypted');
  const forged = record.files.find(({ stored }) => stored === 'configs/app.conf.age');
  const files = record.files.map((entry) =>
    entry.stored === 'configs/.env.age' ? { ...entry, ...forged, stored: entry.stored } : entry,
  );
  await rewriteRecord(into.dir, { ...record, files });
  expect(await into.verify({ ...record, files })).toEqual([]);
  expect(await into.verify(point)).toMatchObject([{ path: 'configs/.env.age' }]);
  await writeFile(env, own);
  into.close();
});

it('adds files to an encrypted point, whole or not at all, and shares its ciphertext', async () => {
  const [path, user] = [await aPath(), await userKey()];
  const into = await openSealing(path, {
    settings: { recipients: [user.recipient] },
    identityFile: user.file,
  });
  const point = await storeSecrets(into, 1);
  const inode = async (number: number, name: string) => (await stat(join(path, pointId(number), name))).ino;
  const before = await inode(1, 'configs/.env.age');
  const archive = { image: 'sha256:1', stored: 'images/1.tar', compression: 'none' } as const;
  const after = await into.amend(point.id, async (writer, now) => {
    const stored = await writer.addStream(archive.stored, Readable.from([Buffer.from('an image')]));
    return { ...now, image_archives: [{ ...archive, ...stored }] };
  });
  expect(await into.read(point.id)).toEqual(after);
  expect(await into.verify(after)).toEqual([]);
  expect(await textOf(await into.openStored(after, archive))).toBe('an image');
  expect(await inode(1, 'configs/.env.age')).toBe(before);

  const failing = into.amend(point.id, async (writer) => {
    await writer.addStream('images/2.tar', Readable.from([Buffer.from('x')]));
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await into.read(point.id)).toEqual(after);
  expect(await into.verify(after)).toEqual([]);

  const writer = await into.begin(pointId(2));
  const stored = 'volumes/data.tar';
  const earlier = join(into.pointDir(point.id), stored);
  const fingerprint = { size: DATA.length, sha256: sha256(DATA) };
  expect(await writer.addLink(stored, earlier, fingerprint)).toBe(true);
  expect(await writer.addLink('volumes/b', join(path, '..', 'elsewhere'), fingerprint)).toBe(false);
  expect(await writer.addLink('volumes/b', join(into.pointDir(point.id), 'none'), fingerprint)).toBe(false);
  const [data] = point.volume_data;
  const second = await writePoint(writer, makePoint(2, { volume_data: data ? [data] : [] }));
  expect(await inode(2, `${stored}.age`)).toBe(await inode(1, `${stored}.age`));
  expect(await into.verify(second)).toEqual([]);
  into.close();
});

it('keeps apart what would have the same name once encrypted', async () => {
  const names = ['a', 'a.age', 'a.age/b', 'a.age.d/b', 'a.age.d.d/b', 'a.d/b', 'a.age/a.age'];
  expect(new Set(names.map(sealedName)).size).toBe(names.length);
  const [path, user] = [await aPath(), await userKey()];
  const into = await openSealing(path, {
    settings: { recipients: [user.recipient] },
    identityFile: user.file,
  });
  const files = { x: '1', 'y.age/b': '2', y: '3', 'x.age': '4' };
  const point = await writePoint(await into.begin(pointId(1)), makePoint(1), files);
  expect(await into.verify(await into.read(point.id))).toEqual([]);
  for (const [name, text] of Object.entries(files)) {
    expect(await textOf(await into.openFile(point, { path: name, outside: false }))).toBe(text);
  }
  into.close();
});

it('seals new points only, and reads old ones as before', async () => {
  const [path, user] = [await aPath(), await userKey()];
  const plain = await openSealing(path, {});
  const old = [await storeSecrets(plain, 1), await storeSecrets(plain, 2, { kind: 'safety' })];
  expect(await readdir(path)).not.toContain('store-key.json');
  plain.close();
  const into = await openSealing(path, { settings: { recipients: [user.recipient] } });
  await storeSecrets(into, 3);
  await into.seal(pointId(2));
  await into.tidy();
  for (const point of old) {
    expect(await into.read(point.id)).toEqual(point);
    expect(await into.verify(point)).toEqual([]);
  }
  await into.reindex();
  expect((await into.readIndex())?.points().map(({ sealed }) => sealed)).toEqual([
    true,
    undefined,
    undefined,
  ]);
  into.close();
});

it('keeps a safety point open for as long as going back may need it', async () => {
  const [path, user] = [await aPath(), await userKey()];
  const warnings: string[] = [];
  const into = await openSealing(path, { settings: { recipients: [user.recipient] }, warnings });
  await storeSecrets(into, 1, { kind: 'safety' });
  // Ours, and we are alive.
  await into.tidy();
  expect(await into.isSealed({ id: pointId(1) })).toBe(false);

  // As if we had been killed, in a run.
  const marker = (await readdir(path)).find((name) => name.startsWith('.seal-')) ?? '';
  const dead = marker.replace(/-\d+-(\d+-[0-9a-f]{8})$/, '-4194305-$1');
  await writeFile(join(path, dead), '');
  await rm(join(path, marker));
  const index = await into.writeIndex();
  const journal = await Journal.begin(into.dir, makeBegin(RUN, { safety: pointId(1) }));
  const run = {
    id: RUN,
    project: 'shop',
    kind: 'rollback',
    user: 'me',
    undoes: null,
    message: null,
  } as const;
  const ids = { target: pointId(9), safety: pointId(1), started: '2025-11-05T17:30:00.000Z' };
  index.insertRun({ ...run, ...ids, sequence: 1, ended: null, result: null });
  await into.tidy();
  expect(await into.isSealed({ id: pointId(1) })).toBe(false);
  const at = '2025-11-05T17:31:00.000Z';
  await journal.append({ type: 'end', at, result: 'not-returned', message: '', warnings: [] });
  await journal.close();
  index.finishRun(RUN, { ended: at, result: 'not-returned', message: '' });
  await into.tidy();
  expect(await into.isSealed({ id: pointId(1) })).toBe(false);

  const later = {
    id: 'run-000000000002',
    sequence: 2,
    started: '2025-11-05T18:30:00.000Z',
    ended: at,
    result: 'done',
  } as const;
  index.insertRun({ ...run, ...ids, ...later, safety: pointId(8) });
  // A point that cannot be encrypted stands in nobody's way.
  const env = join(path, pointId(1), 'configs/.env');
  await writeFile(env, 'changed');
  await into.tidy();
  expect(warnings).toEqual([expect.stringMatching(/is not encrypted yet: .*\.env.* is damaged/)]);
  await writeFile(env, ENV);
  await into.tidy();
  expect(await into.isSealed({ id: pointId(1) })).toBe(true);
  expect((await readdir(path)).filter((name) => name.startsWith('.seal-'))).toEqual([]);
  expect(await traces(path, ALL)).toEqual([]);
  into.close();
});
