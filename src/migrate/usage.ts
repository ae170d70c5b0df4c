import { RollbackError } from '../model/errors.js';
import type { DataSource } from '../project/data.js';
import { chooseCopier, locateData } from '../operations/data.js';
import type { Workspace } from '../session/workspace.js';

/**
 * What data takes that would be copied, in bytes by name: on the disk where we may look, else as the engine tells; null where nobody can tell, which is told
 * where the engine fails. What is not there is left out. Throws `failed` when the disk cannot be looked at.
 */
export async function usageOf(
  workspace: Workspace,
  sources: readonly DataSource[],
): Promise<Record<string, number | null>> {
  const usage: Record<string, number | null> = {};
  let told: Record<string, number> | undefined;
  // One after the other: the disk is the same.
  for (const source of sources) {
    const place = await locateData(workspace, source);
    if (!place) continue;
    const copier = await chooseCopier(workspace, place);
    usage[source.name] = null;
    if (copier.driver === 'host') usage[source.name] = await copier.copier.usage(place, workspace.signal);
    if (copier.driver === 'api') {
      told ??= await sizesTold(workspace);
      usage[source.name] = told[source.name] ?? null;
    }
  }
  return usage;
}

/** Nothing where the engine does not say: Docker 20.10 answers one such question at a time. */
async function sizesTold({ engine, emit }: Workspace): Promise<Record<string, number>> {
  try {
    return await engine.volumeSizes();
  } catch (error) {
    if (!(error instanceof RollbackError && error.code === 'failed')) throw error;
    emit({ type: 'warning', message: `how much the volumes hold is not known: ${error.message}` });
    return {};
  }
}
