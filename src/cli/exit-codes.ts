import type { ErrorCode } from '../index.js';

/** Exit codes: the one place that knows them. Scripts rely on them; they are documented in the README. */

export const DONE = 0;
/** `verify` found damage, or a service failed in its drill. */
export const DAMAGED = 1;
/** `migrate diagnose` found something, or `migrate recover` could not mend it. */
export const TROUBLE = 1;
/** `diff --exit-code`: something differs. */
export const DIFFERENT = 1;
/** `--dry-run --detailed-exitcode`: the rollback would change something. */
export const CHANGES = 5;
/** Rolled back and healthy, and not equal in every recorded fact. */
export const NOT_EQUAL = 23;
export const INTERRUPTED = 130;

const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  failed: 1,
  damaged: DAMAGED,
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
  interrupted: INTERRUPTED,
};

export const exitCodeOf = (code: ErrorCode): number => EXIT_CODES[code];
