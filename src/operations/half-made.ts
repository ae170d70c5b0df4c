import { isHalfMade } from '../model/half-made.js';
import type { Workspace } from '../session/workspace.js';

/** Removes what compose had begun to make and will never finish, see `isHalfMade`: whatever comes next, it would be in the way. */
export async function removeHalfMade({ engine, project, emit }: Workspace): Promise<void> {
  const all = await engine.containers({ project: project.name });
  for (const container of all.filter((one) => isHalfMade(one, all))) {
    emit({ type: 'warning', message: `${container.name} is removed: compose did not finish making it` });
    await engine.remove(container.id);
  }
}
