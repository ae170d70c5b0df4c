import type { Difference } from '../index.js';
import { columns, printable } from './text.js';

export function differenceLines(differences: readonly Difference[]): string[] {
  return columns(
    differences.map(({ what, name, change }) => [`  ${what}`, printable(name), printable(change)]),
  );
}
