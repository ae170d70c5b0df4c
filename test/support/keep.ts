import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** `KEEP_FAILED=1` keeps the projects of a test file that failed, to look at. */

interface Task {
  result?: { state?: string } | undefined;
  tasks?: Task[];
}

/** True when the file failed and its projects are to be kept. `file` is the argument that vitest gives to `afterAll`. */
export function isKept(file: Task): boolean {
  return process.env['KEEP_FAILED'] !== undefined && hasFailed(file);
}

function hasFailed(task: Task): boolean {
  return task.result?.state === 'fail' || (task.tasks?.some(hasFailed) ?? false);
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
