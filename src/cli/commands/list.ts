import type { Command } from 'commander';
import { pointBlock } from '../points.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .option('--safety', 'safety points too: those that rollbacks take of the state before them')
    .addHelpText('after', '\nWith --quiet only the ids are printed, one a line.')
    .action((options: { safety?: true }) => list(session(), options));
}

async function list(session: Session, request: { safety?: true }): Promise<void> {
  const { output } = session;
  const manager = session.manager();
  if (output.options.json) {
    const documents = await manager.listPointDocuments(request);
    // Passed on as they are stored: parsing thousands of them would be most of the work.
    output.stdout.write(`{"points":[\n${documents.join(',\n')}\n]}\n`);
    return;
  }
  const points = await manager.listPointLines(request);
  if (output.options.quiet) {
    output.print(...points.map(({ id }) => id));
    return;
  }
  if (points.length === 0) {
    output.print('Found 0 rollback points.');
    output.note('Make one with: compose-rollback create "Before the next change"');
    return;
  }
  const bold = (text: string) => output.style('bold', text);
  const blocks = points.map((point, index) => pointBlock(point, index + 1, bold).join('\n'));
  output.print(`Found ${points.length} rollback point(s):\n`, blocks.join('\n\n'));
}
