import type { Config } from '../model/config.js';
import type { PointKind } from '../model/names.js';
import type { PointSummary } from '../model/point.js';

/**
 * The setting that limits each kind of point. Kinds with the same setting are counted together: a person asks for manual points and for
 * migration points, and the latter do not count before they are unpinned.
 */
const QUOTA_SETTINGS = {
  manual: 'max_rollback_points',
  migration: 'max_rollback_points',
  deploy: 'max_deploy_points',
  guard: 'max_guard_points',
  heal: 'max_heal_points',
  safety: 'max_safety_points',
} as const satisfies Record<PointKind, keyof Config>;

type QuotaSetting = (typeof QUOTA_SETTINGS)[PointKind];

/**
 * The points beyond the quota of their kind, oldest first. Pinned points stay and do not count; those in `needed` count like the others, and
 * stay whatever their age. `points` may come in any order.
 */
export function selectSurplus(
  points: PointSummary[],
  quotaOf: (setting: QuotaSetting) => number,
  needed: ReadonlySet<string>,
): PointSummary[] {
  const unpinned = newestFirst(points.filter(({ pinned }) => !pinned));
  const surplus = [...new Set(Object.values(QUOTA_SETTINGS))].flatMap((setting) =>
    unpinned.filter(({ kind }) => QUOTA_SETTINGS[kind] === setting).slice(quotaOf(setting)),
  );
  return newestFirst(surplus.filter(({ id }) => !needed.has(id))).toReversed();
}

/**
 * The points that a person asked to clean up: beyond the newest `keepLast`, older than `olderThan` (UTC), or both. Kinds are counted as for
 * retention: points that runs and deploys make do not push out those that a person made.
 */
export function selectOld(
  points: PointSummary[],
  { keepLast = 0, olderThan }: { keepLast?: number | undefined; olderThan?: string | undefined },
  needed: ReadonlySet<string>,
): PointSummary[] {
  return selectSurplus(points, () => keepLast, needed).filter(
    ({ timestamp }) => olderThan === undefined || timestamp < olderThan,
  );
}

/** The order of the index: the clock only decides among points that have no place of their own. */
function newestFirst(points: PointSummary[]): PointSummary[] {
  return points.toSorted((a, b) => b.sequence - a.sequence || b.timestamp.localeCompare(a.timestamp));
}
