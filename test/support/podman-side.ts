import { dirname } from 'node:path';
import { execa } from 'execa';
import { overStumbles } from '../../src/engine/stumbles.js';

/** The Podman beside Docker, for tests of what is between them (`eval "$(test/lab/engines.sh env podman)"`). */

const { PODMAN = '/PODMAN-is-not-set', PATH = '' } = process.env;

/** For programs that look for podman themselves. */
export const PATH_WITH_PODMAN = `${dirname(PODMAN)}:${PATH}`;

/** Runs the `podman` program; its stdout, trimmed. Throws with its stderr when it fails. */
export async function podman(...argv: string[]): Promise<string> {
  return (await overStumbles(() => execa(PODMAN, argv, { stdin: 'ignore' }))).stdout;
}

/** What the project has there, by name: containers, running or not, or networks, or volumes. */
export async function atPodman(what: 'container' | 'network' | 'volume', project: string): Promise<string[]> {
  const filter = ['--filter', `label=com.docker.compose.project=${project}`];
  const [all, name] = what === 'container' ? [['--all'], '{{.Names}}'] : [[], '{{.Name}}'];
  return lines(await podman(what, 'ls', ...all, '--format', name, ...filter)).toSorted();
}

/** No container, network or volume of the project is left there; its images are. */
export async function emptyPodman(project: string): Promise<void> {
  const containers = await atPodman('container', project);
  if (containers.length > 0) await podman('rm', '--force', '--time', '1', ...containers);
  for (const what of ['network', 'volume'] as const) {
    const found = await atPodman(what, project);
    if (found.length > 0) await podman(what, 'rm', '--force', ...found);
  }
}

/** Nothing of the project is left there, its images included. */
export async function clearPodman(project: string): Promise<void> {
  await emptyPodman(project);
  const images = lines(await podman('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}')).filter((tag) =>
    tag.replace(/^(?:localhost|docker\.io\/library)\//, '').startsWith(project),
  );
  if (images.length > 0) await podman('image', 'rm', '--force', ...images);
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
