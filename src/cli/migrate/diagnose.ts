import type { Command } from 'commander';
import { plural, type Finding } from '../../index.js';
import { TROUBLE } from '../exit-codes.js';
import type { Session } from '../session.js';
import { indented, printable } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command
    .addHelpText(
      'after',
      '\nEnds with 1 when something was found. Logs to migration-recovery.log in the project.',
    )
    .action(() => diagnose(session()));
}

export async function diagnose(session: Session): Promise<void> {
  const { output } = session;
  const diagnosis = await session.migration().diagnose();
  const { findings, warnings } = diagnosis;
  if (findings.length > 0) session.exitCode = TROUBLE;
  output.document(diagnosis);
  if (findings.length === 0) output.print(`${output.style('green', '✓')} Nothing wrong was found`);
  else {
    output.print(`${output.style('red', '✗')} ${plural(findings.length, 'finding')}:`);
    output.print(...findings.flatMap((finding) => ['', ...findingLines(finding)]));
  }
  output.note(...warnings.map((warning) => `! ${printable(warning)}`));
}

export function findingLines({ scenario, service, cause, evidence, fix }: Finding): string[] {
  const about = service === null ? '' : `${service}: `;
  return [
    `[${scenario}] ${printable(about + cause)}`,
    ...indented([printable(evidence), `fix: ${printable(fix)}`]),
  ];
}
