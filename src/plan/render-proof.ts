import type { Proof } from '../model/run.js';
import { plural } from './text.js';

/** `Proved: 31 facts, 4 files, 1 volume`, and a line for each difference. */
export function renderProof({ facts, files, volumes, differences, defaults }: Proof): string[] {
  const counts = [
    facts === null ? 'facts not recorded' : plural(facts, 'fact'),
    plural(files, 'file'),
    ...(volumes === 0 ? [] : [plural(volumes, 'volume')]),
  ];
  return [
    `Proved: ${counts.join(', ')}`,
    ...differences.map(({ change }) => `Not equal: ${change}`),
    ...defaults.map((change) => `Another default of the engine: ${change}`),
  ];
}
