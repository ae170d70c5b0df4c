import type { Command } from 'commander';
import { plural } from '../../index.js';
import { assertDeletable, confirmDeletion, reportDeletion } from '../deletion.js';
import type { Session } from '../session.js';

export function define(command: Command, session: () => Session): void {
  command
    .argument('<point...>', 'ids, unique prefixes, names, latest, latest~1')
    .option('--force', 'pinned points too')
    .action((points: string[], options: { force?: true }) => remove(session(), points, options));
}

async function remove(session: Session, selectors: string[], { force }: { force?: true }): Promise<void> {
  assertDeletable(session, `deleting ${plural(selectors.length, 'point')} has to be confirmed`);
  const confirm = confirmDeletion(session);
  reportDeletion(session, await session.manager().deleteRollbackPoint(selectors, { force, confirm }));
}
