import type { Command } from 'commander';
import { plural, RollbackError, type Verification } from '../../index.js';
import { DAMAGED } from '../exit-codes.js';
import type { Session } from '../session.js';
import { indented, printable } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command
    .argument('[point]', 'id, unique prefix of one, name, latest, latest~1')
    .option('--all', 'all points, safety points included; so without a point')
    .addHelpText('after', '\nEnds with 1 when something is damaged.')
    .action((point: string | undefined, options: { all?: true }) => verify(session(), point, options));
}

async function verify(session: Session, point: string | undefined, { all }: { all?: true }): Promise<void> {
  const { output } = session;
  if (point !== undefined && all) {
    throw new RollbackError('usage', 'a point and --all were given; only one of them can be meant', {
      hint: 'leave one of them out',
    });
  }
  const points = await session.manager().verify(point);
  const damaged = points.filter(({ sound }) => !sound);
  if (damaged.length > 0) session.exitCode = DAMAGED;
  output.document({ points });
  if (points.length === 0) output.print('There are no points to verify.');
  if (!output.options.quiet || damaged.length > 0)
    output.print(...points.flatMap((one) => lines(session, one)));
}

function lines({ output }: Session, { id, sound, files, problems }: Verification): string[] {
  if (sound) return [`${output.style('green', '✓')} ${id}: ${plural(files, 'file')} as recorded`];
  const found = problems.map(({ path, problem }) => printable(`${path}: ${problem}`));
  return [`${output.style('red', '✗')} ${id}: damaged`, ...indented(found)];
}
