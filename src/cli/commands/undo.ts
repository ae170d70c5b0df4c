import type { Command } from 'commander';
import { addRunOptions, type RunOptions } from '../arguments.js';
import { performRun } from '../runs.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command.argument('[run]', 'id of a run; the newest that changed something when absent');
  addRunOptions(command)
    .addHelpText('after', '\nUndoing an undo is redoing.')
    .action((run: string | undefined, options: RunOptions) => undo(session(), run, options));
}

async function undo(session: Session, run: string | undefined, options: RunOptions): Promise<void> {
  await performRun(session, {
    yes: session.globals.yes,
    dryRun: options.dryRun ?? false,
    detailedExitcode: options.detailedExitcode,
    what: 'undo',
    start: (manager, how) => manager.undo(run, { returnOnFailure: options.return, ...how }),
  });
}
