import type { Command } from 'commander';
import { addRunOptions, type RunOptions } from '../arguments.js';
import { performRun } from '../runs.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .argument('<service>', 'the service')
    .argument('[image-tag]', 'another tag of its image; its image in the latest point when absent');
  addRunOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  compose-rollback rollback-service api\n  compose-rollback rollback-service api v1.5 --dry-run',
    )
    .action((service: string, tag: string | undefined, options: RunOptions) =>
      rollbackService(session(), service, tag, options),
    );
}

async function rollbackService(
  session: Session,
  service: string,
  tag: string | undefined,
  options: RunOptions,
): Promise<void> {
  await performRun(session, {
    yes: session.globals.yes,
    dryRun: options.dryRun ?? false,
    detailedExitcode: options.detailedExitcode,
    what: 'rollback',
    start: (library, run) =>
      session.manager(library).rollbackService(service, tag, { returnOnFailure: options.return, ...run }),
  });
}
