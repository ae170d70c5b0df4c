import type { Command } from 'commander';
import { plural } from '../../index.js';
import type { Session } from '../session.js';
import { printable } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command.action(() => reindex(session()));
}

async function reindex(session: Session): Promise<void> {
  const { output } = session;
  const report = await session.manager().reindex();
  output.document(report);
  const { points, runs, audit, damaged } = report;
  const found = [plural(points, 'point'), plural(runs, 'run'), `${plural(audit, 'line')} of history`];
  if (!output.options.quiet) output.print(`Made the index again: ${found.join(', ')}`);
  output.note(...damaged.map(({ what, problem }) => printable(`! ${what} was left out: ${problem}`)));
}
