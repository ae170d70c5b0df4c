import type { PointSummary } from '../model/point.js';

export interface Retention {
  /** Points kept, safety points not counted. */
  points: number;
  /** Safety points kept. */
  safety: number;
}

/**
 * The points that are one too many, oldest first. Pinned points stay and do not count; those in `needed` count like the others, and stay
 * whatever their age. `points` may come in any order.
 */
export function surplus(
  points: PointSummary[],
  retention: Retention,
  needed: ReadonlySet<string>,
): PointSummary[] {
  const free = newestFirst(points.filter(({ pinned }) => !pinned));
  const safety = free.filter(isSafety).slice(retention.safety);
  const others = free.filter((point) => !isSafety(point)).slice(retention.points);
  return newestFirst([...safety, ...others].filter(({ id }) => !needed.has(id))).toReversed();
}

/**
 * The points that a person asked to clear away: beyond the newest `keepLast`, older than `olderThan` (UTC), or both. Safety points are
 * counted apart here too: each rollback makes one, and they would crowd out the points that were made on purpose.
 */
export function selectOld(
  points: PointSummary[],
  { keepLast = 0, olderThan }: { keepLast?: number | undefined; olderThan?: string | undefined },
  needed: ReadonlySet<string>,
): PointSummary[] {
  return surplus(points, { points: keepLast, safety: keepLast }, needed).filter(
    ({ timestamp }) => olderThan === undefined || timestamp < olderThan,
  );
}

const isSafety = ({ kind }: PointSummary): boolean => kind === 'safety';

function newestFirst(points: PointSummary[]): PointSummary[] {
  return points.toSorted((a, b) => b.timestamp.localeCompare(a.timestamp));
}
