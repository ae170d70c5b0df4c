import type { EngineIdentity } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import type { Relocated } from '../session/workspace.js';
import type { Store } from '../store/store.js';
import type { RunKinds } from './kinds.js';
import { listRuns } from './unfinished.js';

/** The engine on which a project runs since a run took it away from `engine`; undefined while it is there. */
export async function findRelocation(
  kinds: RunKinds,
  store: Store,
  project: string,
  engine: EngineIdentity,
): Promise<Relocated | undefined> {
  try {
    const runs = await listRuns(store, project);
    const last = runs.find(({ kind, result }) => result === 'done' && kinds.find(kind)?.relocation);
    const relocation = last && (await kinds.find(last.kind)?.relocation?.(store, last.id));
    return relocation?.from === engine.id ? relocation.to : undefined;
  } catch (error) {
    // A history that cannot be read blocks only the commands that need it.
    const isUnreadable =
      error instanceof RollbackError &&
      ['damaged', 'not-supported', 'no-such-run', 'unsafe'].includes(error.code);
    if (!isUnreadable) throw error;
    return undefined;
  }
}
