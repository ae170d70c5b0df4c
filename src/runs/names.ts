import type { Findings } from '../model/plan.js';
import { inParallel } from '../model/parallel.js';
import type { Target } from '../plan/target.js';
import type { Workspace } from '../session/workspace.js';

/** Requests under way at once: over ssh each is a connection of its own. */
const PARALLEL = 8;

/** The containers that have the names that containers of the target's services will need, the project's own among them. */
export async function findTakenNames(
  { engine, provider }: Workspace,
  { point, model }: Target,
): Promise<Findings['takenNames']> {
  const { name: project } = point.project;
  // Providers join names of containers as they join those of the images that they build.
  const separator = provider.defaultImage('a', 'b', model).includes('a-b') ? '-' : '_';
  const wanted = Object.entries(model?.services ?? {}).flatMap(([service, { container_name: given }]) => {
    if (typeof given === 'string' && given !== '') return [{ service, name: given }];
    const replicas = point.containers[service]?.replicas ?? 0;
    return Array.from({ length: replicas }, (_, index) => ({
      service,
      name: [project, service, index + 1].join(separator),
    }));
  });
  const valid = wanted.filter(({ name }) => /^[A-Za-z0-9][\w.-]*$/.test(name));
  const found = await inParallel(PARALLEL, valid, async ({ service, name }) => {
    const holder = await engine.container(name);
    // The engine takes the beginning of an id for a name, too.
    return holder?.name === name
      ? [{ service, name, holder: holder.id, project: holder.project ?? null }]
      : [];
  });
  return found.flat();
}
