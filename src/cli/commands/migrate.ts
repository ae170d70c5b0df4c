import type { Command } from 'commander';
import { define as backup } from '../migrate/backup.js';
import { define as diagnose } from '../migrate/diagnose.js';
import { define as recover } from '../migrate/recover.js';
import type { CommandEntry } from '../commands.js';
import type { Session } from '../session.js';

/** `migrate …`: each has a file of its own in `cli/migrate/`. */
const STEPS: readonly Omit<CommandEntry, 'group' | 'alias'>[] = [
  {
    name: 'backup',
    summary: 'record the project, to come back to when a move fails',
    define: backup,
  },
  {
    name: 'diagnose',
    summary: 'name what is wrong with the project, changing nothing',
    define: diagnose,
  },
  {
    name: 'recover',
    summary: 'the scenarios of a move that failed',
    define: recover,
  },
];

export function define(command: Command, session: () => Session): void {
  for (const { name, summary, define: defineStep } of STEPS) {
    defineStep(command.command(name).description(summary), session);
  }
}
