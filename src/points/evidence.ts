import { engineEvidence, probeEvidence } from '../handlers/evidence.js';
import { isCheckConfigured } from '../handlers/verify.js';
import type { Evidence, Point } from '../model/point.js';
import type { Observation, ServiceObservation } from '../model/project.js';
import {
  handlerContext,
  handlerOf,
  serviceConfig,
  withLabels,
  type Workspace,
} from '../session/workspace.js';

/** What the checks of services answered while a point was made, and which of these services are failing. */
export interface GatheredEvidence {
  evidence: ReadonlyMap<string, Evidence>;
  failing: ReadonlySet<string>;
}

/** `create` waits no longer for a check. A refused connection or an HTTP error arrives within a few milliseconds. */
const DEADLINE_MS = 250;

/**
 * Asks the running services' own checks once, all at the same time. A service with a HEALTHCHECK needs no question: the engine has its answer
 * already. A check that starts a program in a container is made only when the user configured it: redis-cli takes some 50 ms (Docker 28.5). Never
 * throws, because a point is worth more than its evidence.
 */
export async function gatherEvidence(
  plain: Workspace,
  observation: Observation,
  services: string[] | undefined,
): Promise<GatheredEvidence> {
  const evidence = new Map<string, Evidence>();
  const failing = new Set<string>();
  const workspace = await withLabels(plain, observation.model);
  const gather = async ({ name, containers }: ServiceObservation) => {
    const isConfigured = isCheckConfigured(serviceConfig(workspace, name));
    const known = engineEvidence(containers, observation.takenAt);
    const isKnown = known?.by === 'state' || (known !== null && !isConfigured);
    const found = isKnown ? known : ((await probe(workspace, observation, name, isConfigured)) ?? known);
    if (!found) return;
    evidence.set(name, found);
    // A check that was chosen by a name may ask for something that the service never had.
    if (found.status === 'fail' && (found.by !== 'probe' || isConfigured)) failing.add(name);
  };
  const asked = Object.values(observation.services).filter(({ name }) => services?.includes(name) ?? true);
  await Promise.all(asked.map(gather));
  return { evidence, failing };
}

async function probe(
  workspace: Workspace,
  observation: Observation,
  service: string,
  isConfigured: boolean,
): Promise<Evidence | null> {
  const running = observation.services[service]?.containers.filter(({ state }) => state === 'running') ?? [];
  const [container] = running;
  if (!container) return null;
  try {
    const handler = handlerOf(workspace, service, container.imageRef);
    if (handler.checksInside && !isConfigured) return null;
    const context = handlerContext(workspace, service, observation.model);
    return await probeEvidence(handler, context, running, DEADLINE_MS);
  } catch {
    return null; // The configuration names a handler that is not known: a rollback reports that.
  }
}

/** The point with the evidence added. */
export function withEvidence(point: Point, { evidence, failing }: GatheredEvidence): Point {
  const containers = Object.entries(point.containers).map(([name, facts]) => [
    name,
    { ...facts, evidence: evidence.get(name) ?? facts.evidence },
  ]);
  return {
    ...point,
    containers: Object.fromEntries(containers),
    failing: point.services.filter((name) => failing.has(name)),
  };
}
