import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach } from 'vitest';

/** `KEEP_FAILED=1` keeps the projects of a test file that failed, to look at. */

let ended = 0;
let failed = false;

afterEach(({ task }) => {
  ended += 1;
  failed ||= task.result?.state === 'fail';
});

/** True at the end of a file in which a test failed, or in which none ran because its set-up failed. */
export function isKept(): boolean {
  return process.env['KEEP_FAILED'] !== undefined && (failed || ended === 0);
}

/** Writes the logs of the project's containers into its folder, and prints where everything is. */
export async function keep(project: { name: string; directory: string }): Promise<void> {
  const log = join(project.directory, 'failed.log');
  const options = { cwd: project.directory, stdin: 'ignore', reject: false, all: true } as const;
  const states = await execa('docker', ['compose', '-p', project.name, 'ps', '--all'], options);
  const logs = await execa('docker', ['compose', '-p', project.name, 'logs', '--timestamps'], options);
  await writeFile(log, `${states.all}\n${logs.all}\n`);
  console.error(
    `kept the project ${project.name}: its files and backup directory are in ${project.directory}, its logs in ${log}`,
  );
}
