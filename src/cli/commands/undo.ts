import type { Command } from 'commander';
import { addRunOptions, type RunOptions } from '../arguments.js';
import { performRun } from '../runs.js';
import type { Session } from '../session.js';

interface Options extends RunOptions {
  configOnly?: true;
}

export function define(command: Command, session: () => Session): void {
  command.argument('[run]', 'id of a run; the newest that changed something when absent');
  addRunOptions(command)
    .option('--config-only', 'write the files, start nothing')
    .addHelpText('after', '\nUndoing an undo is redoing.')
    .action((run: string | undefined, options: Options) => undo(session(), run, options));
}

async function undo(session: Session, run: string | undefined, options: Options): Promise<void> {
  await performRun(session, {
    yes: session.globals.yes,
    dryRun: options.dryRun ?? false,
    detailedExitcode: options.detailedExitcode,
    what: 'undo',
    start: (library, how) =>
      session
        .manager(library)
        .undo(run, { configOnly: options.configOnly, returnOnFailure: options.return, ...how }),
  });
}
