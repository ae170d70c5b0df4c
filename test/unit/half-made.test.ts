import { expect, test } from 'vitest';
import { isHalfMade } from '../../src/model/half-made.js';
import { aContainer } from '../support/planning.js';

/** Names as compose 2.26 gives them, interrupted once, and once more. */
const id = (start: string) => start.padEnd(64, '0');
const old = aContainer('app', 1, { id: id('33f733c6e578'), name: 'shop-app-1' });
const left = aContainer('app', 1, {
  id: id('8f1c72209298'),
  name: '33f733c6e578_shop-app-1',
  state: 'created',
});
const again = aContainer('app', 1, { id: id('aa'), name: '8f1c72209298_shop-app-1', state: 'created' });

test.each([
  ['beside the one that it was to replace', [old, left], [left]],
  ['beside one that was left like it', [left, again], [again]],
  ['alone: it is all there is', [left], []],
  ['that runs: it is the one in use', [old, { ...left, state: 'running' as const }], []],
  ['never', [old, aContainer('app', 2, { id: id('bb'), name: 'shop-app-2', state: 'created' })], []],
])('half made is one %s', (_, containers, expected) => {
  expect(containers.filter((one) => isHalfMade(one, containers))).toEqual(expected);
});
