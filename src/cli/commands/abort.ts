import type { Command } from 'commander';
import { abortUnfinished } from '../runs.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .addHelpText('after', '\nBrings the state before it back. Without a killed run there is nothing to do.')
    .action(() => abortUnfinished(session()));
}
