import type { Command } from 'commander';
import { RollbackError } from '../../index.js';
import {
  addHealthyOptions,
  addRunOptions,
  addScopeOptions,
  type HealthyOptions,
  type RunOptions,
  type ScopeOptions,
} from '../arguments.js';
import { assertHealthyOptions, findHealthyPoint } from '../healthy.js';
import { pointChoice } from '../points.js';
import { assertCanAsk, pick } from '../prompt.js';
import { assertConfirmable, performRun } from '../runs.js';
import type { Session } from '../session.js';

interface Options extends RunOptions, ScopeOptions, HealthyOptions {
  toSnapshot?: string;
}

export function define(command: Command, session: () => Session): void {
  command.argument('[point]', 'id, unique prefix of one, name, latest, latest~1; asked for when absent');
  addHealthyOptions(addScopeOptions(addRunOptions(command)))
    .option('--to-snapshot <name>', 'the point with this name')
    .addHelpText(
      'after',
      '\nExamples:\n  compose-rollback rollback rb-a1b2c3d4e5f6 --dry-run\n  compose-rollback rollback latest~1 --services api,redis\n  compose-rollback rollback stable --yes',
    )
    .action((point: string | undefined, options: Options) => rollback(session(), point, options));
}

async function rollback(session: Session, named: string | undefined, options: Options): Promise<void> {
  const {
    dryRun = false,
    detailedExitcode,
    toSnapshot,
    healthy,
    services,
    configOnly,
    outside,
    git,
    leaveTags,
  } = options;
  assertOnePoint({ 'a point': named, '--to-snapshot': toSnapshot, '--healthy': healthy });
  assertHealthyOptions(options);
  const confirmation = { yes: session.globals.yes, dryRun, what: 'rollback' };
  assertConfirmable(session, confirmation);
  const point = named ?? toSnapshot ?? (healthy ? await findHealthyPoint(session) : await choose(session));
  const volumes = options.volumes && (!healthy || options.withVolumes === true);
  const scope = { services, configOnly, volumes, outside, git, leaveTags, returnOnFailure: options.return };
  await performRun(session, {
    ...confirmation,
    detailedExitcode,
    start: (library, run) => session.manager(library).rollback(point, { ...scope, ...run }),
  });
}

function assertOnePoint(given: Record<string, string | true | undefined>): void {
  const names = Object.keys(given).filter((name) => given[name] !== undefined);
  if (names.length < 2) return;
  throw new RollbackError('usage', `${names.join(' and ')} were given; only one of them can be meant`, {
    hint: 'leave one of them out',
  });
}

/** Throws `usage` without a terminal, `declined` when the person would not choose. */
async function choose(session: Session): Promise<string> {
  assertCanAsk(session, 'no point was named', 'name one: compose-rollback rollback latest');
  const points = await session.manager().listPointLines();
  if (points.length === 0) {
    throw new RollbackError('no-such-point', 'there are no rollback points yet', {
      hint: 'compose-rollback create makes one',
    });
  }
  const now = new Date().toISOString();
  const width = (session.environment.stderr.columns || 80) - 4;
  const choices = points.map((point) => ({
    name: pointChoice(point, now, width),
    value: point.id,
    short: point.id,
  }));
  const chosen = await pick(session, 'Roll back to', choices);
  if (chosen === undefined) throw new RollbackError('declined', 'no point was chosen; nothing was touched');
  return chosen;
}
