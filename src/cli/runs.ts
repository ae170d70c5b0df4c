import {
  renderMove,
  renderPlan,
  RollbackError,
  type EventSink,
  type MoveOutcome,
  type MovePlan,
  type Plan,
  type RollbackManager,
  type RollbackOutcome,
  type RunSummary,
  type Verdict,
} from '../index.js';
import { CHANGES } from './exit-codes.js';
import { BlockedRehearsal } from './errors.js';
import { healthLines, tellMove } from './moves.js';
import { pointLabel } from './points.js';
import { openProgress, openQuietProgress, type Progress } from './progress/progress.js';
import { assertCanAsk, askYesNo } from './prompt.js';
import type { Session } from './session.js';
import { printable, printableLines, utc } from './text.js';

/** What rollback, quick-rollback, rollback-service and undo have in common: plan, ask, act, tell. */

export interface RunRequest {
  /** Go ahead without asking. */
  yes: boolean;
  dryRun: boolean;
  /** With a dry run: exit 5 when something would change. */
  detailedExitcode?: boolean | undefined;
  /** What is done, for messages: `rollback`, `undo`. */
  what: string;
  start(
    library: LibraryOptions,
    options: { dryRun?: boolean; confirm?: (plan: AnyPlan) => Promise<boolean> },
  ): Promise<AnyOutcome>;
}

type AnyPlan = Plan | MovePlan;
type AnyOutcome = RollbackOutcome | MoveOutcome;
/** What the library is opened with. */
type LibraryOptions = Parameters<Session['manager']>[0];

export async function performRun(session: Session, request: RunRequest): Promise<void> {
  if (request.detailedExitcode && !request.dryRun) {
    throw new RollbackError('usage', '--detailed-exitcode says something about dry runs only', {
      hint: 'add --dry-run',
    });
  }
  if (request.dryRun) await rehearse(session, request);
  else await act(session, request);
}

/** Throws `usage`, before anything is looked at, when the question could not be asked later. */
export function assertConfirmable(
  session: Session,
  { yes, dryRun, what }: Pick<RunRequest, 'yes' | 'dryRun' | 'what'>,
): void {
  if (yes || dryRun) return;
  assertCanAsk(
    session,
    `${what} has to be confirmed`,
    'add --yes to go ahead without asking, or --dry-run to see the plan',
  );
}

async function rehearse(session: Session, request: RunRequest): Promise<void> {
  const { output } = session;
  const progress = await openQuietProgress(output);
  const witness = watch(progress);
  try {
    const { plan } = await request.start({ onEvent: witness.onEvent }, { dryRun: true });
    progress.pause();
    output.print(...planLines(plan));
    output.document(plan);
    if (request.detailedExitcode && plan.operations.length > 0) session.exitCode = CHANGES;
  } catch (error) {
    progress.pause();
    if (!(error instanceof RollbackError) || error.code !== 'blocked' || !witness.plan) throw error;
    // The plan names every blocker: it is the answer to the question, and the error only tells that it is a no.
    output.print(...planLines(witness.plan));
    throw new BlockedRehearsal(error, witness.plan, { detailed: output.options.json });
  }
}

async function act(session: Session, request: RunRequest): Promise<void> {
  assertConfirmable(session, request);
  await attend(session, request.yes, async ({ run, progress, verdicts }) => {
    const confirm = async (plan: AnyPlan) => {
      progress.pause();
      return confirmRun(session, plan, request.what);
    };
    const outcome = await request.start(run, request.yes ? {} : { confirm });
    progress.pause();
    tellOutcome(session, outcome, verdicts, request.what);
  });
}

/** Finishes a killed run, or takes it back: `start` gives what came of it, or undefined when there was none. */
export async function recover(
  session: Session,
  start: (manager: RollbackManager) => Promise<AnyOutcome | RunSummary | undefined>,
): Promise<void> {
  const { output } = session;
  await attend(session, true, async ({ run: options, progress, verdicts }) => {
    const found = await start(session.manager(options));
    progress.pause();
    if (found && 'plan' in found) {
      tellOutcome(session, found, verdicts, 'rollback');
      return;
    }
    const run = found?.id ?? null;
    if (output.options.json)
      output.record({ type: 'result', result: found ? 'returned' : 'nothing-to-do', run });
    const done = output.style('green', '✓');
    output.print(run === null ? `${done} No run is unfinished` : `${done} ${run} is taken back`);
  });
}

interface Attended {
  run: LibraryOptions;
  progress: Progress;
  verdicts: ReadonlyMap<string, Verdict>;
}

