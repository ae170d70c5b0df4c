import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/model/config.js';
import { POINT_KINDS, type PointKind } from '../../src/model/names.js';
import type { PointSummary } from '../../src/model/point.js';
import { selectOld, selectSurplus } from '../../src/points/retention.js';
import { makeSummary, pointId } from '../support/store.js';

/** Points by number, the higher the newer. */
const point = (number: number, kind: PointKind, pinned = false): PointSummary => ({
  ...makeSummary(number),
  kind,
  pinned,
  timestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, number)).toISOString(),
});
const numbers = (points: PointSummary[]) => points.map(({ id }) => Number.parseInt(id.slice(3), 16));
const none = new Set<string>();

const NO_POINTS = {
  max_rollback_points: 0,
  max_deploy_points: 0,
  max_guard_points: 0,
  max_heal_points: 0,
  max_safety_points: 0,
};
type Quotas = typeof NO_POINTS;

const surplus = (points: PointSummary[], quotas: Quotas, needed: ReadonlySet<string> = none) =>
  selectSurplus(points, (setting) => quotas[setting], needed);

const mixed = [
  point(4, 'safety'),
  point(1, 'manual'),
  point(6, 'safety'),
  point(2, 'deploy'),
  point(3, 'manual', true),
  point(5, 'safety'),
  point(7, 'manual'),
];

describe('retention', () => {
  it('removes the oldest points beyond the quota of their kind; pinned points do not count', () => {
    const one = { ...NO_POINTS, max_rollback_points: 1, max_deploy_points: 1, max_safety_points: 1 };
    expect(numbers(surplus(mixed, one))).toEqual([1, 4, 5]);
    expect(numbers(surplus(mixed, { ...one, max_safety_points: 2 }))).toEqual([1, 4]);
    expect(numbers(surplus(mixed, { ...one, max_rollback_points: 2 }))).toEqual([4, 5]);
    expect(numbers(surplus(mixed, NO_POINTS))).toEqual([1, 2, 4, 5, 6, 7]);
  });

  it.each<[PointKind, number[]]>([
    ['manual', [1, 2]],
    ['migration', [1, 2]],
    ['deploy', [1, 2, 3, 4, 5, 6, 7]],
    ['guard', [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['heal', [1, 2, 3, 4, 5, 6, 7]],
    ['safety', [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ])('removes of twelve %s points by default %j', (kind, expected) => {
    const points = Array.from({ length: 12 }, (_, index) => point(index + 1, kind));
    expect(numbers(surplus(points, configSchema.parse({})))).toEqual(expected);
  });

  it('counts migration points together with manual points', () => {
    const points = [point(1, 'migration'), point(2, 'manual'), point(3, 'migration'), point(4, 'manual')];
    expect(numbers(surplus(points, { ...NO_POINTS, max_rollback_points: 2 }))).toEqual([1, 2]);
  });

  it('keeps the needed points, which count like the others', () => {
    const quotas = { ...NO_POINTS, max_rollback_points: 1, max_deploy_points: 1, max_safety_points: 1 };
    expect(numbers(surplus(mixed, quotas, new Set([pointId(1), pointId(6)])))).toEqual([4, 5]);
  });
});

describe('clean-up', () => {
  it('removes the points beyond the newest, counted by kind', () => {
    expect(numbers(selectOld(mixed, { keepLast: 1 }, none))).toEqual([1, 4, 5]);
    expect(numbers(selectOld(mixed, { keepLast: 0 }, none))).toEqual([1, 2, 4, 5, 6, 7]);
  });

  it('removes older points, and with both limits only the points beyond both', () => {
    const olderThan = '2026-01-01T00:00:05.000Z';
    expect(numbers(selectOld(mixed, { olderThan }, none))).toEqual([1, 2, 4]);
    expect(numbers(selectOld(mixed, { olderThan, keepLast: 1 }, none))).toEqual([1, 4]);
  });

  it('keeps the needed points', () => {
    expect(numbers(selectOld(mixed, { keepLast: 0 }, new Set([pointId(1), pointId(6)])))).toEqual([
      2, 4, 5, 7,
    ]);
  });
});

describe('whatever points there are', () => {
  const SETTINGS: Record<PointKind, keyof Quotas> = {
    manual: 'max_rollback_points',
    migration: 'max_rollback_points',
    deploy: 'max_deploy_points',
    guard: 'max_guard_points',
    heal: 'max_heal_points',
    safety: 'max_safety_points',
  };
  const facts = fc.record({
    kind: fc.constantFrom(...POINT_KINDS),
    pinned: fc.boolean(),
    isNeeded: fc.boolean(),
    /** Whatever the clock said. */
    time: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') }),
  });
  /** Points by number, in any order, and the ids of those that are needed. */
  const stores = fc.array(facts, { maxLength: 40 }).chain((all) => {
    const points = all.map(({ kind, pinned, time }, number) => ({
      ...point(number, kind, pinned),
      timestamp: time.toISOString(),
    }));
    const needed = new Set(all.flatMap(({ isNeeded }, number) => (isNeeded ? [pointId(number)] : [])));
    const shuffled = fc.shuffledSubarray(points, { minLength: points.length });
    return shuffled.map((inAnyOrder) => ({ points: inAnyOrder, needed }));
  });
  const quota = fc.integer({ min: 0, max: 8 });
  const quotas = fc.record({
    max_rollback_points: quota,
    max_deploy_points: quota,
    max_guard_points: quota,
    max_heal_points: quota,
    max_safety_points: quota,
  });

  it('a point is removed exactly when it may go and enough newer points of its quota stay', () => {
    fc.assert(
      fc.property(stores, quotas, ({ points, needed }, limits) => {
        const removed = points.filter(({ id, kind, pinned, sequence }) => {
          const newer = points.filter(
            (other) => SETTINGS[other.kind] === SETTINGS[kind] && !other.pinned && other.sequence > sequence,
          );
          return !pinned && !needed.has(id) && newer.length >= limits[SETTINGS[kind]];
        });
        const oldestFirst = numbers(removed).toSorted((a, b) => a - b);
        expect(numbers(surplus(points, limits, needed))).toEqual(oldestFirst);
      }),
    );
  });

  it('a second retention removes nothing', () => {
    fc.assert(
      fc.property(stores, quotas, ({ points, needed }, limits) => {
        const removed = new Set(surplus(points, limits, needed));
        const rest = points.filter((one) => !removed.has(one));
        expect(surplus(rest, limits, needed)).toEqual([]);
      }),
    );
  });

  it('points of one quota change nothing for those of another', () => {
    fc.assert(
      fc.property(stores, quotas, fc.constantFrom(...POINT_KINDS), ({ points, needed }, limits, kind) => {
        const isAlike = (one: PointSummary) => SETTINGS[one.kind] === SETTINGS[kind];
        const alone = surplus(points.filter(isAlike), limits, needed);
        expect(surplus(points, limits, needed).filter(isAlike)).toEqual(alone);
      }),
    );
  });
});
