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
  const free = points
    .filter((point) => !point.pinned && !needed.has(point.id))
    .toSorted((a, b) => b.timestamp.localeCompare(a.timestamp));
  const safety = free.filter((point) => point.kind === 'safety');
  const others = free.filter((point) => point.kind !== 'safety');
  return [...others.slice(retention.points), ...safety.slice(retention.safety)].toReversed();
}

/** The points that a person asked to clear away: beyond the newest `keepLast`, older than `olderThan` (UTC), or both. */
export function selectOld(
  points: PointSummary[],
  { keepLast, olderThan }: { keepLast?: number | undefined; olderThan?: string | undefined },
  needed: ReadonlySet<string>,
): PointSummary[] {
  const free = points
    .filter((point) => !point.pinned && !needed.has(point.id))
    .toSorted((a, b) => b.timestamp.localeCompare(a.timestamp));
  const beyond = free.slice(keepLast ?? 0);
  return beyond.filter((point) => olderThan === undefined || point.timestamp < olderThan).toReversed();
}
