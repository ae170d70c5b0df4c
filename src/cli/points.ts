import { aged, isInFuture, plural, type Point, type PointLine, type PointSummary } from '../index.js';
import { printable, utc } from './text.js';

/** Points as a person reads them in lists. */

export interface BlockOptions {
  number: number;
  bold: (text: string) => string;
  /** UTC. */
  now: string;
  /** What it takes on the disk. */
  size?: string | undefined;
}

export function pointBlock(point: PointLine, { number, bold, now, size }: BlockOptions): string[] {
  const margin = ' '.repeat(String(number).length + 2);
  const facts: [string, string | undefined][] = [
    ['Description', point.description || undefined],
    ['Name', point.name ?? undefined],
    ['Created', utc(point.timestamp) + clockRemark(point, now)],
    ['Kind', point.kind === 'manual' ? undefined : point.kind],
    ['Services', point.services.join(', ') || 'none'],
    ['Failing', point.failing.join(', ') || undefined],
    ['Images', String(point.images)],
    ['Git commit', point.git_commit?.slice(0, 8)],
    ['Volumes', point.volumes > 0 ? `${point.volumes} backed up` : undefined],
    ['Size', size],
    ['Pinned', point.pinned ? 'yes' : undefined],
  ];
  return [
    `${number}. ${bold(`[${point.id}]`)}`,
    ...facts.flatMap(([label, value]) =>
      value === undefined ? [] : [`${margin}${label}: ${printable(value)}`],
    ),
  ];
}

/** The order of points is not the clock's, so that a wrong time only has to be named. */
const clockRemark = ({ timestamp }: PointLine, now: string) =>
  isInFuture(timestamp, now) ? ' (in the future: the clock is wrong, or was then)' : '';

/** One line for a choice, at most `width` characters: `rb-a1b2c3d4e5f6  2 hours ago  4 images  Before v2.0`. */
export function pointChoice(point: PointLine, now: string, width: number): string {
  const age = aged(point.timestamp, now, 'ago');
  const failing = point.failing.length > 0 ? `[failing: ${point.failing.join(', ')}] ` : '';
  const label = printable(failing + (point.description || point.name || ''));
  const line =
    `${point.id}  ${age.padEnd(14)}  ${plural(point.images, 'image').padEnd(9)}  ${label}`.trimEnd();
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

/** What was failing when the point was made, one line a service. */
export function failingLines({ failing, containers }: Pick<Point, 'failing' | 'containers'>): string[] {
  return failing.map((service) => {
    const reason = containers[service]?.evidence?.reason ?? 'it was not well';
    return printable(`${service} is failing: ${reason}`);
  });
}

/** `rb-a1b2c3d4e5f6 (Before v2.0 deployment)`. */
export function pointLabel({ id, description }: { id: string; description: string }): string {
  return description === '' ? id : `${id} (${printable(description)})`;
}

/** What is about to be deleted, one line a point. */
export function goingLine(point: PointSummary, now: string): string {
  const kind = point.kind === 'manual' ? '' : `  [${point.kind}]`;
  const text = `${point.id}  ${aged(point.timestamp, now, 'old')}${kind}  ${printable(point.description)}`;
  return `  ${text.trimEnd()}`;
}
