import { beforeAll, expect, test } from 'vitest';
import { ALL_KEYS, isExcluded } from './keys.js';
import { MAY_BLOCK, MAY_REPORT } from './facets.js';
import { buildImages } from './images.js';
import { generateCase, type Case } from './model.js';
import { runCase, type Outcome } from './run-case.js';

/**
 * Random projects are recorded, changed and rolled back. Afterwards an inspection of our own says that the recorded state runs again, or the
 * rollback refused before it touched anything. `PROPERTY_CASES` are tried from number `PROPERTY_FIRST` on, chosen by `PROPERTY_SEED`.
 */

const CASES = Number(process.env['PROPERTY_CASES'] ?? 6);
const SEED = Number(process.env['PROPERTY_SEED'] ?? 1);
const FIRST = Number(process.env['PROPERTY_FIRST'] ?? 0);
const WORKERS = Number(process.env['PROPERTY_WORKERS'] ?? 2);

beforeAll(buildImages);

test(
  `${CASES} cases of seed ${SEED}: rolled back and equal, or refused`,
  { timeout: CASES * 60_000 },
  async () => {
    const outcomes: { one: Case; outcome: Outcome; seconds: number }[] = [];
    let next = FIRST;
    const work = async () => {
      while (next < FIRST + CASES) {
        const one = generateCase(SEED, next);
        next += 1;
        const start = performance.now();
        const outcome = await runCase(one);
        outcomes.push({ one, outcome, seconds: (performance.now() - start) / 1000 });
        if (isBad(one, outcome)) console.log(describe(one, outcome));
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
    report(outcomes);

    const bad = outcomes.filter(({ one, outcome }) => isBad(one, outcome));
    expect(bad.map(({ one, outcome }) => describe(one, outcome))).toEqual([]);
    const blocked = outcomes.filter(({ outcome }) => outcome.verdict === 'blocked').length;
    expect(blocked / CASES).toBeLessThanOrEqual(CASES < 100 ? 1 : 0.05);
  },
);

function isBad(one: Case, { verdict }: Outcome): boolean {
  if (verdict === 'reported') return !one.changes.some(({ facet }) => facet.name in MAY_REPORT);
  if (verdict === 'blocked') return !one.changes.some(({ facet }) => facet.name in MAY_BLOCK);
  return verdict !== 'equal' && verdict !== 'named';
}

function describe(one: Case, { verdict, why }: Outcome): string {
  const changes = one.changes.map(({ facet, from, to }) => `${facet.name} ${from}->${to}`);
  const what = [...(one.hand === undefined ? [] : [one.hand]), ...changes].join(', ');
  return `${verdict} case ${one.number} of seed ${one.seed}: ${one.story}: ${what}\n  ${why.join('\n  ')}`;
}

function report(outcomes: { one: Case; outcome: Outcome; seconds: number }[]): void {
  const verdicts = [...new Set(outcomes.map(({ outcome }) => outcome.verdict))];
  const count = (verdict: string) => outcomes.filter(({ outcome }) => outcome.verdict === verdict).length;
  const counts = verdicts.map((verdict) => `${count(verdict)} ${verdict}`);
  const changed = new Set(outcomes.flatMap(({ one }) => one.keys));
  const possible = ALL_KEYS.filter((key) => !isExcluded(key));
  const missed = possible.filter((key) => !changed.has(key));
  const seconds = outcomes.map((one) => one.seconds).toSorted((a, b) => a - b);
  console.log(
    [
      `seed ${SEED}, cases ${FIRST} to ${FIRST + CASES - 1}: ${counts.join(', ')}`,
      `median ${seconds[Math.floor(seconds.length / 2)]?.toFixed(1)} s a case, longest ${seconds.at(-1)?.toFixed(1)} s`,
      `changed ${changed.size} of ${possible.length} keys; ${ALL_KEYS.length - possible.length} excluded`,
      ...(missed.length === 0 ? [] : [`not changed: ${missed.join(' ')}`]),
    ].join('\n'),
  );
}
