import type { Command } from 'commander';
import { bytes, plural, type BackupReport } from '../../index.js';
import { DAMAGED } from '../exit-codes.js';
import { openQuietProgress } from '../progress/progress.js';
import type { Session } from '../session.js';
import { columns, indented, printable } from '../text.js';

interface Options {
  includeData?: true;
  force?: true;
  verifyOnly?: true;
}

export function define(command: Command, session: () => Session): void {
  command
    .option('--include-data', 'record volume data too')
    .option('--force', 'put it in the place of the backup that is there; the earlier point stays')
    .option('--verify-only', 'only show what would be recorded, and check the backup that is there')
    .addHelpText(
      'after',
      '\nThe backup is a pinned point; .docker-backup leads to it. --verify-only ends with 1 when it is damaged.',
    )
    .action((options: Options) => backup(session(), options));
}

async function backup(session: Session, options: Options): Promise<void> {
  const { output } = session;
  const progress = await openQuietProgress(output);
  const migration = session.migration({ onEvent: (event) => progress.show(event) });
  const report = await migration.backup(options).finally(() => progress.pause());
  output.document(report);
  if (report.point === null) preview(session, report);
  else made(session, report, report.point);
  output.note(...report.warnings.map((warning) => `! ${printable(warning)}`));
  output.note(...report.skipped.map(({ path, reason }) => printable(`! ${path} is not recorded: ${reason}`)));
}

function made({ output }: Session, report: BackupReport, point: string): void {
  if (output.options.quiet) {
    output.print(point);
    return;
  }
  output.print(`${output.style('green', '✓')} Backed up as ${point}: ${printable(report.directory)}`);
  output.note(
    `  ${plural(report.services.length, 'service')}, ${summary(report)}`,
    '  check it with sha256sum -c backup-manifest.txt there, or with --verify-only',
    `  come back with compose-rollback rollback ${point}`,
  );
  if (report.replaced !== null)
    output.note(`  the backup before it is ${report.replaced}: kept, and no longer pinned`);
}

function summary({ files, volumes, images }: BackupReport): string {
  const saved = images.filter(({ archived }) => archived);
  return [
    plural(files.length, 'file'),
    plural(volumes.length, 'volume'),
    plural(saved.length, 'image archive'),
  ].join(', ');
}

function preview(session: Session, report: BackupReport): void {
  const { output } = session;
  const { files, volumes, images } = report;
  output.print(`A backup would hold ${summary(report)}`);
  const rows = [
    ...files.map(({ path, size }) => ['file', printable(path), bytes(size)]),
    ...volumes.map((name) => ['volume', printable(name), '']),
    ...images.map(({ ref, archived }) => [
      'image',
      printable(ref),
      archived ? 'archived' : 'from its registry',
    ]),
  ];
  output.print(...indented(columns(rows)));
  if (report.existing) tellExisting(session, report.existing);
}

function tellExisting(session: Session, existing: NonNullable<BackupReport['existing']>): void {
  const { output } = session;
  const { point, sound, problems } = existing;
  if (sound) {
    output.print(`${output.style('green', '✓')} The backup that is there, ${point}, is as it was made`);
    return;
  }
  session.exitCode = DAMAGED;
  output.print(`${output.style('red', '✗')} The backup that is there, ${point}, is damaged`);
  output.print(...indented(problems.map(({ path, problem }) => printable(`${path}: ${problem}`))));
}
