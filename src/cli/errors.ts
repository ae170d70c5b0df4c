import { inspect } from 'node:util';
import { messageOf, RollbackError, type MovePlan, type Plan } from '../index.js';
import type { Output } from './output.js';
import { indented, printable, printableLines } from './text.js';

/** What a person, or a program, is told when something went wrong. */

export interface ErrorDocument {
  error: { code: string; message: string; details: string[]; hint: string | null };
  /** Of a dry run that is blocked. */
  plan?: Plan | MovePlan;
}

/** A dry run that is blocked: its plan is the answer. Printed for a person, it has named the blockers; they are not repeated. */
export class BlockedRehearsal extends RollbackError {
  constructor(
    blocked: RollbackError,
    readonly plan: Plan | MovePlan,
    options: { detailed: boolean },
  ) {
    super('blocked', blocked.message, {
      details: options.detailed ? blocked.details : [],
      cause: blocked.cause,
    });
  }
}

export function errorDocument(error: unknown): ErrorDocument {
  if (!(error instanceof RollbackError)) {
    const [message = '', ...details] = messageOf(error).split('\n');
    return { error: { code: 'bug', message, details, hint: BUG_HINT } };
  }
  const { code, message, details, hint } = error;
  return {
    error: { code, message, details, hint: hint ?? null },
    ...(error instanceof BlockedRehearsal ? { plan: error.plan } : {}),
  };
}

const BUG_HINT = 'this is a bug: please report it with the output of --verbose';

/** One clear line, the details below it, then what to do. The stack is for `--verbose` alone. */
export function reportError(output: Output, error: unknown, { verbose }: { verbose: boolean }): void {
  const { message, details, hint } = errorDocument(error).error;
  const label = output.noteStyle('red', 'compose-rollback:');
  output.complain(`${label} ${printable(message)}`);
  output.complain(...indented(details.flatMap(printableLines)));
  if (hint !== null) output.complain(`${output.noteStyle('dim', 'hint:')} ${printable(hint)}`);
  const deeper = error instanceof RollbackError ? error.cause : error;
  if (verbose && deeper !== undefined) output.complain(...indented(printableLines(inspect(deeper)), '  | '));
}
