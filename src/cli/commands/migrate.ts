import type { Command } from 'commander';
import { define as backup } from '../migrate/backup.js';
import { define as diagnose } from '../migrate/diagnose.js';
import { define as recover } from '../migrate/recover.js';
import type { CommandEntry } from '../commands.js';
import { define as finalize } from '../migrate/finalize.js';
import { definitionOf } from '../migrate/move.js';
import { define as quadlet } from '../migrate/quadlet.js';
import { define as rollbackToDocker } from '../migrate/rollback-to-docker.js';
import { define as validate } from '../migrate/validate.js';
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
    summary: 'mend what failed in a move, one kind at a time',
    define: recover,
  },
  { name: 'to-podman', summary: 'move the project from Docker to Podman', define: definitionOf('to-podman') },
  { name: 'to-docker', summary: 'move the project from Podman to Docker', define: definitionOf('to-docker') },
  { name: 'finalize', summary: 'remove what a move left where the project was', define: finalize },
  {
    name: 'rollback-to-docker',
    summary: 'bring the project back to Docker as it was backed up',
    define: rollbackToDocker,
  },
  { name: 'quadlet', summary: 'the project as units for Podman and systemd', define: quadlet },
  { name: 'validate', summary: 'see whether a project is ready to move to Podman', define: validate },
];

export function define(command: Command, session: () => Session): void {
  for (const { name, summary, define: defineStep } of STEPS) {
    defineStep(command.command(name).description(summary), session);
  }
}
