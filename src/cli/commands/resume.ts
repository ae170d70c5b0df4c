import type { Command } from 'commander';
import { resumeUnfinished } from '../runs.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .addHelpText('after', '\nGoes on where it was killed. Without a killed run there is nothing to do.')
    .action(() => resumeUnfinished(session()));
}
