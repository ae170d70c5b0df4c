import type { Command } from 'commander';
import { addRunOptions, type RunOptions } from '../arguments.js';
import { performRun } from '../runs.js';
import type { Session } from '../session.js';

interface Options extends RunOptions {
  autoConfirm?: true;
}

export function define(command: Command, session: () => Session): void {
  addRunOptions(command)
    .option('--auto-confirm', 'go ahead without asking, as --yes')
    .action((options: Options) => quickRollback(session(), options));
}

async function quickRollback(session: Session, options: Options): Promise<void> {
  await performRun(session, {
    yes: session.globals.yes || options.autoConfirm === true,
    dryRun: options.dryRun ?? false,
    detailedExitcode: options.detailedExitcode,
    what: 'rollback',
    start: (library, run) =>
      session.manager(library).rollback('latest', { returnOnFailure: options.return, ...run }),
  });
}
