import type { Command } from 'commander';
import { bytes, plural, RollbackError } from '../../index.js';
import type { Session } from '../session.js';
import { printable } from '../text.js';

interface Options {
  output: string;
  force?: true;
}

export function define(command: Command, session: () => Session): void {
  command
    .argument('<point>', 'id, unique prefix of one, name, latest, latest~1')
    .requiredOption('-o, --output <file>', 'where to; - is standard output')
    .option('--force', 'replace a file that is there')
    .addHelpText(
      'after',
      '\nThe archive is a plain tar. It holds the secrets of the point as they are: keep it as you keep those.\n\nExamples:\n  compose-rollback export latest -o point.tar\n  compose-rollback export stable -o - | ssh there compose-rollback import -',
    )
    .action((point: string, options: Options) => exportPoint(session(), point, options));
}

async function exportPoint(session: Session, point: string, { output: to, force }: Options): Promise<void> {
  const { output, environment } = session;
  const toStream = to === '-';
  if (toStream && output.options.json) {
    throw new RollbackError('usage', '--json and the archive cannot both go to standard output', {
      hint: 'name a file with -o, or leave --json out',
    });
  }
  if (toStream && environment.stdout.isTTY) {
    throw new RollbackError('usage', 'an archive is nothing for a terminal', {
      hint: 'name a file with -o, or pass it on with a pipe',
    });
  }
  const warn = (message: string) => output.complain(`! ${printable(message)}`);
  const manager = session.manager({
    onEvent: (event) => (event.type === 'warning' ? warn(event.message) : undefined),
  });
  const report = await manager.exportPoint(point, toStream ? environment.stdout : to, { force });
  if (report.file === null) {
    output.note(`Exported ${report.id}: ${plural(report.files, 'file')}, ${bytes(report.bytes)}`);
    return;
  }
  output.document(report);
  if (output.options.quiet) output.print(report.file);
  else {
    output.print(`${output.style('green', '✓')} Exported ${report.id} to ${printable(report.file)}`);
    output.note(`  ${plural(report.files, 'file')}, ${bytes(report.bytes)}`);
  }
}
