import type { Command } from 'commander';
import type { MoveKind } from '../../index.js';
import { performRun } from '../runs.js';
import type { Session } from '../session.js';
import { tellUnits } from './quadlet.js';

/** `migrate to-podman` and its mirror. */

interface Options {
  dryRun?: boolean;
  targetHost?: string;
  quadlet?: string;
}

export const definitionOf = (kind: MoveKind) => (command: Command, session: () => Session) => {
  if (kind === 'to-podman') {
    command.option(
      '--quadlet <dir>',
      'afterwards write it as units for systemd too, as migrate quadlet does',
    );
  }
  command
    .option('--dry-run', 'print the plan, change nothing')
    .option('--target-host <address>', 'address of the engine to move to, such as unix:///…')
    .addHelpText(
      'after',
      '\nEverything is copied while the services run; they are down while what changed is copied and all is compared.\nWhat is at the source stays there, stopped, until compose-rollback migrate finalize.',
    )
    .action((options: Options) => moveProject(session(), kind, options));
};

async function moveProject(
  session: Session,
  kind: MoveKind,
  { dryRun = false, targetHost, quadlet }: Options,
): Promise<void> {
  const outcome = await performRun(session, {
    yes: session.globals.yes,
    dryRun,
    what: 'the move',
    start: (library, run) => session.migration(library).move(kind, { targetHost, quadlet, ...run }),
  });
  if (outcome?.quadlet) tellUnits(session, outcome.quadlet);
}
