import type { NotCovered, Plan, PlanOptions } from '../model/plan.js';
import type { Point } from '../model/point.js';
import type { Target } from './target.js';
import { plural } from './text.js';

/** What a point does not cover, and a rollback to it neither compares nor restores. */

const LINES = 10;

/** Everything that the services of a point use and that it does not hold. */
export function notCoveredBy(point: Point): NotCovered[] {
  // Data that a run replaced is added to its safety point later.
  const held = new Set([...point.volume_data, ...point.replaced].map(({ name }) => name));
  const data = point.without_data.filter(({ name }) => !held.has(name));
  return [
    ...data.map(({ name, kind }) =>
      kind === 'volume'
        ? { what: `volume ${name}`, reason: 'its data was not recorded' }
        : { what: `${name}/`, reason: 'services write to it, and its data was not recorded' },
    ),
    ...point.skipped.map(({ path, reason }) => ({ what: path, reason })),
  ];
}

/** What a plan leaves as it is today, because the point lacks it or because the options say so. */
export function notCoveredByPlan(
  { point, stored }: Target,
  { volumes, configOnly, services }: PlanOptions,
): NotCovered[] {
  // One service taken to another image: nothing else is claimed.
  if (!stored) return [];
  const isConcerned = (users: string[]) =>
    services === undefined || users.some((user) => services.includes(user));
  const left = volumes && !configOnly ? [] : point.volume_data.filter((data) => isConcerned(data.services));
  const without_data = point.without_data.filter((data) => isConcerned(data.services));
  return [
    ...left.map(({ name }) => ({ what: name, reason: 'its data is left alone, as asked' })),
    ...notCoveredBy({ ...point, without_data }),
  ];
}

/** One line each, at most ten. */
export function notCoveredLines(left: readonly NotCovered[]): string[] {
  const shown = left.length > LINES ? left.slice(0, LINES - 1) : left;
  const more = left.length - shown.length;
  return [
    ...shown.map(({ what, reason }) => `${what}: ${reason}`),
    ...(more > 0 ? [`and ${plural(more, 'more thing')}`] : []),
  ];
}

/** What a plan without operations found equal, as the subject of a sentence. */
export function equalPart({ risks }: Plan): string {
  const isEqual = risks.every(({ code }) => code === 'point-failing');
  return isEqual ? 'everything that was compared is' : 'what can be brought back is';
}
