import { expect, it } from 'vitest';
import type { PointKind } from '../../src/model/names.js';
import type { PointSummary } from '../../src/model/point.js';
import { selectOld, surplus } from '../../src/points/retention.js';
import { makeSummary, pointId } from '../support/store.js';

/** Points by number, the higher the newer. */
const point = (number: number, kind: PointKind, pinned = false): PointSummary => ({
  ...makeSummary(number),
  kind,
  pinned,
  timestamp: `2026-01-01T00:00:${String(number).padStart(2, '0')}.000Z`,
});
const numbers = (points: PointSummary[]) => points.map(({ id }) => Number.parseInt(id.slice(3), 16));
const none = new Set<string>();

const mixed = [
  point(4, 'safety'),
  point(1, 'manual'),
  point(6, 'safety'),
  point(2, 'deploy'),
  point(3, 'manual', true),
  point(5, 'safety'),
];

it('keeps so many points and so many safety points, oldest gone first; pinned ones do not count', () => {
  expect(numbers(surplus(mixed, { points: 1, safety: 2 }, none))).toEqual([1, 4]);
  expect(numbers(surplus(mixed, { points: 0, safety: 0 }, none))).toEqual([1, 2, 4, 5, 6]);
  expect(numbers(surplus(mixed, { points: 3, safety: 3 }, none))).toEqual([]);
});

it('leaves what is needed, which counts like the others', () => {
  const needed = new Set([pointId(1), pointId(6)]);
  expect(numbers(surplus(mixed, { points: 1, safety: 1 }, needed))).toEqual([4, 5]);
  expect(numbers(selectOld(mixed, { keepLast: 0 }, needed))).toEqual([2, 4, 5]);
});

it('clears away beyond the newest, safety points counted apart: newer ones do not crowd out the others', () => {
  expect(numbers(selectOld(mixed, { keepLast: 1 }, none))).toEqual([1, 4, 5]);
  expect(numbers(selectOld(mixed, { keepLast: 0 }, none))).toEqual([1, 2, 4, 5, 6]);
});

it('clears away what is older, with both limits only what is beyond both', () => {
  const olderThan = '2026-01-01T00:00:05.000Z';
  expect(numbers(selectOld(mixed, { olderThan }, none))).toEqual([1, 2, 4]);
  expect(numbers(selectOld(mixed, { olderThan, keepLast: 1 }, none))).toEqual([1, 4]);
});
