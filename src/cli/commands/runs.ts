import type { Command } from 'commander';
import type { Session } from '../session.js';
import { columns, printable, utc } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command.action(() => runs(session()));
}

async function runs(session: Session): Promise<void> {
  const { output } = session;
  const found = await session.manager().runs();
  output.document({ runs: found });
  if (found.length === 0) output.print('No runs yet.');
  output.print(
    ...columns(
      found.map(({ id, started, kind, target, result, message }) => [
        id,
        utc(started),
        kind,
        target,
        result ?? 'unfinished',
        result === 'done' || message === null ? '' : printable(message),
      ]),
    ),
  );
}
