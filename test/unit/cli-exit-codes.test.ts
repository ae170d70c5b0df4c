import { expect, it } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.js';
import type { ErrorCode } from '../../src/index.js';

/** As DESIGN section 5 has them: scripts rely on these numbers. */
const DOCUMENTED: Record<ErrorCode, number> = {
  failed: 1,
  damaged: 1,
  'engine-unreachable': 1,
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
};

it.each(Object.entries(DOCUMENTED) as [ErrorCode, number][])('%s ends with %d', (code, expected) => {
  expect(exitCodeOf(code)).toBe(expected);
});
