import type { ExecOptions, ExecResult } from '../engine/engine.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import type { HandlerContext } from './handler.js';

/** What came of a command in a container: it ended, its program is not there, or it did not get to an end. */
export type ExecOutcome =
  | ({ kind: 'ended' } & ExecResult)
  | { kind: 'missing' }
  /** Took too long, or the container went away meanwhile: the engine's words. */
  | { kind: 'broken'; reason: string };

// What runc and shells answer for a program that cannot be executed or found.
const CANNOT_EXECUTE = new Set([126, 127]);
const NOT_FOUND = /executable file not found|no such file or directory/i;

/** Runs a command in a container. Throws only when the engine itself does not answer, or the signal is aborted. */
export async function execIn(
  context: HandlerContext,
  container: Container,
  argv: string[],
  options: Omit<ExecOptions, 'signal'> = {},
): Promise<ExecOutcome> {
  try {
    const result = await context.engine.exec(container.id, argv, { ...options, signal: context.signal });
    return CANNOT_EXECUTE.has(result.exitCode) ? { kind: 'missing' } : { kind: 'ended', ...result };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof RollbackError) || error.code !== 'failed') throw error;
    return NOT_FOUND.test(error.message) ? { kind: 'missing' } : { kind: 'broken', reason: error.message };
  }
}
