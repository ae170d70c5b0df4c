import type { Replacement } from '../model/plan.js';

/** Words for plans: the one place where times and sizes become text. */

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** `2 hours`, `3 days`, `40 seconds`. Never negative: clocks of two machines differ. */
export function ageOf(then: string, now: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(then)) / 1000));
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return plural(Math.floor(seconds / length), unit);
  }
  return plural(seconds, 'second');
}

/** Clocks of two machines may differ by so much without anything being wrong. */
const CLOCK_TOLERANCE_MS = 60_000;

/** True for a time that a wrong clock gave: that of then, or that of now. */
export function isInFuture(then: string, now: string): boolean {
  return Date.parse(then) - Date.parse(now) > CLOCK_TOLERANCE_MS;
}

/** `2 hours old` or `2 hours ago`. A time in the future has no age. */
export function aged(then: string, now: string, word: 'ago' | 'old'): string {
  return isInFuture(then, now) ? 'dated in the future' : `${ageOf(then, now)} ${word}`;
}

/** `run-… (rollback to rb-…) was killed halfway`. */
export function killedWords({ id, kind, target }: { id: string; kind: string; target: string }): string {
  return `${id} (${kind} to ${target}) was killed halfway`;
}

/** `1 file`, `2 files`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `512 B`, `12.3 kB`, `1.5 GB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** `2025-11-05 17:30:00 UTC` of an RFC 3339 time; any other text as it is. */
export function utc(timestamp: string): string {
  const time = new Date(timestamp);
  if (Number.isNaN(time.getTime())) return timestamp;
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const MAX_SHOWN = 8;

/** `the next docker compose up replaces web, because its files say otherwise: restart is always, the files say no`. */
export function describeReplacement(service: string, replacements: readonly Replacement[]): string {
  return `the next docker compose up replaces ${service}, because its files say otherwise${listReplacements(replacements)}`;
}

/** Begins with a colon; empty when nothing is known. */
export function listReplacements(replacements: readonly Replacement[]): string {
  const shown = replacements.slice(0, MAX_SHOWN).map(({ key, change }) => `${key} ${change}`.trim());
  const more = replacements.length - shown.length;
  if (shown.length === 0) return '';
  return `: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
