import type { ComposeRequest } from '../engine/provider.js';
import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { OperationOf } from '../model/plan.js';
import type { InterpolationVariable, Project } from '../model/project.js';
import { composeRequest, type Workspace } from '../session/workspace.js';

/** What the services are made from. */
interface Source {
  model: ComposeModel | undefined;
  variables: InterpolationVariable[];
  project: Project;
}

/**
 * Has the provider make services, and start them unless told not to. A provider whose config hash covers dependencies gets those named
 * too, as long as it would not change them: else our containers would carry a hash that no plain `up` gives, and the next one would make
 * them anew for nothing. Nothing but the services themselves is started: finished one-shot dependencies stay finished.
 */
export async function bringUp(
  workspace: Workspace,
  source: Source,
  { services, start, scale }: Pick<OperationOf<'up'>, 'services' | 'start' | 'scale'>,
): Promise<void> {
  const { engine, provider, project } = workspace;
  // Without the signal: an operation that was begun is finished.
  const { signal: _, ...request } = composeRequest(workspace, source.project, source.variables);
  const needed = dependencies(source.model, services);
  const there =
    needed.length > 0 && (await provider.hashesDependencies())
      ? await asTheyAre(workspace, request, needed)
      : undefined;
  if (!there) {
    await provider.up(request, services, { start, scale });
    return;
  }
  await provider.up(request, [...services, ...needed], { start: false, scale: { ...scale, ...there } });
  if (!start) return;
  const made = await engine.containers({ project: project.name });
  const ours = made.filter(({ service, oneOff }) => service && services.includes(service) && !oneOff);
  await Promise.all(ours.map(({ id }) => engine.start(id)));
}

/** All that the services depend on, directly or through others, themselves left out. */
function dependencies(model: ComposeModel | undefined, services: string[]): string[] {
  const found = new Set(services);
  for (const service of found) {
    for (const needed of Object.keys(model?.services[service]?.depends_on ?? {})) found.add(needed);
  }
  return [...found].filter((service) => !services.includes(service));
}

/** The number of containers of each service; undefined when the provider would make, remove or change one of them. */
async function asTheyAre(
  { engine, provider, project }: Workspace,
  request: ComposeRequest,
  services: string[],
): Promise<Record<string, number> | undefined> {
  const [all, hashes] = await Promise.all([
    engine.containers({ project: project.name }),
    provider.hashes(request),
  ]);
  const isCurrent = async (container: Container, hash: string | undefined) =>
    container.configHash === hash && (await engine.image(container.imageRef))?.id === container.imageId;

  const counts: Record<string, number> = {};
  for (const service of services) {
    const containers = all.filter((container) => container.service === service && !container.oneOff);
    const current = await Promise.all(containers.map((container) => isCurrent(container, hashes[service])));
    if (containers.length === 0 || current.includes(false)) return undefined;
    counts[service] = containers.length;
  }
  return counts;
}
