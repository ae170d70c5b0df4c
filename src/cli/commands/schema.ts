import type { Command } from 'commander';
import { loadDocuments, RollbackError } from '../../index.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .argument('[document]', 'a command; plan for dry runs, error for errors')
    .addHelpText(
      'after',
      '\nWithout a document the names are printed. The schemas are JSON Schema, draft 2020-12.',
    )
    .action((document: string | undefined) => schema(session(), document));
}

async function schema({ output }: Session, name: string | undefined): Promise<void> {
  const { DOCUMENT_NAMES, jsonSchemaOf } = await loadDocuments();
  if (name === undefined) {
    output.stdout.write(`${DOCUMENT_NAMES.join('\n')}\n`);
    return;
  }
  const found = jsonSchemaOf(name === 'snapshot' ? 'create' : name);
  if (!found) {
    throw new RollbackError('usage', `there is no document ${JSON.stringify(name)}`, {
      hint: `there are ${DOCUMENT_NAMES.join(', ')}`,
    });
  }
  output.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
}
