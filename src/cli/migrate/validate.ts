import type { Command } from 'commander';
import { renderReadiness, leftToDo, type Grade, type Readiness, type ValidateRequest } from '../../index.js';
import { exitCodeOf } from '../exit-codes.js';
import type { Session } from '../session.js';
import { indented, printable } from '../text.js';

type Options = ValidateRequest & { detailed?: true };

export function define(command: Command, session: () => Session): void {
  command
    .option('--fix-issues', 'make missing bind sources inside the project; the rest is printed')
    .option('--export-report', 'also write migration-prerequisites-report.txt in the project directory')
    .option('--verify-only', 'only machine and engines, not what the compose files ask for')
    .option('--detailed', 'also what is well, and of each finding why it matters and what to write instead')
    .addHelpText('after', '\nEnds with 0 when it is READY, with warnings or without, with 3 when it is NOT.')
    .action((options: Options) => validate(session(), options));
}

async function validate(session: Session, { detailed, ...request }: Options): Promise<void> {
  const { output } = session;
  const readiness = await session.migration().validate(request);
  if (readiness.verdict === 'NOT READY') session.exitCode = exitCodeOf('blocked');
  output.document(readiness);
  const colours = { ok: 'green', note: 'dim', warning: 'yellow', critical: 'red' } as const;
  const paint = (grade: Grade, text: string) => output.style(colours[grade], text);
  output.print(...renderReadiness(readiness, { detailed: detailed === true, paint, printable }));
  if (request.fixIssues) output.print(...fixLines(readiness));
  if (readiness.report !== null) output.note(`Report: ${printable(readiness.report)}`);
}

function fixLines(readiness: Readiness): string[] {
  const { fixed } = readiness;
  const left = leftToDo(readiness);
  return [
    '',
    fixed.length === 0 ? 'Nothing was changed.' : `Made: ${fixed.map(printable).join(', ')}`,
    ...(left.length === 0 ? [] : ['Left to you:', ...indented(left.map(printable))]),
  ];
}
