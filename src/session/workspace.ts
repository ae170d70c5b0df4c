import type { Endpoint } from '../engine/endpoint.js';
import type { Engine } from '../engine/engine.js';
import type { ComposeProvider, ComposeRequest } from '../engine/provider.js';
import type { HandlerRegistry } from '../handlers/registry.js';
import type { Handler, HandlerContext } from '../handlers/handler.js';
import type { ComposeModel } from '../model/compose.js';
import { parseServiceConfig, type Config, type ServiceConfig } from '../model/config.js';
import type { Container, EngineIdentity, EngineKind } from '../model/engine.js';
import type { EventSink } from '../model/events.js';
import type { Point } from '../model/point.js';
import type { InterpolationVariable, Observation, Project } from '../model/project.js';
import type { RunSummary } from '../model/run.js';
import type { Target } from '../plan/target.js';
import { contentTargetsOf } from '../project/contents.js';
import { readContainers } from '../project/containers.js';
import { observe, type ObserveInput } from '../project/observe.js';
import { beginReading, type EarlyReading } from '../project/reading.js';
import { readLabels } from '../project/config.js';
import { quoted } from '../model/names.js';
import type { Store } from '../store/store.js';
import { warnAboutBuildContexts } from './settle-place.js';

/** One project, opened on its engine with its store: what every use-case works with. */
export interface Workspace {
  project: Project;
  config: Config;
  engine: Engine;
  /** Where the engine is reached, for helpers of ours that have to reach it too. */
  endpoint: Endpoint;
  identity: EngineIdentity;
  provider: ComposeProvider;
  store: Store;
  handlers: HandlerRegistry;
  /** The settings that could be read; `partial` when some of them make no sense, `unreadable` when a file of them is no YAML. */
  settings: 'whole' | 'partial' | 'unreadable';
  /** The environment we were called in. */
  env: Record<string, string | undefined>;
  /** Who calls, for the audit trail. */
  user: string;
  toolVersion: string;
  emit: EventSink;
  signal: AbortSignal;
  runFacts: RunFacts;
  /** The compose model and the containers, read early. The first observation takes them. */
  prefetched: Prefetched | undefined;
}

/** What opening a project and retention need to know about kinds of runs, which are defined above this floor. */
export interface RunFacts {
  /** The engine on which the project runs since a run took it away from `engine`. */
  findRelocation(store: Store, project: string, engine: EngineIdentity): Promise<Relocated | undefined>;
  /** Id of the point that `undo` of this run goes back to. */
  undoPointOf(run: RunSummary): string;
}

export interface Relocated {
  kind: EngineKind;
  /** Null for an engine that was started for one command. */
  host: string | null;
}

export interface Prefetched {
  reading: EarlyReading | undefined;
  /** All containers that carry the project's name; read by the observation when absent. */
  containers?: Container[];
}

/** Starts reading the compose files; the first observation takes the result. */
export function prefetchModel(workspace: Workspace): void {
  const { provider, project, env, signal } = workspace;
  workspace.prefetched = { reading: beginReading(provider, project, env, signal) };
}

/** Looks at the present, with everything the target is about to touch. */
export function observePresent(
  workspace: Workspace,
  target?: Pick<Target, 'point' | 'facts'>,
): Promise<Observation> {
  const contents = target?.facts && contentTargetsOf(target.facts);
  return observeWith(workspace, { target: target?.point, contents });
}

/** Looks at the present, with everything that is wanted back when a migration is given up. */
export function observeForMigration(workspace: Workspace): Promise<Observation> {
  return observeWith(workspace, { migrationFiles: workspace.config.migration_files });
}

async function observeWith(
  workspace: Workspace,
  more: Pick<ObserveInput, 'target' | 'contents' | 'migrationFiles'>,
): Promise<Observation> {
  const { prefetched, ...given } = workspace;
  workspace.prefetched = undefined;
  const observation = await observe({
    ...given,
    backupDir: workspace.store.path,
    ...more,
    ...(prefetched?.containers ? { containers: prefetched.containers } : {}),
    ...(prefetched?.reading ? { early: prefetched.reading } : {}),
  });
  await warnAboutBuildContexts(workspace, observation.model);
  return observation;
}

/** For a target that carries another name of the project: containers of that name which run from the project's folder are the project's too. */
export function withNameOf(workspace: Workspace, { project: { name } }: Pick<Point, 'project'>): Workspace {
  const { project, prefetched } = workspace;
  if (name === project.name || name === project.alias) return workspace;
  // What was read early is of one name.
  const reading = prefetched && { reading: prefetched.reading };
  return { ...workspace, project: { ...project, alias: name }, prefetched: reading };
}

/** The workspace with the configuration that the services' labels add to the files'. */
export async function withLabels(workspace: Workspace, model: ComposeModel | undefined): Promise<Workspace> {
  if (!model) return workspace;
  const { config, handlers, emit } = workspace;
  const warn = (message: string) => emit({ type: 'warning', message });
  const services = await readLabels(config.services, model, warn);
  return { ...workspace, config: { ...config, services: withKnownHandlers(handlers, services, warn) } };
}

/** Settings of services without handlers that nobody knows: a label may name one of another program. */
export function withKnownHandlers(
  handlers: HandlerRegistry,
  services: Config['services'],
  warn: (message: string) => void,
): Config['services'] {
  const kinds = handlers.kinds();
  const checked = Object.entries(services).map(([name, service]) => {
    const { handler, ...rest } = service;
    if (handler === undefined || kinds.includes(handler)) return [name, service] as const;
    warn(`service ${name}: there is no handler ${quoted(handler)}; it is left out`);
    return [name, rest] as const;
  });
  return Object.fromEntries(checked);
}

const DEFAULT_SERVICE_CONFIG: ServiceConfig = parseServiceConfig({});

export function serviceConfig(workspace: Workspace, service: string): ServiceConfig {
  const { services } = workspace.config;
  return (Object.hasOwn(services, service) ? services[service] : undefined) ?? DEFAULT_SERVICE_CONFIG;
}

/** The handler for a service that runs (or ran) this image. */
export function handlerOf(workspace: Workspace, service: string, imageRef: string): Handler {
  return workspace.handlers.choose({ service, imageRef, config: serviceConfig(workspace, service) });
}

/** What a handler gets to work with; `model` is the one its service runs by at that moment. */
export function handlerContext(
  workspace: Workspace,
  service: string,
  model: ComposeModel | undefined,
): HandlerContext {
  const { engine, project, identity, signal, emit } = workspace;
  return {
    service,
    engine,
    // A rootless engine has addresses and processes of its own.
    local: identity.local && !identity.rootless,
    containers: async () => {
      const { replicas } = await readContainers(engine, project);
      return replicas.filter((container) => container.service === service);
    },
    sibling: (other) => handlerContext(workspace, other, model),
    model: model?.services[service],
    config: serviceConfig(workspace, service),
    signal,
    report: (message) => emit({ type: 'progress', service, message }),
  };
}

/**
 * The request that makes the provider see a project as it was recorded: variables that came from a shell are set again,
 * and those that did not are unset, whatever today's shell says.
 */
export function composeRequest(
  workspace: Workspace,
  project: Project,
  variables: InterpolationVariable[],
): ComposeRequest {
  const env = { ...workspace.env };
  for (const { name, value } of variables) {
    if (value === null) delete env[name];
    else env[name] = value;
  }
  const { name, directory, files, profiles, envFiles } = project;
  return { name, directory, files, profiles, envFiles, env, signal: workspace.signal };
}
