import { readContainers } from '../project/containers.js';
import type { Workspace } from '../session/workspace.js';

/** Removes what compose had begun to make and will never finish, see `isHalfMade`: whatever comes next, it would be in the way. */
export async function removeHalfMade({ engine, project, emit }: Workspace): Promise<void> {
  for (const container of (await readContainers(engine, project)).halfMade) {
    emit({ type: 'warning', message: `${container.name} is removed: compose did not finish making it` });
    await engine.remove(container.id);
  }
}
