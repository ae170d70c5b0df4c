import { expect, test } from 'vitest';
import { FACETS } from '../property/facets.js';
import { ALL_KEYS, changedKeys, EXCLUDED, isExcluded } from '../property/keys.js';
import { assemble, generateCase } from '../property/model.js';

/** Tables of the property on an engine: what they have to hold to be worth running. */

/** Keys that differ between any two forms of a facet. */
function keysOfAllFacets(): Set<string> {
  const changed = FACETS.flatMap(({ values }) => {
    const files = values.map((value) => assemble([value]).file);
    return files.flatMap((before) => files.flatMap((after) => changedKeys(before, after)));
  });
  return new Set(changed);
}

test('every key of compose is changed by a facet, or excluded with a reason', () => {
  const changed = keysOfAllFacets();
  expect(ALL_KEYS.length).toBe(328);
  expect(ALL_KEYS.filter((key) => !changed.has(key) && !isExcluded(key))).toEqual([]);
  expect(Object.keys(EXCLUDED).filter((key) => !ALL_KEYS.includes(key) || changed.has(key))).toEqual([]);
});

test('300 cases change every one of those keys', () => {
  const cases = Array.from({ length: 300 }, (_, number) => generateCase(1, number));
  const changed = new Set(cases.flatMap((one) => one.keys));
  expect(ALL_KEYS.filter((key) => !changed.has(key) && !isExcluded(key))).toEqual([]);
});

test('a seed and a number are always the same case', () => {
  expect(generateCase(7, 123)).toEqual(generateCase(7, 123));
  expect(generateCase(7, 123).before).not.toEqual(generateCase(8, 123).before);
});
