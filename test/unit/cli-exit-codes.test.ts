import { expect, it } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.js';
import type { ErrorCode } from '../../src/index.js';

/** As DESIGN section 5 has them: scripts rely on these numbers. */
const DOCUMENTED = {
  failed: 1,
  damaged: 1,
  'engine-unreachable': 1,
  'engine-not-supported': 1,
  'provider-failed': 1,
  usage: 2,
  'config-invalid': 2,
  'project-not-found': 2,
  unsafe: 2,
  'not-supported': 2,
  blocked: 3,
  stale: 3,
  declined: 4,
  'no-such-point': 10,
  'no-such-run': 10,
  locked: 11,
  'cannot-decrypt': 12,
  returned: 20,
  'not-returned': 21,
  interrupted: 130,
} satisfies Record<ErrorCode, number>;

it('every error ends with its documented code', () => {
  const codes = Object.keys(DOCUMENTED).filter((code): code is ErrorCode => code in DOCUMENTED);
  expect(Object.fromEntries(codes.map((code) => [code, exitCodeOf(code)]))).toEqual(DOCUMENTED);
});
