import type { Plan } from '../model/plan.js';
import type { Point } from '../model/point.js';
import { CONTAINER_FACTS, type Fact, type Facts, type ProjectFacts, ruleOf } from '../model/facts.js';
import type { Observation } from '../model/project.js';
import type { RunScope } from '../model/scope.js';
import { removeHalfMade } from '../operations/half-made.js';
import { performing } from '../operations/executor.js';
import { performers } from '../operations/performers.js';
import { describe } from '../plan/render.js';
import { plan } from '../plan/plan.js';
import { absolutePath, boundPaths, isUp } from '../plan/services.js';
import type { Target } from '../plan/target.js';
import { projectOf } from '../points/facts.js';
import { openTarget } from '../points/find.js';
import { filesOfServices } from '../project/binds.js';
import { fingerprint } from '../project/observe.js';
import { observePresent, withNameOf, type Workspace } from '../session/workspace.js';
import { collectFindings } from './findings.js';
import { traitsOf, withSealedContents } from './prepare.js';
import type { WayBack } from './return.js';
import { discardStaged } from './volumes.js';

export interface WayBackRequest {
  /** Id of the run that goes back. */
  run: string;
  /** Id of its safety point. */
  safety: string;
  scope: RunScope;
}

/** Plans the way back of a run on one engine, to its safety point. Removes what a killed provider left half made. */
export async function planWayBack(
  caller: Workspace,
  { run, safety, scope }: WayBackRequest,
): Promise<WayBack<Plan>> {
  const target = await openTarget(caller.store, safety);
  // It is not cancelled with the run.
  const workspace = { ...withNameOf(caller, target.point), signal: new AbortController().signal };
  await workspace.store.dropUnrecorded(target.point);
  await removeHalfMade(workspace);
  const { plan: way, observation } = await planToSafetyPoint(workspace, target, scope);
  const perform = performing(
    performers(workspace, {
      ...target,
      project: projectOf(target.point, workspace.project.directory),
      present: observation.model,
      run,
      safety,
      returning: true,
    }),
  );
  const findRemaining = async () => {
    const made = way.operations.flatMap((operation) => (operation.kind === 'up' ? operation.services : []));
    // What was done to data proved itself; a second look could only say that it is not as it was recorded.
    const { plan: left } = await planToSafetyPoint(workspace, target, { ...scope, volumes: false }, { made });
    const remaining = listRemaining(left, target.point);
    if (remaining.length === 0) await discardStaged(workspace, target.point);
    return remaining;
  };
  return { plan: way, perform, findRemaining };
}

/** @param done services that the provider has just made from the files of the target; undefined before the way back */
async function planToSafetyPoint(
  workspace: Workspace,
  safety: Target,
  scope: RunScope,
  done?: { made: string[] },
): Promise<{ plan: Plan; observation: Observation }> {
  const [present, findings] = await Promise.all([
    observePresent(workspace, safety),
    collectFindings(workspace, safety, scope),
  ]);
  const sealed = withSealedContents(present, safety);
  const observation = done ? withEssentials(sealed, safety, done.made) : sealed;
  const target = done ? leaveFilesOfServices(safety, present) : safety;
  const way = plan(observation, target, traitsOf(workspace, target, observation), findings, {
    ...scope,
    kind: 'return',
    fingerprint: fingerprint(observation),
    now: new Date().toISOString(),
  });
  return { plan: way, observation };
}

/**
 * Once services run again, they may have written to their files, and the engine has made an empty directory for each mount whose source is gone,
 * as it was before.
 */
function leaveFilesOfServices(target: Target, present: Observation): Target {
  const written = filesOfServices(present);
  const mounted = boundPaths(
    present,
    Object.values(present.services).flatMap(({ containers }) => containers.filter(isUp)),
  );
  const made = present.configuration.entries.filter(
    (entry) =>
      entry.type === 'directory' &&
      !entry.others &&
      mounted.includes(absolutePath(present.project.directory, { path: entry.path, outside: false })),
  );
  const entries = target.point.entries
    .filter(({ path, type }) => type !== 'absent' || !made.some((entry) => entry.path === path))
    .map((entry) =>
      entry.type === 'file' && written.has(entry.path) ? { ...entry, unsteady: true as const } : entry,
    );
  return { ...target, point: { ...target.point, entries } };
}

/**
 * Of services that have just been made only the essentials count: what else differs cannot be had. The provider may leave dependencies out of the hash
 * that it writes down, so its hash says nothing about them.
 */
function withEssentials(observation: Observation, { facts }: Target, made: string[]): Observation {
  const services = Object.entries(observation.services).map(([name, service]) => {
    if (!made.includes(name)) return [name, service] as const;
    const containers = service.containers.map((container) => ({ ...container, configHash: undefined }));
    return [name, { ...service, containers }] as const;
  });
  const present = Object.entries(observation.facts.services).map(([name, containers]) => [
    name,
    facts && made.includes(name) ? essentials(facts, name, containers) : containers,
  ]);
  return {
    ...observation,
    services: Object.fromEntries(services),
    facts: { ...observation.facts, services: Object.fromEntries(present) },
  };
}

/** The recorded facts with the essential ones of the present. */
function essentials(recorded: ProjectFacts, service: string, present: Facts[]): Facts[] {
  const isEssential = ([key]: [string, Fact]) => ruleOf(CONTAINER_FACTS, key)?.essential === true;
  return present.map((facts, index) => {
    const then = recorded.services[service]?.[index] ?? recorded.services[service]?.at(-1) ?? {};
    const others = Object.entries(then).filter((entry) => !isEssential(entry));
    return Object.fromEntries([...others, ...Object.entries(facts).filter(isEssential)]);
  });
}

/** What still differs. A service that already failed before the run may go on failing: that is the earlier state. */
function listRemaining({ operations }: Plan, { containers }: Point): string[] {
  const wasUnhealthy = (service: string) => containers[service]?.health === 'unhealthy';
  return operations
    .filter((operation) => !['hook', 'settle', 'verify', 'prepare'].includes(operation.kind))
    .filter(
      (operation) =>
        !['start', 'stop'].includes(operation.kind) ||
        !('services' in operation) ||
        !operation.services.every(wasUnhealthy),
    )
    .map(describe);
}
