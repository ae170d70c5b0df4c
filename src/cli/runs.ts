import {
  renderPlan,
  renderResult,
  renderWarning,
  resultDocument,
  RollbackError,
  type EventSink,
  type MoveOutcome,
  type MovePlan,
  type Plan,
  type RollbackOutcome,
  type Verdict,
} from '../index.js';
import { CHANGES, NOT_EQUAL } from './exit-codes.js';
import { BlockedRehearsal } from './errors.js';
import { openProgress, openQuietProgress, type Progress } from './progress/progress.js';
import { assertCanAsk, askYesNo } from './prompt.js';
import type { Session } from './session.js';
import { printable, printableAll, printableLines } from './text.js';

/** What rollback, quick-rollback, rollback-service and undo have in common: plan, ask, act, tell. */

export interface RunRequest<O extends AnyOutcome = AnyOutcome> {
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
  ): Promise<O>;
}

type AnyPlan = Plan | MovePlan;
type AnyOutcome = RollbackOutcome | MoveOutcome;
/** What the library is opened with. */
type LibraryOptions = Parameters<Session['manager']>[0];

/** Returns the outcome of a run that was carried out; undefined for a dry run. */
export async function performRun<O extends AnyOutcome>(
  session: Session,
  request: RunRequest<O>,
): Promise<O | undefined> {
  if (request.detailedExitcode && !request.dryRun) {
    throw new RollbackError('usage', '--detailed-exitcode says something about dry runs only', {
      hint: 'add --dry-run',
    });
  }
  if (!request.dryRun) return await act(session, request);
  await rehearse(session, request);
  return undefined;
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

async function act<O extends AnyOutcome>(session: Session, request: RunRequest<O>): Promise<O> {
  assertConfirmable(session, request);
  return await attend(session, request.yes, async ({ run, progress, verdicts }) => {
    const confirm = async (plan: AnyPlan) => {
      progress.pause();
      return confirmRun(session, plan, request.what);
    };
    const outcome = await request.start(run, request.yes ? {} : { confirm });
    progress.pause();
    reportOutcome(session, outcome, verdicts, request.what);
    return outcome;
  });
}

/** Finishes an unfinished run. */
export async function resumeUnfinished(session: Session): Promise<void> {
  await attend(session, true, async ({ run, progress, verdicts }) => {
    const outcome = await session.manager(run).resume();
    progress.pause();
    if (outcome) reportOutcome(session, outcome, verdicts, 'rollback');
    else reportNothingUnfinished(session);
  });
}

/** Takes an unfinished run back. */
export async function abortUnfinished(session: Session): Promise<void> {
  const { output } = session;
  await attend(session, true, async ({ run, progress }) => {
    const aborted = await session.manager(run).abort();
    progress.pause();
    if (!aborted) {
      reportNothingUnfinished(session);
      return;
    }
    if (output.options.json) output.record({ type: 'result', result: 'returned', run: aborted.id });
    output.print(`${output.style('green', '✓')} ${aborted.id} is taken back`);
  });
}

function reportNothingUnfinished({ output }: Session): void {
  if (output.options.json) output.record({ type: 'result', result: 'nothing-to-do', run: null });
  output.print(`${output.style('green', '✓')} No run is unfinished`);
}

interface Attended {
  run: LibraryOptions;
  progress: Progress;
  verdicts: ReadonlyMap<string, Verdict>;
}

/** Shows what a run tells while it goes, and lets Ctrl-C take it back. */
async function attend<T>(
  session: Session,
  unasked: boolean,
  carryOn: (attended: Attended) => Promise<T>,
): Promise<T> {
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
    return await carryOn({ run: { onEvent: witness.onEvent, signal }, progress, verdicts: witness.verdicts });
  } finally {
    progress.pause();
  }
}

function reportOutcome(
  session: Session,
  outcome: AnyOutcome,
  verdicts: ReadonlyMap<string, Verdict>,
  what: string,
): void {
  const { output } = session;
  if ((outcome.proof?.differences.length ?? 0) > 0) session.exitCode = NOT_EQUAL;
  if (output.options.json)
    output.record({ ...resultDocument(outcome), verdicts: Object.fromEntries(verdicts) });
  if (output.options.quiet) return;
  const { title, next } = renderResult(outcome, what);
  output.print(
    `${output.style('green', '✓')} ${printable(title)}`,
    ...healthLines(session, verdicts),
    ...next.map(printable),
  );
  if (outcome.result === 'nothing-to-do' && !output.options.json)
    output.note(...riskLines(outcome.plan.risks));
}

function healthLines({ output }: Session, verdicts: ReadonlyMap<string, Verdict>): string[] {
  if (verdicts.size === 0) return [];
  const unsure = [...verdicts].filter(([, { status }]) => status !== 'pass');
  if (unsure.length === 0) return [`${output.style('green', '✓')} All services healthy`];
  // The reasons were printed while it went.
  const names = unsure.map(([service]) => printable(service)).join(', ');
  return [`${output.style('yellow', '!')} Not known to be healthy: ${names}`];
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
  const warning = renderWarning(plan);
  output.complain(...planLines(plan), '');
  if (warning) {
    const title = output.noteStyle('yellow', `⚠️  WARNING: ${printable(warning.title)}`);
    output.complain(title, ...warning.lines.map(printable), '');
  }
  return askYesNo(session, `Proceed with ${what}?`);
}

/** The plan as text. Words of a point that were a line of their own could pass for a line of the plan. */
function planLines(plan: AnyPlan): string[] {
  return printableLines(renderPlan(printableAll(plan), new Date().toISOString()));
}

function riskLines(risks: Plan['risks']): string[] {
  return risks.map(({ message, hint }) => printable(`! ${message}${hint ? ` (${hint})` : ''}`));
}
