import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { PointContainers } from '../model/point.js';
import { isUp } from './services.js';

/** Whether services run as they ran when the point was made. Pure. */

/**
 * Says what is wrong with the state of a service's containers. Undefined when as many run as were running, for a service that did not run or was
 * crashing then, and for a job that came to its good end.
 */
export function findStateProblem(
  service: string,
  recorded: PointContainers,
  containers: Container[],
  model: ComposeModel | undefined,
): string | undefined {
  if (recorded.running === 0 || wasCrashing(recorded)) return undefined;
  if (containers.some(({ state }) => state === 'restarting')) {
    return `${service} keeps restarting, and ran when the point was made`;
  }
  const up = containers.filter(
    (container) => isUp(container) || (isJob(service, model) && isDone(container)),
  );
  if (up.length >= recorded.running) return undefined;
  const ran = recorded.running === 1 ? 'it ran' : `${recorded.running} of them ran`;
  const runs = up.length === 0 ? 'does not run' : `has ${up.length} of its containers running`;
  return `${service} ${runs}, and ${ran} when the point was made`;
}

/** Earlier points tell no more than that it was unhealthy. */
function wasCrashing({ evidence, health }: PointContainers): boolean {
  return evidence === null ? health === 'unhealthy' : evidence.status === 'fail' && evidence.by === 'state';
}

/** Others wait for its end. */
function isJob(service: string, model: ComposeModel | undefined): boolean {
  return Object.values(model?.services ?? {}).some(
    ({ depends_on: needs }) => needs[service]?.condition === 'service_completed_successfully',
  );
}

const isDone = ({ state, exitCode }: Container) => state === 'exited' && exitCode === 0;
