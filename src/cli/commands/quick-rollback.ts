import type { Command } from 'commander';
import { addHealthyOptions, addRunOptions, type HealthyOptions, type RunOptions } from '../arguments.js';
import { assertHealthyOptions, chooseNewestPoint, findHealthyPoint } from '../healthy.js';
import { assertConfirmable, performRun } from '../runs.js';
import type { Session } from '../session.js';

interface Options extends RunOptions, HealthyOptions {
  autoConfirm?: true;
}

export function define(command: Command, session: () => Session): void {
  addHealthyOptions(addRunOptions(command))
    .option('--auto-confirm', 'go ahead without asking, as --yes')
    .action((options: Options) => quickRollback(session(), options));
}

async function quickRollback(session: Session, options: Options): Promise<void> {
  assertHealthyOptions(options);
  const yes = session.globals.yes || options.autoConfirm === true;
  const confirmation = { yes, dryRun: options.dryRun ?? false, what: 'rollback' };
  assertConfirmable(session, confirmation);
  const { point, isOlder } = options.healthy
    ? { point: await findHealthyPoint(session), isOlder: true }
    : await chooseNewestPoint(session, yes || confirmation.dryRun);
  // What was written since an older point is worth more than what it holds.
  const volumes = !isOlder || options.withVolumes === true;
  await performRun(session, {
    ...confirmation,
    detailedExitcode: options.detailedExitcode,
    start: (library, run) =>
      session.manager(library).rollback(point, { returnOnFailure: options.return, volumes, ...run }),
  });
}
