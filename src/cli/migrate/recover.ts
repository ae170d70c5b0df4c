import { Argument, type Command } from 'commander';
import { SCENARIOS, type Recovery, type Scenario } from '../../index.js';
import { TROUBLE } from '../exit-codes.js';
import { askYesNo } from '../prompt.js';
import { assertConfirmable } from '../runs.js';
import type { Session } from '../session.js';
import { indented, printable } from '../text.js';
import { diagnose, findingLines } from './diagnose.js';

interface Options {
  dryRun?: boolean;
}

export function define(command: Command, session: () => Session): void {
  command
    .addArgument(
      new Argument('<scenario>', 'what to mend; diagnose only names the causes').choices([
        ...SCENARIOS,
        'diagnose',
      ]),
    )
    .option('--dry-run', 'print the plan, change nothing')
    .addHelpText('after', '\nEnds with 1 when it could not. Logs to migration-recovery.log in the project.')
    .action((scenario: Scenario | 'diagnose', options: Options) =>
      scenario === 'diagnose' ? diagnose(session()) : recover(session(), scenario, options),
    );
}

async function recover(session: Session, scenario: Scenario, { dryRun = false }: Options): Promise<void> {
  const { output, globals } = session;
  assertConfirmable(session, { yes: globals.yes, dryRun, what: `recover ${scenario}` });
  const confirm = async (plan: Recovery) => {
    output.complain(...planLines(plan), '');
    return askYesNo(session, 'Proceed?');
  };
  const recovery = await session.migration().recover(scenario, {
    dryRun,
    ...(globals.yes ? {} : { confirm }),
    onStep: (what) => output.note(printable(what)),
  });
  output.document(recovery);
  const { result, obstacles } = recovery;
  if (['blocked', 'not-healthy'].includes(result) || obstacles.length > 0) session.exitCode = TROUBLE;
  if (['planned', 'blocked'].includes(result)) output.print(...planLines(recovery));
  output.print(...outcomeLines(session, recovery));
  output.note(...otherLines(recovery), ...recovery.warnings.map((warning) => `! ${printable(warning)}`));
}

function planLines({ findings, steps, obstacles }: Recovery): string[] {
  return [
    'Found:',
    ...indented(findings.flatMap((finding) => findingLines(finding))),
    ...(steps.length > 0 ? ['', 'To do:', ...indented(steps.map(printable))] : []),
    ...(obstacles.length > 0
      ? ['', 'In the way:', ...indented(obstacles.flatMap((obstacle) => findingLines(obstacle)))]
      : []),
  ];
}

function outcomeLines({ output }: Session, { scenario, result, problem, left }: Recovery): string[] {
  const [good, bad] = [output.style('green', '✓'), output.style('red', '✗')];
  switch (result) {
    case 'planned':
      return [];
    case 'nothing-to-do':
      return [`${good} Nothing to mend: nothing of the kind ${scenario} was found`];
    case 'healthy':
      return [`${good} What was found is mended`];
    case 'blocked':
      return ['', `${bad} Nothing was done: remove what is in the way, then try again`];
    case 'not-healthy':
      return [
        `${bad} It is not well`,
        ...indented(problem === null ? [] : [printable(problem)]),
        ...indented(left.flatMap((finding) => findingLines(finding))),
      ];
  }
}

/** What this scenario is not about. */
function otherLines({ others }: Recovery): string[] {
  if (others.length === 0) return [];
  return ['Also found:', ...indented(others.flatMap((finding) => findingLines(finding)))];
}
