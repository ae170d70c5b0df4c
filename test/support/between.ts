import { execa } from 'execa';

/** What tests that have a project on both engines know of Podman. */

const { PODMAN: PROGRAM = '' } = process.env;

export const podman = async (...argv: string[]): Promise<string> =>
  (await execa(PROGRAM, argv, { stdin: 'ignore' })).stdout;

/** Removes all that Podman has of the project, without asking our own code. */
export async function clearPodman(project: string): Promise<void> {
  const filter = ['--filter', `label=com.docker.compose.project=${project}`];
  const listed = async (...argv: string[]) =>
    (await podman(...argv, '--quiet', ...filter)).split('\n').filter((line) => line !== '');
  const containers = await listed('ps', '--all');
  if (containers.length > 0) await podman('rm', '--force', '--time', '1', ...containers);
  for (const what of ['network', 'volume']) {
    const names = await listed(what, 'ls');
    if (names.length > 0) await podman(what, 'rm', '--force', ...names);
  }
}
