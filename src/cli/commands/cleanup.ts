import { Option, type Command } from 'commander';
import { RollbackError } from '../../index.js';
import { parseCount, parseDuration } from '../arguments.js';
import { assertDeletable, confirmDeletion, reportDeletion } from '../deletion.js';
import type { Session } from '../session.js';

interface Options {
  keepLast?: number;
  olderThan?: number;
  dryRun?: true;
}

export function define(command: Command, session: () => Session): void {
  command
    .addOption(
      new Option(
        '--keep-last <n>',
        'the newest n of each kind stay; migration points count as manual',
      ).argParser(parseCount),
    )
    .addOption(
      new Option('--older-than <age>', 'only what is older, such as 30d or 12h').argParser(parseDuration),
    )
    .option('--dry-run', 'tell what would be deleted')
    .addHelpText('after', '\nPinned points, and those that an unfinished run needs, always stay.')
    .action((options: Options) => cleanup(session(), options));
}

async function cleanup(session: Session, options: Options): Promise<void> {
  const { keepLast, olderThan } = options;
  const dryRun = options.dryRun === true;
  if (keepLast === undefined && olderThan === undefined) {
    throw new RollbackError('usage', 'nothing says which points to clean up', {
      hint: 'give --keep-last N, --older-than 30d, or both',
    });
  }
  if (!dryRun) assertDeletable(session, 'deleting old points has to be confirmed');
  const confirm = confirmDeletion(session);
  const points = await session.manager().cleanup({ keepLast, olderThan, dryRun, confirm });
  reportDeletion(session, points, { dryRun });
}
