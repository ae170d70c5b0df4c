import { isAbsolute } from 'node:path';
import type { Container } from '../../model/engine.js';
import { RollbackError } from '../../model/errors.js';
import type { Workspace } from '../../session/workspace.js';
import { ownMark } from '../../store/process.js';

/** Whether the user of a container may write where its data is, as seen inside: user namespaces make the numbers outside others. */

export interface Ownership {
  /** Who the main process runs as. */
  uid: number;
  gid: number;
  owner: number;
  group: number;
  /** Octal, as `stat` tells it. */
  mode: string;
  writable: boolean;
}

/** Where the data is in a container of ours. */
export const TARGET = '/compose-rollback-data';

/**
 * Asked of the image's own `stat` and `id`, in a container of ours that is gone afterwards. Undefined for root, who may always write. Throws `failed`
 * when the image has no such programs.
 */
export async function ownershipOf(
  workspace: Workspace,
  container: Pick<Container, 'user' | 'imageId'>,
  source: string,
): Promise<Ownership | undefined> {
  const [user = '', group] = container.user.split(':');
  if (['', '0', 'root'].includes(user)) return undefined;
  const ask = async (argv: string[]) => (await askImage(workspace, container, source, argv)).split(/\s+/);
  const [owner, owningGroup, mode = ''] = await ask(['stat', '-c', '%u %g %a', TARGET]);
  const isNumber = /^\d+$/.test(user);
  const uid = isNumber ? Number(user) : Number((await ask(['id', '-u', user]))[0]);
  const groups = isNumber || group !== undefined ? [group ?? '0'] : await ask(['id', '-G', user]);
  const bits = Number.parseInt(mode, 8);
  const [own, shared, others] = [bits & 0o300, bits & 0o030, bits & 0o003];
  const writable =
    uid === Number(owner)
      ? own === 0o300
      : groups.some((one) => Number(one) === Number(owningGroup))
        ? shared === 0o030
        : others === 0o003;
  return { uid, gid: Number(groups[0]), owner: Number(owner), group: Number(owningGroup), mode, writable };
}

/** What a program of the container's image says when it runs as root with the data at `TARGET`; the last lines of it. Throws `failed` with its words. */
export async function askImage(
  workspace: Workspace,
  { imageId: image }: Pick<Container, 'imageId'>,
  source: string,
  command: string[],
  lines = 3,
): Promise<string> {
  const { engine, signal } = workspace;
  const owner = await ownMark();
  const mounts = { [await mountableOf(workspace, source)]: TARGET };
  const helper = await engine.createHelper({ owner, image, mounts, command });
  try {
    const exitCode = await engine.runHelper(helper, { signal });
    const words = (await engine.logs(helper, lines)).trim();
    if (exitCode === 0) return words;
    throw new RollbackError(
      'failed',
      `${command[0]} in ${image.slice(7, 19)}: ${words || `exit code ${exitCode}`}`,
    );
  } finally {
    await engine.removeHelper(helper);
  }
}

/**
 * Podman gives an empty volume to the user of each container that mounts it (measured, 5.8.6): its directory is mounted instead, so that asking
 * changes nothing.
 */
async function mountableOf({ engine, identity }: Workspace, source: string): Promise<string> {
  if (identity.kind !== 'podman' || isAbsolute(source)) return source;
  const volume = await engine.volume(source);
  // Others have their data there only while a container uses them.
  const isPlain = volume?.driver === 'local' && Object.keys(volume.options).length === 0;
  return isPlain && volume.mountpoint !== '' ? volume.mountpoint : source;
}
