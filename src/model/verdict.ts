/** The outcome of a check. Never a bare boolean: not knowing is an answer of its own. */
export interface Verdict {
  status: 'pass' | 'fail' | 'inconclusive';
  /** One line a person can act on, e.g. "GET /health answered 503 for 30 s". */
  reason: string;
}

export const pass = (reason: string): Verdict => ({ status: 'pass', reason });
export const fail = (reason: string): Verdict => ({ status: 'fail', reason });
export const inconclusive = (reason: string): Verdict => ({ status: 'inconclusive', reason });

/** The worst of several: fail before inconclusive before pass. An empty list is inconclusive. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  return (
    verdicts.find((verdict) => verdict.status === 'fail') ??
    verdicts.find((verdict) => verdict.status === 'inconclusive') ??
    verdicts[0] ??
    inconclusive('nothing was checked')
  );
}
