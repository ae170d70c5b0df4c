import { moveKinds } from './migrate/move/kinds.js';
import type { MoveOutcome } from './migrate/move/move.js';
import { rollbackKinds } from './rollback/kinds.js';
import type { RollbackOutcome } from './rollback/rollback.js';
import { RunKinds } from './runs/kinds.js';

/** Every kind of run there is. A new one is a room of its own and a line here. */
export const RUN_KINDS = new RunKinds<RollbackOutcome | MoveOutcome>([...rollbackKinds, ...moveKinds]);

type AnyOutcome = RollbackOutcome | MoveOutcome;
type AnyPlan = AnyOutcome['plan'];

/** A plan as a person reads it; ends without a newline. `now` is UTC, for the age of points. */
export const renderPlan = (plan: AnyPlan, now: string): string =>
  RUN_KINDS.wordsOf(plan).renderPlan(plan, now);

/** The warning that a person reads before confirming a plan; undefined when the plan says it all. */
export const renderWarning = (plan: AnyPlan): { title: string; lines: string[] } | undefined =>
  RUN_KINDS.wordsOf(plan).warning(plan);

/** How a run ended, as a person reads it. `what` names the run in "to take this … back". */
export const renderResult = (outcome: AnyOutcome, what: string): { title: string; next: string[] } =>
  RUN_KINDS.wordsOf(outcome).result(outcome, what);

/** How a run ended, for programs; the command line adds the verdicts. */
export const resultDocument = (outcome: AnyOutcome): object => RUN_KINDS.wordsOf(outcome).document(outcome);
