import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { RunOutcome, RunSummary } from '../model/run.js';
import type { Relocated } from '../session/workspace.js';
import type { Store } from '../store/store.js';
import type { Access } from './access.js';
import type { UndoRequest } from './undo.js';

/**
 * One kind of run: how it is resumed, aborted, undone and rendered. Each kind has a room of its own, which plans and performs (`perform.ts`) it too. What
 * is here is light; the work is loaded when it is needed.
 */
export interface RunKind<O extends RunOutcome = RunOutcome> {
  /** As journals and the index call it. */
  readonly name: string;
  /** The point that `undo` of such a run goes back to. */
  readonly undoPoint: 'safety' | 'target';
  /**
   * Where a run took the project from and to. Only of kinds that take projects to other engines.
   * @throws RollbackError `damaged`, `no-such-run`
   */
  readonly relocation?: (store: Store, run: string) => Promise<Relocation>;
  readonly words: RunWords<O>;
  load(): Promise<RunWork<O>>;
}

/** How a person and a program read about a run. Pure, and as text from outside still is: faces escape it. */
export interface RunWords<O extends RunOutcome = RunOutcome> {
  /** The plan; ends without a newline. `now` is UTC, for ages. */
  renderPlan(plan: O['plan'], now: string): string;
  /** Between the plan and the question whether to go ahead. */
  warning(plan: O['plan']): { title: string; lines: string[] } | undefined;
  /** The first line says what the run did; `next` follows the health of the services. `what` is the caller's name for the run. */
  result(outcome: O, what: string): { title: string; next: string[] };
  /** For `--json`, to which the verdicts are added. */
  document(outcome: O): object;
}

/** Each function opens the engines of the run and locks the project. */
export interface RunWork<O extends RunOutcome = RunOutcome> {
  /**
   * Finishes a run whose process died. Undefined when it was ended meanwhile.
   * @throws RollbackError as the run itself
   */
  resume(access: Access, run: RunSummary): Promise<O | undefined>;
  /**
   * Restores the state before a run whose process died. Undefined when it was ended meanwhile.
   * @throws RollbackError `not-returned`
   */
  abort(access: Access, run: RunSummary): Promise<RunSummary | undefined>;
  /**
   * Takes a finished run back, by a run of its own.
   * @throws RollbackError as that run
   */
  undo(access: Access, run: RunSummary, request: UndoRequest): Promise<O>;
}

export interface Relocation {
  /** Id of the engine. */
  from: string;
  to: Relocated;
}

/** All kinds of runs, by name. */
export class RunKinds<O extends RunOutcome = RunOutcome> {
  readonly #kinds: ReadonlyMap<string, RunKind<O>>;

  constructor(kinds: RunKind<O>[]) {
    this.#kinds = new Map(kinds.map((kind) => [kind.name, kind]));
  }

  /** Undefined for a run of a newer version. */
  find(name: string): RunKind<O> | undefined {
    return this.#kinds.get(name);
  }

  /** @throws RollbackError `not-supported` for a run of a newer version */
  get({ id, kind }: Pick<RunSummary, 'id' | 'kind'>): RunKind<O> {
    const found = this.find(kind);
    if (found) return found;
    throw new RollbackError(
      'not-supported',
      `${id} is a run of the kind ${quoted(kind)}, which this version does not know`,
      {
        hint: 'use the version of compose-rollback that began it',
      },
    );
  }

  /** @throws TypeError for a plan or outcome that is of no kind of run */
  wordsOf({ kind }: { kind: string }): RunWords<O> {
    const found = this.find(kind);
    if (found) return found.words;
    throw new TypeError(`there are no runs of the kind ${kind}`);
  }

  undoPointOf(run: RunSummary): string {
    return run[this.find(run.kind)?.undoPoint ?? 'safety'];
  }
}
