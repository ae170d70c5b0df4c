import type { Command } from 'commander';
import { bytes, plural, type ImportReport } from '../../index.js';
import type { Session } from '../session.js';
import { columns, indented, printable } from '../text.js';

interface Options {
  fromProject?: string;
  name?: string;
}

export function define(command: Command, session: () => Session): void {
  command
    .argument('<file>', 'an archive that export wrote; - is standard input')
    .option('--from-project <name>', 'take a point of that project as one of the project at hand')
    .option('--name <name>', 'another name to call the point by')
    .addHelpText(
      'after',
      '\nEverything is checked before the point appears. A rollback to it runs what its maker chose: import points of people you trust.\n\nExamples:\n  compose-rollback import point.tar\n  compose-rollback -p shop-staging import point.tar --from-project shop',
    )
    .action((file: string, options: Options) => importPoint(session(), file, options));
}

async function importPoint(session: Session, file: string, options: Options): Promise<void> {
  const { output, environment } = session;
  const report = await session.manager().importPoint(file === '-' ? environment.stdin : file, options);
  output.document(report);
  if (output.options.quiet) output.print(report.id);
  else if (report.already) output.print(`${report.id} is there already; nothing was changed`);
  else {
    output.print(
      `${output.style('green', '✓')} Imported ${report.id} into project ${printable(report.project)}`,
    );
    output.note(`  ${plural(report.files, 'file')}, ${bytes(report.bytes)}`);
  }
  output.note(...indented(columns(report.images.map(imageLine))));
}

const WHERE: Readonly<Record<ImportReport['images'][number]['where'], string>> = {
  engine: 'on this engine',
  archive: 'in the point',
  nowhere: 'neither on this engine nor in the point: pull it before a rollback',
};

const imageLine = ({ ref, where }: ImportReport['images'][number]) => [printable(ref), WHERE[where]];
