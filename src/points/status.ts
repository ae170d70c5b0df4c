import type { EngineIdentity } from '../model/engine.js';
import { LATEST_KINDS, LISTED_KINDS } from '../model/names.js';
import type { PointSummary } from '../model/point.js';
import type { Replacement } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import type { RunSummary } from '../model/run.js';
import { definitionChanges, findReplacements } from '../plan/replacement.js';
import type { Target } from '../plan/target.js';
import { readModel } from '../project/reading.js';
import { observePresent, type Workspace } from '../session/workspace.js';
import type { Store } from '../store/store.js';
import { differences, presentState, type Difference } from './diff.js';
import { openTarget } from './find.js';

/** The present at a glance. */
export interface Status {
  project: string;
  directory: string;
  engine: Pick<EngineIdentity, 'kind' | 'version' | 'host'>;
  provider: { name: string; version: string };
  services: { name: string; state: string; image: string | null; containers: number; health: string }[];
  /** How many points there are of the kinds that `list` shows without being asked. */
  points: number;
  /** The point that `latest` means, and what changed since. */
  latest: PointSummary | null;
  changes: Difference[];
  /** Services that run otherwise than their files say, and in what: the next `up` replaces them. */
  replaced: { service: string; differences: Replacement[] }[];
  /** A run that never ended: it was killed. */
  unfinished: RunSummary | null;
  warnings: string[];
}

/** Looks at the present and compares it with the latest point. */
export async function readStatus(workspace: Workspace): Promise<Status> {
  const { store, project } = workspace;
  const { kind, version, host } = workspace.identity;
  const index = await store.readIndex();
  const listed = index?.pointLines({ project: project.name, kinds: LISTED_KINDS }) ?? [];
  const latest = index?.latest(project.name, 0, LATEST_KINDS);
  const target = latest && (await openIfReadable(store, latest.id));
  const observation = await observePresent(workspace, target);
  return {
    project: project.name,
    directory: project.directory,
    engine: { kind, version, host },
    provider: { name: observation.provider.name, version: observation.provider.version },
    services: services(observation),
    points: listed.length,
    latest: latest ?? null,
    changes: target ? differences(target, presentState(observation)) : [],
    replaced: [...replacedServices(observation), ...(await replacedByVariables(workspace, observation))],
    unfinished: index?.runs({ project: project.name }).find((run) => run.ended === null) ?? null,
    warnings: [
      ...(latest && !target ? [`${latest.id} is encrypted: without its key nothing is compared`] : []),
      ...(observation.modelError ? [`the compose files do not resolve: ${observation.modelError}`] : []),
      ...observation.warnings,
    ],
  };
}

/** Undefined when it is encrypted and no key was given. */
async function openIfReadable(store: Store, id: string): Promise<Target | undefined> {
  if ((await store.isSealed({ id })) && !(await store.isKeyAtHand())) return undefined;
  return await openTarget(store, id);
}

function replacedServices({ services: observed, facts, model, project }: Observation): Status['replaced'] {
  if (!model) return [];
  return Object.values(observed).flatMap(({ name, containers, matchesFiles }) => {
    const [newest, own] = [containers.at(-1), facts.services[name]?.at(-1)];
    if (matchesFiles || !newest || !own || !model.services[name]) return [];
    const files = { model, project: project.name, directory: project.directory };
    return [{ service: name, differences: findReplacements(name, own, newest.imageRef, files) }];
  });
}

/** Services that run with values of a shell that is gone, which a plain `up` would not have. */
async function replacedByVariables(
  { provider, env, signal }: Workspace,
  { model, services: observed, variables, project }: Observation,
): Promise<Status['replaced']> {
  if (!model || variables.every(({ source }) => source !== 'container')) return [];
  const plain = await readModel(provider, project, env, signal);
  return Object.values(observed).flatMap(({ name, containers }) => {
    const [runs, says] = [model.services[name], plain.model?.services[name]];
    if (containers.length === 0 || !runs || !says) return [];
    const changed = definitionChanges(runs, says);
    return changed.length === 0 ? [] : [{ service: name, differences: changed }];
  });
}

function services({ services: observed, model }: Observation): Status['services'] {
  return Object.values(observed).map(({ name, containers }) => {
    const newest = containers.at(-1);
    const states = [...new Set(containers.map(({ state }) => state))];
    return {
      name,
      state: states.join(', ') || 'no container',
      image: newest?.imageRef ?? model?.services[name]?.image ?? null,
      containers: containers.length,
      health: newest?.health ?? 'none',
    };
  });
}
