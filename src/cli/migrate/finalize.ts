import type { Command } from 'commander';
import type { FinalizeReport, Leftovers } from '../../index.js';
import { askYesNo } from '../prompt.js';
import { assertConfirmable } from '../runs.js';
import type { Session } from '../session.js';
import { printable } from '../text.js';

interface Options {
  volumes?: true;
  dryRun?: boolean;
}

export function define(command: Command, session: () => Session): void {
  command
    .option('--volumes', 'the data too; a pinned point keeps it')
    .option('--dry-run', 'tell what would go, remove nothing')
    .addHelpText('after', '\nUntil then, moving back is quick, and nothing of what was there is lost.')
    .action((options: Options) => finalize(session(), options));
}

async function finalize(session: Session, { volumes, dryRun = false }: Options): Promise<void> {
  const { output, globals } = session;
  assertConfirmable(session, { yes: globals.yes, dryRun, what: 'finalize' });
  const confirm = async (left: Leftovers) => {
    output.complain(...lines(left, volumes ?? false), '');
    return askYesNo(session, 'Remove it?');
  };
  const asking = globals.yes ? {} : { confirm };
  const report = await session.migration().finalize({ volumes, dryRun, ...asking });
  output.document(report);
  if (output.options.quiet) return;
  if (report.result === 'planned') output.print(...lines(report, volumes ?? false));
  else output.print(`${output.style('green', '✓')} ${printable(told(report))}`);
}

function lines({ engine, containers, networks, volumes }: Leftovers, withData: boolean): string[] {
  const list = (what: string, names: string[]) =>
    names.length > 0 ? [`  ${what}: ${names.join(', ')}`] : [];
  return [
    `To remove from ${engine}:`,
    ...list('containers', containers),
    ...list('networks', networks),
    ...list(withData ? 'volumes (a point keeps their data)' : 'kept, unless --volumes', volumes),
  ].map(printable);
}

function told({ result, engine, point }: FinalizeReport): string {
  if (result === 'nothing-to-do') return `Nothing to remove: nothing is left on ${engine}`;
  return `Nothing of the project is left to start on ${engine}${point === null ? '' : `; its data is in ${point}`}`;
}
