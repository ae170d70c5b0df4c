import { link, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import { assertSpace } from '../../src/store/space.js';
import { Store } from '../../src/store/store.js';
import { makePoint, temporaryDirectory, writePoint } from '../support/store.js';

test('bytes that points share are told apart from their own, and counted once in all', async () => {
  const store = await Store.open(join(await temporaryDirectory(), 'backups'), { create: true });
  const same = { 'same.txt': 'x'.repeat(5000) };
  const ids = [1, 2, 3].map((number) => makePoint(number).id);
  for (const [at, id] of ids.entries()) {
    await writePoint(
      await store.begin(id),
      makePoint(at + 1),
      at < 2 ? { ...same, own: 'y'.repeat(100 + at) } : { own: 'z' },
    );
    await store.tidy();
  }
  // A link to somewhere else is no point's.
  await link(join(store.pointDir(ids[2] ?? ''), 'configs/own'), join(store.path, 'linked'));
  await writeFile(join(store.path, 'rb-aaaaaaaaaaaa'), 'no directory');

  const usage = await store.usage(ids);
  const [one, two, three] = ids.map((id) => usage.points[id] ?? { own: 0, shared: 0 });
  expect(one?.shared).toBeGreaterThanOrEqual(5000);
  expect(two?.shared).toBe(one?.shared);
  expect((two?.own ?? 0) - (one?.own ?? 0)).toBe(1);
  expect(usage.total).toBe((one?.own ?? 0) + (two?.own ?? 0) + (three?.own ?? 0) + (one?.shared ?? 0));
  expect((await store.usage([ids[0] ?? ''])).total).toBe((one?.own ?? 0) + (one?.shared ?? 0));
  store.close();
});

test('what does not fit is refused with both numbers', async () => {
  const directory = await temporaryDirectory();
  await assertSpace(directory, 1000, 'it');
  const refused = assertSpace(directory, 2 ** 52, 'the archives').catch((error: unknown) => error);
  expect(await refused).toBeInstanceOf(RollbackError);
  expect(await refused).toMatchObject({
    code: 'failed',
    message: expect.stringMatching(
      /no space for the archives in ".*": \d+ MB needed, \d+ MB free; nothing was stored/,
    ),
  });
});
