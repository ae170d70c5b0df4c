import type { DataSource } from '../project/data.js';
import { chooseCopier, locateData } from '../run/data.js';
import type { Workspace } from '../run/workspace.js';

/**
 * What data takes that would be copied, in bytes by name: on the disk where we may look, else as the engine tells; null where nobody can tell. What is not
 * there is left out. Throws `failed`.
 */
export async function usageOf(
  workspace: Workspace,
  sources: readonly DataSource[],
): Promise<Record<string, number | null>> {
  const { engine, signal } = workspace;
  const usage: Record<string, number | null> = {};
  let told: Record<string, number> | undefined;
  // One after the other: the disk is the same.
  for (const source of sources) {
    const place = await locateData(workspace, source);
    if (!place) continue;
    const copier = await chooseCopier(workspace, place);
    usage[source.name] = null;
    if (copier.driver === 'host') usage[source.name] = await copier.copier.usage(place, signal);
    if (copier.driver === 'api') {
      told ??= await engine.volumeSizes();
      usage[source.name] = told[source.name] ?? null;
    }
  }
  return usage;
}
