import type { ProjectFacts } from '../model/facts.js';
import type { Findings } from '../model/plan.js';
import { anonymousVolume } from '../plan/changes.js';
import type { Workspace } from '../session/workspace.js';

/**
 * Recorded volumes without a name, and networks of others, that no new container can be given: the engine no longer has them, or the provider makes
 * containers from files only, which name no such volume.
 */
export async function findLost(
  { engine, provider }: Workspace,
  facts: ProjectFacts | undefined,
): Promise<Pick<Findings, 'lostVolumes' | 'lostNetworks'>> {
  const containers = Object.values(facts?.services ?? {}).flat();
  const volumes = containers.flatMap((one) =>
    Object.values(one).flatMap(({ value }) => anonymousVolume(value) ?? []),
  );
  const networks = containers.flatMap((one) =>
    Object.keys(one).flatMap((key) => (key.startsWith('network.') ? key.slice('network.'.length) : [])),
  );
  // Those of the project are made when they are needed.
  const others = networks.filter((name) => facts?.networks[name] === undefined);
  const [lostVolumes, lostNetworks] = await Promise.all([
    findMissing(volumes, async (name) => provider.readsModels && (await engine.hasVolume(name))),
    findMissing(others, (name) => engine.hasNetwork(name)),
  ]);
  return { lostVolumes, lostNetworks };
}

async function findMissing(names: string[], isThere: (name: string) => Promise<boolean>): Promise<string[]> {
  const unique = [...new Set(names)];
  const found = await Promise.all(unique.map(isThere));
  return unique.filter((_, index) => !found[index]);
}
