import { Argument, type Command } from 'commander';
import type { Session } from '../session.js';
import { diagnose } from './diagnose.js';

export function define(command: Command, session: () => Session): void {
  command
    .addArgument(new Argument('<scenario>', 'what to do; diagnose names the causes').choices(['diagnose']))
    .action(() => diagnose(session()));
}
