import type { Command } from 'commander';
import { RollbackError, type Migration } from '../../index.js';
import { performRun } from '../runs.js';
import type { Session } from '../session.js';
import { printable } from '../text.js';

interface Options {
  force?: boolean;
  keepData?: true;
  verifyOnly?: boolean;
  cleanup?: true;
  targetHost?: string;
}

export function define(command: Command, session: () => Session): void {
  command
    .option('--force', 'go ahead without asking, as --yes')
    .option('--keep-data', "carry the data over; else Docker's volumes are used as they stand")
    .option('--verify-only', 'print the plan and what stands in its way, change nothing')
    .option('--cleanup', 'afterwards remove the containers and networks that Podman has of the project')
    .option('--target-host <address>', 'address of Docker')
    .addHelpText('after', '\nWith the files and images of the newest backup that was made on Docker.')
    .action((options: Options) => rollbackToDocker(session(), options));
}

const NOT_CLEANED = '! Podman was not cleaned up: what runs on Docker is not equal to the backup';

async function rollbackToDocker(
  session: Session,
  { force = false, keepData, verifyOnly = false, cleanup, targetHost }: Options,
): Promise<void> {
  await performRun(session, {
    yes: force || session.globals.yes,
    dryRun: verifyOnly,
    what: 'rollback to Docker',
    start: async (library, run) => {
      const migration = session.migration(library);
      const outcome = await migration.rollbackToDocker({ keepData, targetHost, ...run });
      if (cleanup && outcome.result === 'done' && outcome.kind === 'to-docker') {
        // Undo needs what is on Podman, so it stays until a person has seen the difference.
        if (outcome.proof?.differences.length) session.output.note(NOT_CLEANED);
        else await cleanUp(session, migration);
      }
      return outcome;
    },
  });
}

/** The project is back, whatever comes of this. */
async function cleanUp({ output }: Session, migration: Migration): Promise<void> {
  try {
    await migration.finalize();
  } catch (error) {
    if (!(error instanceof RollbackError)) throw error;
    output.note(printable(`! Podman was not cleaned up: ${error.message}`));
  }
}
