import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PointKind } from '../../src/model/names.js';
import { findPoint } from '../../src/points/find.js';
import { Store } from '../../src/store/store.js';
import { makeSummary, pointId, temporaryDirectory } from '../support/store.js';

/** A store with a point of each of these kinds, oldest first: their ids end in 1, 2, 3. */
async function storeWith(...kinds: PointKind[]): Promise<Store> {
  const store = await Store.open(join(await temporaryDirectory(), 'backups'), { create: true });
  const index = await store.writeIndex();
  index.insertPoint(makeSummary(99, { project: 'other' }));
  for (const [place, kind] of kinds.entries()) {
    index.insertPoint(makeSummary(place + 1, { kind, name: `${kind}-${place + 1}` }));
  }
  return store;
}

it('latest means the newest manual or deploy point, latest~N those before it', async () => {
  const store = await storeWith(
    'manual',
    'safety',
    'deploy',
    'manual',
    'migration',
    'guard',
    'heal',
    'safety',
  );
  expect((await findPoint(store, 'shop', 'latest')).id).toBe(pointId(4));
  expect((await findPoint(store, 'shop', 'latest~1')).id).toBe(pointId(3));
  expect((await findPoint(store, 'shop', 'latest~2')).id).toBe(pointId(1));
  await expect(findPoint(store, 'shop', 'latest~3')).rejects.toMatchObject({
    code: 'no-such-point',
    message: 'project shop has too few manual or deploy points for latest~3',
  });
});

it('latest is no point when there are only points of other kinds', async () => {
  const store = await storeWith('migration', 'safety', 'guard', 'heal');
  await expect(findPoint(store, 'shop', 'latest')).rejects.toMatchObject({
    code: 'no-such-point',
    message: 'project shop has no manual or deploy points',
  });
});

it.each(['manual', 'deploy', 'guard', 'heal', 'safety', 'migration'] as const)(
  'a point of kind %s is found by its id, a unique prefix and its name',
  async (kind) => {
    const store = await storeWith(kind);
    for (const text of [pointId(1), 'rb-', `${kind}-1`]) {
      expect(await findPoint(store, 'shop', text)).toMatchObject({ id: pointId(1), kind });
    }
  },
);
