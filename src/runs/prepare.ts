import { relocateModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import type { HandlerTraits, Plan, PlanOptions } from '../model/plan.js';
import type { Hook } from '../model/config.js';
import type { Observation } from '../model/project.js';
import type { RunScope } from '../model/scope.js';
import { plan } from '../plan/plan.js';
import { isOtherKindOfEngine, type Target, type Traits } from '../plan/target.js';
import { sealContents } from '../project/contents.js';
import { fingerprint } from '../project/observe.js';
import {
  handlerOf,
  serviceConfig,
  observePresent,
  withLabels,
  withNameOf,
  type Workspace,
} from '../session/workspace.js';
import { withRecordedSettings } from '../session/recorded-settings.js';
import { collectFindings } from './findings.js';
import type { Resumed } from './volumes.js';

/** A plan towards a target on one engine, and what it was made from. */
export interface PreparedPlan {
  fingerprint: string;
  /** With the configuration that today's labels add. */
  workspace: Workspace;
  plan: Plan;
  observation: Observation;
  target: Target;
}

/** Observes, looks into everything that could stand in the way, and plans. Changes nothing. */
export async function prepare(
  caller: Workspace,
  recorded: Target,
  { kind, ...scope }: RunScope & Pick<PlanOptions, 'kind'>,
  resumed?: Resumed,
): Promise<PreparedPlan> {
  const workspace = await withRecordedSettings(withNameOf(caller, recorded.point), recorded.point);
  const target = asRecordedHere(workspace, recorded);
  workspace.emit({ type: 'phase', phase: 'observe', message: 'Looking at what runs' });
  assertServices(scope.services, target);
  const [observation, findings] = await Promise.all([
    observePresent(workspace, target),
    collectFindings(workspace, target, scope, resumed),
  ]);
  const labelled = observation.model
    ? await withLabels(workspace, observation.model)
    : withOwnHooks(await withLabels(workspace, target.model), workspace);
  const result = plan(
    withSealedContents(observation, target),
    target,
    traitsOf(labelled, target, observation),
    findings,
    {
      ...scope,
      kind,
      fingerprint: fingerprint(observation),
      now: new Date().toISOString(),
    },
  );
  const unknown = findUnknownServices(labelled, target, observation);
  if (unknown.length > 0) {
    const message = `the configuration names ${unknown.join(', ')}, which the project does not have`;
    workspace.emit({ type: 'warning', message });
  }
  workspace.emit({ type: 'plan', plan: result });
  return { workspace: labelled, plan: result, fingerprint: result.observation, observation, target };
}

/** Contents of files in containers can be compared by the key of the point alone. */
export function withSealedContents(observation: Observation, { facts }: Target): Observation {
  return facts ? { ...observation, facts: sealContents(observation.facts, facts.key) } : observation;
}

/** The point may have been made with another compose program, which calls what is only built by another name, and in another directory. */
function asRecordedHere({ project, provider, identity }: Workspace, target: Target): Target {
  const { point, model } = target;
  const images = Object.entries(point.images).map(([service, image]) => {
    const built = model?.services[service] && model.services[service].image === undefined;
    return [
      service,
      built ? { ...image, ref: provider.defaultImage(point.project.name, service, model) } : image,
    ];
  });
  const isForeign = isOtherKindOfEngine(point, identity.kind);
  return {
    ...target,
    model: model && relocateModel(model, point.project.directory, project.directory),
    facts: isForeign ? undefined : target.facts,
    foreignFacts: isForeign ? target.facts : undefined,
    point: { ...point, images: Object.fromEntries(images) },
  };
}

/** A point may have come from anywhere: labels in it say how a service is judged, and never what is run on this machine. */
function withOwnHooks(labelled: Workspace, { config }: Workspace): Workspace {
  const services = Object.entries(labelled.config.services).map(([name, service]) => {
    const { before_rollback = [], after_rollback = [] } = config.services[name] ?? {};
    return [name, { ...service, before_rollback, after_rollback }];
  });
  return { ...labelled, config: { ...labelled.config, services: Object.fromEntries(services) } };
}

function assertServices(services: string[] | undefined, { point }: Target) {
  const unknown = services?.filter((service) => !point.services.includes(service)) ?? [];
  if (unknown.length === 0) return;
  throw new RollbackError('usage', `point ${point.id} has no service ${unknown.join(', ')}`, {
    hint: `it has ${point.services.join(', ')}`,
  });
}

/** Services that are configured and exist nowhere: most likely mistyped. */
function findUnknownServices(
  { config }: Workspace,
  { point }: Target,
  { model, services }: Observation,
): string[] {
  const known = new Set([...point.services, ...Object.keys(services), ...Object.keys(model?.services ?? {})]);
  return Object.keys(config.services).filter((name) => !known.has(name));
}

/** What the handlers of all services concerned do, for the planner. */
export function traitsOf(workspace: Workspace, target: Target, observation: Observation): Traits {
  const services = new Set([...target.point.services, ...Object.keys(observation.services)]);
  return Object.fromEntries([...services].map((service) => [service, traits(workspace, target, service)]));
}

function traits(workspace: Workspace, { point, model }: Target, service: string): HandlerTraits {
  const handler = handlerOf(
    workspace,
    service,
    point.images[service]?.ref ?? model?.services[service]?.image ?? '',
  );
  const config = serviceConfig(workspace, service);
  return {
    kind: handler.kind,
    prepares: handler.prepare !== undefined,
    reloads: handler.reload !== undefined,
    settles: handler.settle !== undefined,
    before: config.before_rollback.map(showHook),
    after: config.after_rollback.map(showHook),
  };
}

/** The program only: arguments may hold secrets. */
function showHook(hook: Hook): string {
  return 'exec' in hook ? `${hook.exec[0]} (in the container)` : `${hook.run[0]} (on this machine)`;
}
