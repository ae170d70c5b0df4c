import type { ComposeRequest, UpOptions } from '../engine/provider.js';
import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import type { ProjectFacts } from '../model/facts.js';
import type { OperationOf } from '../model/plan.js';
import type { Point } from '../model/point.js';
import type { InterpolationVariable, Project } from '../model/project.js';
import { isSameRelease } from '../model/versions.js';
import { canReadModelOf, isSameDefinition } from '../plan/definitions.js';
import { modelFromFacts } from '../plan/override.js';
import { readContainers } from '../project/containers.js';
import { composeRequest, type Workspace } from '../session/workspace.js';

/** What the services are made from. */
interface Source {
  model: ComposeModel | undefined;
  variables: InterpolationVariable[];
  project: Project;
  /** The recorded state that they belong to; undefined for services that are made as the files say today. */
  recorded?: { point: Point; facts: ProjectFacts | undefined } | undefined;
}

type Request = Pick<OperationOf<'up'>, 'services' | 'start' | 'scale' | 'recreate' | 'from'>;

/**
 * Has the provider make services, and start them unless told not to: from the files, or from a resolved model where the files give something else
 * than was recorded. Nothing but the services themselves is started: finished one-shot dependencies stay finished.
 */
export async function bringUp(workspace: Workspace, source: Source, request: Request): Promise<void> {
  const { provider } = workspace;
  // Without the signal: an operation that was begun is finished.
  const { signal: _, ...composed } = composeRequest(workspace, source.project, source.variables);
  const { services, start, scale, recreate } = request;
  const options = { start, scale, ...(recreate ? { recreate } : {}) };
  const model = await modelToUse(workspace, source, request, composed);
  if (model) await provider.upModel(composed, model, services, options);
  else await upFromFiles(workspace, source, composed, services, options);
}

/** Undefined where the files give what was recorded, or where nothing else can be used. */
async function modelToUse(
  workspace: Workspace,
  { model, recorded, project }: Source,
  { services, from }: Request,
  request: ComposeRequest,
): Promise<ComposeModel | undefined> {
  const { provider } = workspace;
  if (!recorded || !model) return undefined;
  const { point, facts } = recorded;
  if (from === 'facts') {
    if (facts) return modelFromFacts({ model, point }, facts, services, project.directory);
    throw new RollbackError('failed', 'the point has no facts that services could be made of');
  }
  const version = await provider.version();
  if (!provider.readsModels || !canReadModelOf(point.metadata.provider, version)) return undefined;
  const isSame = isSameRelease(point.metadata.provider.version, version)
    ? await sameModel(workspace, request, model)
    : await sameHashes(workspace, request, model);
  return isSame === undefined || services.every(isSame) ? undefined : model;
}

async function sameModel(
  { provider }: Workspace,
  request: ComposeRequest,
  model: ComposeModel,
): Promise<(service: string) => boolean> {
  const resolved = await provider.config(request, { allProfiles: true });
  return (service) => isSameDefinition(resolved.services[service], model.services[service]);
}

/** Two releases of compose may print the same thing in two ways. Undefined when today's cannot read what the other printed. */
async function sameHashes(
  { provider }: Workspace,
  request: ComposeRequest,
  model: ComposeModel,
): Promise<((service: string) => boolean) | undefined> {
  try {
    const [resolved, recorded] = await Promise.all([
      provider.config(request, { allProfiles: true }),
      provider.hashModel(request, model),
    ]);
    const files = await provider.hashModel(request, resolved);
    return (service) => files[service] === recorded[service];
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'provider-failed') return undefined;
    throw error;
  }
}

/**
 * A provider whose config hash covers dependencies gets those named too, as long as it would not change them: else our containers would carry a hash
 * that no plain `up` gives, and the next one would make them anew for nothing.
 */
async function upFromFiles(
  workspace: Workspace,
  { model }: Source,
  request: ComposeRequest,
  services: string[],
  options: UpOptions,
): Promise<void> {
  const { engine, provider, project } = workspace;
  const needed = dependencies(model, services);
  const there =
    needed.length > 0 && (await provider.hashesDependencies())
      ? await asTheyAre(workspace, request, needed)
      : undefined;
  // All that are named are made anew.
  if (!there || options.recreate) {
    await provider.up(request, services, options);
    return;
  }
  await provider.up(request, [...services, ...needed], {
    start: false,
    scale: { ...options.scale, ...there },
  });
  if (!options.start) return;
  const { replicas } = await readContainers(engine, project);
  const ours = replicas.filter(({ service }) => service !== undefined && services.includes(service));
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
  const [{ replicas }, hashes] = await Promise.all([
    readContainers(engine, project),
    provider.hashes(request),
  ]);
  const isCurrent = async (container: Container, hash: string | undefined) =>
    container.configHash === hash && (await engine.image(container.imageRef))?.id === container.imageId;

  const counts: Record<string, number> = {};
  for (const service of services) {
    const containers = replicas.filter((container) => container.service === service);
    const current = await Promise.all(containers.map((container) => isCurrent(container, hashes[service])));
    if (containers.length === 0 || current.includes(false)) return undefined;
    counts[service] = containers.length;
  }
  return counts;
}
