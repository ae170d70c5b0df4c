import type { Observation } from '../model/project.js';
import type { Decision } from './decision.js';
import type { Target } from './target.js';

/** Containers that were started from a folder that is gone, or under another name of the project. */

/** A container that mounts files of a folder that was moved cannot be started again: Docker would make directories at the old place. */
export function replacedWhenMoved(
  name: string,
  decision: Decision,
  { services }: Observation,
  { point, model }: Target,
): Decision {
  const from = services[name]?.containers.find(({ movedFrom }) => movedFrom !== undefined)?.movedFrom;
  const recorded = point.containers[name];
  if (from === undefined || !recorded || !model?.services[name]) return decision;
  if (decision.action !== 'start' && decision.action !== 'restart') return decision;
  const { replicas, running } = recorded;
  const cause = `${decision.cause}, and its files were moved from ${from}`;
  return { action: 'up', cause, start: running > 0, replicas, stop: true };
}

/** The name that its containers run under, where it is not that of the point. */
export function otherNameOf(
  service: string,
  { services }: Observation,
  { point }: Target,
): string | undefined {
  const names = services[service]?.containers.flatMap(({ project }) => project ?? []) ?? [];
  return names.find((name) => name !== point.project.name);
}
