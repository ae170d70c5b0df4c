import type { Command } from 'commander';
import type { Session } from '../session.js';
import { printable } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command.action(() => init(session()));
}

async function init(session: Session): Promise<void> {
  const { output } = session;
  const report = await session.manager().init();
  output.document(report);
  if (output.options.quiet) return;
  output.print(`Wrote ${printable(report.config)}: every setting, with its default`);
  if (report.ignored !== null) output.print(`Added ${printable(report.ignored)} to .gitignore`);
}