/** Shows what a run tells while it goes, and lets Ctrl-C take it back. */
async function attend(
  session: Session,
  unasked: boolean,
  carryOn: (attended: Attended) => Promise<void>,
): Promise<void> {
  const { output, interrupts } = session;
  const progress = await openProgress(output);
  // Who is asked sees the risks with the plan; who is not asked shall find them in the log.
  const tellRisks = ({ risks }: AnyPlan) => {
    progress.pause();
    output.note(...riskLines(risks));
  };
  const witness = watch(progress, unasked ? tellRisks : undefined);
  const signal = interrupts.hold(() => {
    progress.pause();
    output.complain('', 'Interrupted: the earlier state is brought back. Ctrl-C again stops at once.');
  });
  try {
    await carryOn({ run: { onEvent: witness.onEvent, signal }, progress, verdicts: witness.verdicts });
  } finally {
    progress.pause();
  }
}

function tellOutcome(
  session: Session,
  outcome: AnyOutcome,
  verdicts: ReadonlyMap<string, Verdict>,
  what: string,
): void {
  if ('point' in outcome) tellMove(session, outcome, verdicts);
  else if (session.output.options.json) session.output.record(resultDocument(outcome, verdicts));
  else tell(session, outcome, verdicts, what);
}

/** Passes events on and remembers what the result is told with. */
function watch(progress: Progress, onPlan?: (plan: AnyPlan) => void) {
  const witness = {
    plan: undefined as AnyPlan | undefined,
    verdicts: new Map<string, Verdict>(),
    onEvent: ((event) => {
      if (event.type === 'verdict') witness.verdicts.set(event.service, event.verdict);
      progress.show(event);
      if (event.type !== 'plan' && event.type !== 'move-plan') return;
      witness.plan = event.plan;
      if (event.plan.operations.length > 0) onPlan?.(event.plan);
    }) satisfies EventSink,
  };
  return witness;
}

async function confirmRun(session: Session, plan: AnyPlan, what: string): Promise<boolean> {
  const { output } = session;
  if ('source' in plan) {
    output.complain(...planLines(plan), '');
    return askYesNo(session, `Proceed with ${what}?`);
  }
  const { target } = plan;
  output.complain(
    ...planLines(plan),
    '',
    output.noteStyle('yellow', `⚠️  WARNING: This will ${VERBS[plan.kind]}`),
    `Rollback point: ${printable(target.description || target.id)}`,
    `Created: ${utc(target.timestamp)}`,
    '',
  );
  return askYesNo(session, `Proceed with ${what}?`);
}

const VERBS: Record<Plan['kind'], string> = {
  rollback: 'rollback the system to a previous state',
  service: 'rollback one service to another image',
  undo: 'take a rollback back',
  return: 'bring the earlier state back',
};

/** The plan as text, safe to print whatever its point says of itself. */
function planLines(plan: AnyPlan): string[] {
  if ('source' in plan) return printableLines(renderMove(plan));
  const target = { ...plan.target, description: printable(plan.target.description) };
  return printableLines(renderPlan({ ...plan, target }, new Date().toISOString()));
}

function resultDocument(outcome: RollbackOutcome, verdicts: ReadonlyMap<string, Verdict>) {
  const { plan, result, run, safety, warnings } = outcome;
  const { project, target } = plan;
  return {
    type: 'result',
    result,
    project,
    target,
    run,
    safety,
    warnings,
    verdicts: Object.fromEntries(verdicts),
  };
}

function tell(
  session: Session,
  outcome: RollbackOutcome,
  verdicts: ReadonlyMap<string, Verdict>,
  what: string,
): void {
  const { output } = session;
  if (output.options.quiet) return;
  const { plan, result, run } = outcome;
  const done = output.style('green', '✓');
  if (result === 'nothing-to-do') {
    const all = plan.risks.length === 0 ? 'everything is' : 'what can be brought back is';
    output.print(`${done} Nothing to do: ${all} as it was at ${pointLabel(plan.target)}`);
    output.note(...riskLines(plan.risks));
    return;
  }
  output.print(
    `${done} ${DONE_WORDS[plan.kind]} ${pointLabel(plan.target)}`,
    ...healthLines(session, verdicts),
  );
  if (run !== null) output.print(`To take this ${what} back: compose-rollback undo ${run}`);
}

function riskLines(risks: Plan['risks']): string[] {
  return risks.map(({ message, hint }) => printable(`! ${message}${hint ? ` (${hint})` : ''}`));
}

const DONE_WORDS: Record<Plan['kind'], string> = {
  rollback: 'Rolled back to',
  service: 'Rolled back to',
  undo: 'Back at',
  return: 'Back at',
};
