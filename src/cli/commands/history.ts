import { Option, type Command } from 'commander';
import { parseCount } from '../arguments.js';
import type { Session } from '../session.js';
import { columns, printable, utc } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command
    .addOption(new Option('--limit <n>', 'only the newest n').argParser(parseCount))
    .action((options: { limit?: number }) => history(session(), options));
}

async function history(session: Session, { limit }: { limit?: number }): Promise<void> {
  const { output } = session;
  const records = await session.manager().history({ limit });
  output.document({ history: records });
  if (records.length === 0) output.print('Nothing was done yet.');
  output.print(
    ...columns(
      records.map(({ at, user, action, result, subjects, message }) => {
        const rest = [subjects.join(' '), message].filter((text) => text !== '').join('  ');
        return [utc(at), user, action, result, rest].map(printable);
      }),
    ),
  );
}
