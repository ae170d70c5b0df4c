import { expect, test } from 'vitest';
import { isAtLeast, isSameRelease } from '../../src/model/versions.js';

test.each([
  ['1.0.3', '1.0.6', false],
  ['1.0.6', '1.0.6', true],
  ['1.10.0', '1.3', true],
  ['2', '1.3', true],
  ['20.10.24+dfsg1', '20.10', true],
  ['2.29.2-1', '2.29.3', false],
  ['v2.29.3', '2.29.3', true],
  ['2.24.6+ds1-0ubuntu2', '2.24.6', true],
  ['', '1.3', false],
])('%s is at least %s: %s', (version, wanted, expected) => {
  expect(isAtLeast(version, wanted)).toBe(expected);
});

test.each([
  ['2.26.1', '2.26.1', true],
  // Debian, Ubuntu, Docker Desktop and a release candidate, each with what compose writes on its containers.
  ['2.26.1-4', '2.26.1', true],
  ['2.40.3-3', '2.40.3', true],
  ['2.24.6+ds1-0ubuntu2', '2.24.6', true],
  ['2.24.6+ds1-0ubuntu1~22.04.1', '2.24.6', true],
  ['v2.24.6-desktop.1', '2.24.6', true],
  ['5.0.0-rc.2', '5.0.0', true],
  ['1.29.2', '1.29.2', true],
  ['2.26.1', '2.26.10', false],
  ['2.26.1-4', '2.26.14', false],
  ['2.40.3-3', '2.40.4', false],
  ['2.40.3', '3.40.3', false],
  ['2.26.1', '', false],
  ['', '', false],
  ['dev', 'dev', false],
  [null, null, false],
  [undefined, '2.26.1', false],
])('%s and %s are of the same release: %s', (one, other, expected) => {
  expect(isSameRelease(one, other)).toBe(expected);
  expect(isSameRelease(other, one)).toBe(expected);
});
