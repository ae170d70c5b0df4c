import type { Command } from 'commander';
import { differenceLines } from '../differences.js';
import { DIFFERENT } from '../exit-codes.js';
import type { Session } from '../session.js';

interface Options {
  exitCode?: true;
}

export function define(command: Command, session: () => Session): void {
  command
    .argument('<point>', 'id, unique prefix of one, name, latest, latest~1')
    .argument('[other]', 'another point; the present when absent')
    .option('--exit-code', 'exit with 1 when something differs')
    .action((point: string, other: string | undefined, options: Options) =>
      diff(session(), point, other, options),
    );
}

async function diff(
  session: Session,
  from: string,
  to: string | undefined,
  { exitCode }: Options,
): Promise<void> {
  const { output } = session;
  const differences = await session.manager().diff(from, to);
  if (exitCode && differences.length > 0) session.exitCode = DIFFERENT;
  output.document({ from, to: to ?? null, differences });
  const other = to ?? 'the present';
  if (differences.length === 0) output.print(`No difference between ${from} and ${other}`);
  else output.print(`From ${from} to ${other}:`, ...differenceLines(differences));
}
