import { readFile } from 'node:fs/promises';
import type { Engine } from '../engine/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { realpathOfExisting } from '../project/paths.js';
import { hasErrno } from '../store/files.js';

/** A container of the engine that we work with: what is written there and not on a mount vanishes with it. */

interface Mount {
  /** Path in the file system that is mounted. */
  root: string;
  /** Where it is mounted. */
  point: string;
}

/** Lines of `/proc/self/mountinfo`; blanks in paths are octal escapes. */
export function parseMounts(text: string): Mount[] {
  const path = (field = '') =>
    field.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '))
    .map((fields) => ({ root: path(fields[3]), point: path(fields[4]) }));
}

/** Id of the container that we are in: Docker and Podman mount these files from a folder with its name. */
export function ownContainerId(mounts: readonly Mount[]): string | undefined {
  const files = ['/etc/hostname', '/etc/hosts', '/etc/resolv.conf'];
  const roots = mounts.flatMap(({ root, point }) => (files.includes(point) ? root : []));
  return roots.flatMap((root) => /containers\/([0-9a-f]{64})\//.exec(root)?.[1] ?? [])[0];
}

/** Whether a path (real, absolute) is on something that was mounted into the container. */
export function isOnMount(mounts: readonly Mount[], path: string): boolean {
  return mounts.some(({ point }) => point !== '/' && (path === point || path.startsWith(`${point}/`)));
}

/**
 * @param mountinfo the process' own when absent
 * @throws RollbackError `usage` when the backup directory would vanish with this container
 */
export async function assertOutlivesContainer(
  engine: Pick<Engine, 'containers'>,
  backupDir: string,
  mountinfo?: string,
): Promise<void> {
  const mounts = parseMounts(mountinfo ?? (await readMounts()));
  const own = ownContainerId(mounts);
  if (own === undefined || isOnMount(mounts, await realpathOfExisting(backupDir))) return;
  // An engine that runs in this same container does not know it, and all of its containers vanish as well.
  if (!(await engine.containers()).some(({ id }) => id === own)) return;
  throw new RollbackError(
    'usage',
    `the backup directory ${quoted(backupDir)} would vanish with this container; nothing was made`,
    { hint: 'mount a directory of the host there, or name one that is mounted with --backup-dir' },
  );
}

async function readMounts(): Promise<string> {
  try {
    return await readFile('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
