import type { Command } from 'commander';
import { setPinned } from '../pinning.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .argument('<point>', 'id, unique prefix of one, name, latest, latest~1')
    .action((point: string) => setPinned(session(), point, true));
}
