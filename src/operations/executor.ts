import { messageOf, RollbackError } from '../model/errors.js';
import type { AnyOperation, EventSink } from '../model/events.js';
import type { Operation, OperationKind, OperationOf } from '../model/plan.js';
import type { Journal } from '../store/journal.js';

/** What an operation has to say when it is done. */
export interface Outcome {
  /** For the journal and the screen, e.g. "restarted instead". */
  note: string | null;
  /** Done, but a person should know. */
  warning: string | null;
}

export const DONE: Outcome = { note: null, warning: null };

/** How each kind of operation is done. All of them can be repeated: doing one twice is doing it once. */
export type Performers = { [K in OperationKind]: (operation: OperationOf<K>) => Promise<Outcome> };

/** An operation failed; the ones after it were not begun. */
export class OperationFailed extends RollbackError {
  constructor(
    readonly operation: AnyOperation,
    cause: unknown,
  ) {
    super(cause instanceof RollbackError ? cause.code : 'failed', messageOf(cause), {
      cause,
      ...(cause instanceof RollbackError ? { details: cause.details } : {}),
    });
  }
}

interface Execution<O extends AnyOperation> {
  operations: O[];
  phase: 'forward' | 'return' | 'target';
  perform: (operation: O) => Promise<Outcome>;
  journal: Journal;
  emit: EventSink;
  /** Looked at between operations: the one that runs is finished first. */
  signal: AbortSignal;
}

/**
 * Performs a plan's operations in order and journals each before and after. Knows no use-case.
 * Returns the warnings; throws OperationFailed, or `interrupted`.
 */
export async function execute<O extends AnyOperation>({
  operations,
  phase,
  perform,
  journal,
  emit,
  signal,
}: Execution<O>): Promise<string[]> {
  const warnings: string[] = [];
  const total = operations.length;
  for (const [step, operation] of operations.entries()) {
    if (signal.aborted) throw interrupted();
    await journal.append({ type: 'doing', at: now(), phase, step });
    emit({ type: 'operation', state: 'doing', step, total, operation });
    try {
      const { note, warning } = await perform(operation);
      await journal.append({ type: 'done', at: now(), phase, step, note });
      emit({ type: 'operation', state: 'done', step, total, operation, note });
      if (warning) {
        warnings.push(warning);
        emit({ type: 'warning', message: warning });
      }
    } catch (error) {
      await journal.append({ type: 'failed', at: now(), phase, step, error: messageOf(error) });
      emit({ type: 'operation', state: 'failed', step, total, operation, error: messageOf(error) });
      if (signal.aborted) throw interrupted();
      throw new OperationFailed(operation, error);
    }
  }
  return warnings;
}

const interrupted = () => new RollbackError('interrupted', 'interrupted');
const now = () => new Date().toISOString();

/** `performers` as one function. */
export function performing(performers: Performers): (operation: Operation) => Promise<Outcome> {
  return (operation) => performOne(performers, operation);
}

/** The one place where a kind meets its performer; the compiler sees that they belong together. */
function performOne<K extends OperationKind>(
  performers: Performers,
  operation: OperationOf<K> & { kind: K },
) {
  return performers[operation.kind](operation);
}
