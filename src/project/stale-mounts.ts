import { readFile } from 'node:fs/promises';
import type { Container, EngineIdentity } from '../model/engine.js';
import type { Project, SkippedEntry } from '../model/project.js';
import { hasCode, isDenied, isMissing, relativeTo } from './paths.js';

/**
 * Files that were replaced under a running container: a file that is mounted by itself is held by its inode, so that the container goes on reading the
 * earlier one until it is started again. Nobody has those bytes but the kernel. Empty where the processes of containers cannot be looked at.
 */
export async function findStaleMounts(
  { directory }: Project,
  { local }: EngineIdentity,
  containers: Container[],
): Promise<SkippedEntry[]> {
  if (!local) return [];
  const found = await Promise.all(
    containers.map(async ({ pid, service, mounts }) => {
      const binds = mounts.filter(({ type }) => type === 'bind');
      const deleted = pid > 0 && binds.length > 0 ? await deletedMounts(pid) : new Set();
      return binds.flatMap(({ source, target }): SkippedEntry[] => {
        if (!deleted.has(target)) return [];
        const reason = `was replaced while ${service ?? 'a container'} ran, which still reads the earlier file: a restart would end that`;
        return [{ path: relativeTo(directory, source) ?? source, reason }];
      });
    }),
  );
  return found.flat();
}

/** Mount points of a process whose source has no name any more. The kernel writes spaces and the like as octal numbers. */
async function deletedMounts(pid: number): Promise<Set<string>> {
  const lines = (await readMounts(pid)).split('\n').map((line) => line.split(' '));
  const plain = (path: string) =>
    path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  return new Set(
    lines.flatMap(([, , , root = '', point = '']) => (root.endsWith('//deleted') ? plain(point) : [])),
  );
}

async function readMounts(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/mountinfo`, 'utf8');
  } catch (error) {
    // It has ended meanwhile, or is another user's.
    if (isMissing(error) || isDenied(error) || hasCode(error, 'EINVAL', 'ESRCH')) return '';
    throw error;
  }
}
