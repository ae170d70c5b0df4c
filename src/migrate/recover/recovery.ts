import { messageOf, RollbackError } from '../../model/errors.js';
import type { RECOVERY_RESULTS, Scenario } from '../../model/recovery.js';
import { plural } from '../../plan/text.js';
import type { Diagnosis, Finding } from '../diagnose/finding.js';
import { logRecovery } from '../diagnose/recovery-log.js';

/** What all scenarios have in common: find, plan, ask, act, look again. */

/** One thing that a recovery does. */
export interface Step {
  /** For a person: `stop web`. */
  what: string;
  /** Throws RollbackError when it could not; the steps after it are not begun. */
  act: () => Promise<void>;
}

export interface Remedy {
  steps: Step[];
  /** What keeps the steps from helping, and only a person can remove: with one of them nothing is begun. */
  obstacles: Finding[];
}

/** What a scenario looks at, and what it does about it. */
export interface Treatment {
  scenario: Scenario;
  /** Of the project, where it is logged. */
  directory: string;
  look: () => Promise<Sight>;
}

/** What was found. Nothing of it changes anything. */
interface Sight extends Diagnosis {
  /** How these of the findings would be removed. */
  plan: (findings: Finding[]) => Promise<Remedy>;
}

export interface RecoverRequest {
  /** Plan only; changes nothing. */
  dryRun?: boolean | undefined;
  /** Asked once with the plan before anything changes; absent means yes. */
  confirm?: ((recovery: Recovery) => Promise<boolean>) | undefined;
  /** Told of each step when it begins. */
  onStep?: ((what: string) => void) | undefined;
}

export interface Recovery {
  scenario: Scenario;
  result: (typeof RECOVERY_RESULTS)[number];
  /** The causes, as they were found. */
  findings: Finding[];
  steps: string[];
  obstacles: Finding[];
  /** What a step failed with. */
  problem: string | null;
  /** Of the same kind, in the end. */
  left: Finding[];
  /** What else is wrong, in the end: other scenarios mend it. */
  others: Finding[];
  warnings: string[];
}

/** Throws `declined` or `stale` with nothing touched, `failed` when there is no place to log to; everything else is told by the result. */
export async function recover(treatment: Treatment, request: RecoverRequest): Promise<Recovery> {
  const { recovery, steps } = await prepare(treatment);
  if (request.dryRun) return recovery;
  if (recovery.findings.length === 0) {
    await logRecovery(treatment.directory, [`${treatment.scenario}: nothing to mend`]);
    return recovery;
  }
  if (recovery.obstacles.length > 0) return await blocked(treatment, recovery);
  if (!request.confirm) return await carryOut(treatment, recovery, steps, request);
  if (!(await request.confirm(recovery))) {
    throw new RollbackError('declined', 'declined; nothing was touched');
  }
  const again = await prepare(treatment);
  if (seen(again.recovery) !== seen(recovery)) {
    throw new RollbackError('stale', 'the project changed since the plan was made; nothing was touched', {
      hint: 'look at the new plan and try again',
    });
  }
  return await carryOut(treatment, again.recovery, again.steps, request);
}

const NOTHING: Remedy = { steps: [], obstacles: [] };

async function prepare(treatment: Treatment): Promise<{ recovery: Recovery; steps: Step[] }> {
  const { scenario } = treatment;
  const { own, others, warnings, plan } = await examine(treatment);
  const { steps, obstacles } = own.length === 0 ? NOTHING : await plan(own);
  const found = { scenario, findings: own, steps: steps.map(({ what }) => what), obstacles };
  const result = own.length === 0 ? 'nothing-to-do' : 'planned';
  return { recovery: { ...found, result, problem: null, left: own, others, warnings }, steps };
}

async function examine({ scenario, look }: Treatment) {
  const { findings, ...sight } = await look();
  const own = findings.filter((finding) => finding.scenario === scenario);
  return { own, others: findings.filter((finding) => finding.scenario !== scenario), ...sight };
}

/** Words that tell of moments, such as how often something was restarted, may differ. */
const seen = ({ findings, steps, obstacles }: Recovery) =>
  JSON.stringify([findings.map(({ service, cause }) => [service, cause]), steps, obstacles]);

async function blocked({ directory, scenario }: Treatment, recovery: Recovery): Promise<Recovery> {
  const told = recovery.obstacles.map((obstacle) => `in the way: ${inWords(obstacle)}`);
  const found = recovery.findings.map((finding) => `found: ${inWords(finding)}`);
  await logRecovery(
    directory,
    [...found, ...told, 'nothing was done'].map((line) => `${scenario}: ${line}`),
  );
  return { ...recovery, result: 'blocked' };
}

async function carryOut(
  treatment: Treatment,
  recovery: Recovery,
  steps: Step[],
  { onStep }: RecoverRequest,
): Promise<Recovery> {
  const log = (...lines: string[]) =>
    logRecovery(
      treatment.directory,
      lines.map((line) => `${treatment.scenario}: ${line}`),
    );
  await log(...recovery.findings.map((finding) => `found: ${inWords(finding)}`));
  const problem = await perform(steps, async (what) => {
    onStep?.(what);
    await log(what);
  });
  const { own, others, warnings } = await examine(treatment);
  const result = problem === null && own.length === 0 ? 'healthy' : 'not-healthy';
  const failed = problem === null ? [] : [`failed: ${problem}`];
  const left = own.map((finding) => `left: ${inWords(finding)}`);
  await log(...failed, ...left, `${result}, with ${plural(own.length, 'finding')} of its kind left`);
  return { ...recovery, result, problem, left: own, others, warnings };
}

/** What the first step that failed failed with; null when none did. */
async function perform(steps: Step[], begin: (what: string) => Promise<void>): Promise<string | null> {
  for (const { what, act } of steps) {
    await begin(what);
    try {
      await act();
    } catch (error) {
      if (!(error instanceof RollbackError) || error.code === 'interrupted') throw error;
      return [`${what}: ${messageOf(error)}`, ...error.details].join(' | ');
    }
  }
  return null;
}

const inWords = ({ service, cause, evidence }: Finding) =>
  [service ?? 'the project', cause, evidence].join(': ');
