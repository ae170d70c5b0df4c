import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSealing, SECRETS, storeSecrets, traces, userKey } from '../support/sealing.js';
import { pointId, temporaryDirectory } from '../support/store.js';

const ALL = Object.values(SECRETS);
const aPath = async () => join(await temporaryDirectory(), 'backups');

it(
  'takes a passphrase from the environment or a file; without one nothing is begun',
  { timeout: 60_000 },
  async () => {
    const path = await aPath();
    const settings = { passphrase: true };
    const none = await openSealing(path, { settings });
    await expect(none.begin(pointId(1))).rejects.toMatchObject({ code: 'cannot-decrypt' });
    expect((await readdir(path)).toSorted()).toEqual(['.gitignore', 'index.db']);
    none.close();

    const file = join(await temporaryDirectory(), 'passphrase');
    await writeFile(file, 'correct horse\n');
    const into = await openSealing(path, { settings, env: { COMPOSE_ROLLBACK_PASSPHRASE_FILE: file } });
    const point = await storeSecrets(into, 1);
    into.close();
    const right = await openSealing(path, { env: { COMPOSE_ROLLBACK_PASSPHRASE: 'correct horse' } });
    expect(await right.read(point.id)).toEqual(point);
    const wrong = await openSealing(path, { env: { COMPOSE_ROLLBACK_PASSPHRASE: 'correct horses' } });
    await expect(wrong.read(point.id)).rejects.toMatchObject({ code: 'cannot-decrypt' });
    // Writing needs only the public half.
    await storeSecrets(await openSealing(path, { settings }), 2);
    expect(await traces(path, [...ALL, 'correct horse'])).toEqual([]);
  },
);

it('wraps its key again when the recipients change and the key is at hand; else it says so', async () => {
  const [path, first, second] = [await aPath(), await userKey(), await userKey()];
  const file = join(await temporaryDirectory(), 'recipients');
  await writeFile(file, `# ours\n${second.recipient}\n`);
  const into = await openSealing(path, { settings: { recipients: [first.recipient] } });
  const point = await storeSecrets(into, 1);
  into.close();
  const halves = () =>
    Promise.all(['store-key.json', 'store-key.age'].map((name) => readFile(join(path, name), 'utf8')));
  const before = await halves();

  const warnings: string[] = [];
  const changed = { recipientsFile: file };
  const without = await openSealing(path, { settings: changed, warnings });
  await storeSecrets(without, 2);
  without.close();
  expect(warnings).toEqual([expect.stringMatching(/still encrypted for age1.*not as the settings say now/)]);
  expect(await halves()).toEqual(before);

  const told: string[] = [];
  const withKey = await openSealing(path, { settings: changed, identityFile: first.file, warnings: told });
  await storeSecrets(withKey, 3);
  withKey.close();
  expect(told).toEqual([]);
  expect(JSON.parse((await halves())[0] ?? '')).toEqual({
    ...JSON.parse(before[0] ?? ''),
    wrapped_for: [second.recipient],
  });
  const reading = await openSealing(path, { env: { COMPOSE_ROLLBACK_IDENTITY: second.file } });
  expect(await reading.read(point.id)).toEqual(point);
  const old = await openSealing(path, { identityFile: first.file });
  await expect(old.read(point.id)).rejects.toMatchObject({ code: 'cannot-decrypt' });

  // Settings that are broken now do not stop a store that has its key.
  await rm(file);
  const broken: string[] = [];
  await storeSecrets(await openSealing(path, { settings: changed, warnings: broken }), 4);
  expect(broken).toEqual([expect.stringContaining('recipients_file')]);
});

it.each([
  ['nobody', {}],
  ['both', { recipients: ['age1x'], passphrase: true }],
  ['what is no recipient', { recipients: ['age1nonsense'] }],
  ['a list that is not there', { recipientsFile: '/none' }],
])('refuses settings for %s', async (_, settings) => {
  const into = await openSealing(await aPath(), { settings });
  await expect(into.begin(pointId(1))).rejects.toMatchObject({ code: 'config-invalid' });
});

it('does not make another key when a half of it is lost', async () => {
  for (const half of ['store-key.json', 'store-key.age']) {
    const [path, user] = [await aPath(), await userKey()];
    const opening = { settings: { recipients: [user.recipient] }, identityFile: user.file };
    const into = await openSealing(path, opening);
    await storeSecrets(into, 1);
    await rm(join(path, half));
    const again = await openSealing(path, opening);
    const damaged = { code: 'damaged', message: expect.stringContaining(`${half}" is lost`) };
    await expect(again.begin(pointId(2))).rejects.toMatchObject(damaged);
    await expect(again.read(pointId(1))).rejects.toMatchObject(damaged);
  }
  // Killed while it was made: nothing needs it yet.
  const [path, user] = [await aPath(), await userKey()];
  const into = await openSealing(path, { settings: { recipients: [user.recipient] } });
  await into.begin(pointId(1));
  await rm(join(path, 'store-key.age'));
  await storeSecrets(await openSealing(path, { settings: { recipients: [user.recipient] } }), 2);
  const reading = await openSealing(path, { identityFile: user.file });
  expect(await reading.read(pointId(2))).toMatchObject({ id: pointId(2) });
});

it('refuses halves that do not belong together', async () => {
  const [one, two, user] = [await aPath(), await aPath(), await userKey()];
  const opening = { settings: { recipients: [user.recipient] }, identityFile: user.file };
  for (const path of [one, two]) await storeSecrets(await openSealing(path, opening), 1);
  await writeFile(join(one, 'store-key.json'), await readFile(join(two, 'store-key.json')));
  const reading = await openSealing(one, opening);
  await expect(reading.read(pointId(1))).rejects.toMatchObject({ code: 'damaged' });
  await writeFile(join(one, 'store-key.json'), '{"format":1}');
  await expect((await openSealing(one, opening)).read(pointId(1))).rejects.toMatchObject({ code: 'damaged' });
});
