import type { Command } from 'commander';
import type { BackupDirReport } from '../../index.js';
import type { Session } from '../session.js';
import { printable } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command
    .command('show')
    .description('tell where the points are, and why there')
    .action(() => show(session()));
  command
    .command('move')
    .description('move the points to another directory, by default out of the project')
    .argument('[directory]', 'a directory that does not exist yet; one in the state directory when absent')
    .addHelpText(
      'after',
      '\nThe state directory is /var/lib/compose-rollback for root, else ~/.local/state/compose-rollback; COMPOSE_ROLLBACK_STATE_DIR names another one.',
    )
    .action((directory: string | undefined) => move(session(), directory));
}

const REASONS: Record<BackupDirReport['origin'], string> = {
  flag: 'by --backup-dir',
  environment: 'by COMPOSE_ROLLBACK_BACKUP_DIR',
  setting: 'by the setting backup_dir',
  found: 'where they usually are',
  recorded: 'as recorded when they were put there',
  'folder-gone': 'made in a folder that is gone',
  undecided: 'there are none yet, and the first one decides',
};

async function show(session: Session): Promise<void> {
  const { output } = session;
  const report = await session.manager().backupDirectory();
  output.document(report);
  output.print(printable(report.path));
  output.note(REASONS[report.origin]);
}

async function move(session: Session, directory: string | undefined): Promise<void> {
  const { output } = session;
  const report = await session.manager().moveBackupDirectory(directory);
  output.document(report);
  if (!output.options.quiet)
    output.print(`${output.style('green', '✓')} The points are in ${printable(report.to)} now`);
}
