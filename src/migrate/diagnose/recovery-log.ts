import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { printable } from '../../project/paths.js';
import { explained } from '../../store/files.js';

/** What was found and done in a move, for those who come later. In the project directory, under the name that the reference gives it. */

const LOG = 'migration-recovery.log';

/** Appends these lines, each with the time. Throws `failed` when it cannot be written. */
export async function logRecovery(directory: string, lines: string[]): Promise<void> {
  const path = join(directory, LOG);
  const at = new Date().toISOString();
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  await explained(`write ${LOG}`, async () => {
    await using file = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    await file.appendFile(lines.map((line) => `${at} ${printable(line)}\n`).join(''));
  });
}
