import type { Command } from 'commander';
import { differenceLines } from '../differences.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .argument('<point>', 'id, unique prefix of one, name, latest, latest~1')
    .argument('[other]', 'another point; the present when absent')
    .action((point: string, other: string | undefined) => diff(session(), point, other));
}

async function diff(session: Session, from: string, to: string | undefined): Promise<void> {
  const { output } = session;
  const differences = await session.manager().diff(from, to);
  output.document({ from, to: to ?? null, differences });
  const other = to ?? 'the present';
  if (differences.length === 0) output.print(`No difference between ${from} and ${other}`);
  else output.print(`From ${from} to ${other}:`, ...differenceLines(differences));
}
