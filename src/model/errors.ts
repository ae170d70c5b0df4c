/**
 * What can go wrong, as one typed error. The command line alone turns codes into exit codes.
 */

export type ErrorCode =
  | 'usage' // a wrong argument, or a question that nobody can answer here
  | 'config-invalid' // rollback.yaml, x-rollback or a label does not make sense
  | 'engine-unreachable' // no container engine answers
  | 'engine-not-supported' // an engine answers, and knows no API version that we do
  | 'provider-failed' // the compose program refused or failed
  | 'project-not-found' // no compose project here
  | 'blocked' // the plan has blockers; nothing was touched
  | 'stale' // the project changed since the plan was made; nothing was touched
  | 'declined' // the user said no
  | 'no-such-point'
  | 'no-such-run'
  | 'locked' // another run holds the project
  | 'damaged' // stored bytes are not what was recorded
  | 'cannot-decrypt'
  | 'unsafe' // a path or name from outside that would leave its place
  | 'not-supported' // a declared capability that is not there
  | 'failed'
  | 'returned' // failed, and the earlier state is back
  | 'not-returned' // failed, and the earlier state is not back
  | 'interrupted'; // the user stopped it, and the earlier state is back

export interface ErrorOptions {
  /** What the user can do about it: one sentence. */
  hint?: string;
  /** Further lines worth reading: all blockers, the provider's last words. */
  details?: string[];
  /** Ids of the points and runs it is about, for the audit trail. */
  subjects?: string[];
  cause?: unknown;
}

export class RollbackError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: string[];
  readonly subjects: string[];

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RollbackError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? [];
    this.subjects = options.subjects ?? [];
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
