import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from '../model/engine.js';
import type { HandlerContext } from './handler.js';

/**
 * A file under `/proc/<pid>/` of a container's main process: a look inside without running anything there. Undefined when the
 * engine is not on this machine, the process is not the container's, or the file cannot be read.
 */
export async function readOfProcess(
  context: HandlerContext,
  container: Container,
  path: string,
): Promise<Buffer | undefined> {
  if (!context.local || container.pid === 0) return undefined;
  const proc = `/proc/${container.pid}`;
  // A process id means something only in the engine's own process namespace: where we run in a container beside it, the
  // number may be somebody else's. The control group names the container.
  const group = await readIfThere(`${proc}/cgroup`);
  if (group?.includes(container.id) !== true) return undefined;
  return await readIfThere(join(proc, path));
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code === 'string' && ['ENOENT', 'EACCES', 'EPERM', 'ESRCH', 'ENOTDIR'].includes(code)) {
      return undefined;
    }
    throw error;
  }
}
