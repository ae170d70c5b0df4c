import type { PointSummary } from '../model/point.js';

export interface Retention {
  /** Points kept, safety points not counted. */
  points: number;
  /** Safety points kept. */
  safety: number;
}

/**
 * The points that are one too many, oldest first. Pinned points and those in `needed` stay and do not count.
 * `points` may come in any order.
 */
export function surplus(
  points: PointSummary[],
  retention: Retention,
  needed: ReadonlySet<string>,
): PointSummary[] {
  const { safety, others } = newestFirst(points, needed);
  return oldestFirst([...others.slice(retention.points), ...safety.slice(retention.safety)]);
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
  const { safety, others } = newestFirst(points, needed);
  const beyond = oldestFirst([...others.slice(keepLast), ...safety.slice(keepLast)]);
  return beyond.filter((point) => olderThan === undefined || point.timestamp < olderThan);
}

function newestFirst(points: PointSummary[], needed: ReadonlySet<string>) {
  const free = oldestFirst(points.filter((point) => !point.pinned && !needed.has(point.id))).toReversed();
  return {
    safety: free.filter((point) => point.kind === 'safety'),
    others: free.filter((point) => point.kind !== 'safety'),
  };
}

function oldestFirst(points: PointSummary[]): PointSummary[] {
  return points.toSorted((a, b) => a.timestamp.localeCompare(b.timestamp));
}
