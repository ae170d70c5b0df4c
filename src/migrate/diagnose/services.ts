import type { Container } from '../../model/engine.js';
import { RollbackError } from '../../model/errors.js';
import type { Observation, ServiceObservation } from '../../model/project.js';
import { describeExit, lastWords } from '../../handlers/containers.js';
import { findTakenPorts } from '../../runs/ports.js';
import { handlerContext, type Workspace } from '../../session/workspace.js';
import type { Finding } from './finding.js';

/** Services that do not run as they should, and the ports that keep them from it. */

/** A container that was restarted and started less than so long ago is still at it. Milliseconds. */
const SETTLED_MS = 30_000;
/** Exit codes after SIGKILL and SIGTERM. */
const SIGNALLED = [137, 143];

export async function findPortConflicts(workspace: Workspace, { model }: Observation): Promise<Finding[]> {
  const taken = await findTakenPorts(workspace, model);
  return taken.map(({ service, port, holder }) => ({
    scenario: 'failed-startup',
    service,
    cause: 'a port that it publishes is taken',
    evidence: `${holder} holds ${port}`,
    fix: `stop what holds it, or publish another port in the compose file`,
  }));
}

export async function findDownServices(workspace: Workspace, observation: Observation): Promise<Finding[]> {
  const all = Object.values(observation.services)
    .filter(({ name }) => observation.model === undefined || observation.model.services[name])
    .map((service) => findDown(workspace, observation, service));
  return (await Promise.all(all)).flat();
}

async function findDown(
  workspace: Workspace,
  observation: Observation,
  { name, containers }: ServiceObservation,
): Promise<Finding[]> {
  const finding = { scenario: 'failed-startup' as const, service: name };
  const start = `start it: ${observation.provider.name} up -d ${name}`;
  if (containers.length === 0) {
    return [
      { ...finding, cause: 'it has no container', evidence: 'none of this project is of it', fix: start },
    ];
  }
  const context = handlerContext(workspace, name, observation.model);
  const found = containers.map(async (container): Promise<Finding[]> => {
    const words = async () =>
      `${container.name} ${describe(container)}${await lastWords(context, container)}`;
    if (isLooping(container)) {
      const fix = 'its log tells why it ends; without a cause elsewhere, go back to a point';
      return [{ ...finding, cause: 'it crashes again and again', evidence: await words(), fix }];
    }
    if (container.state === 'running') {
      const health = await healthOf(workspace, container);
      if (health !== 'unhealthy') return [];
      const fix = 'look at what its health check asks; then restart it, or go back to a point';
      return [{ ...finding, cause: 'its health check fails', evidence: await words(), fix }];
    }
    if (hasFinished(container, observation)) return [];
    return [{ ...finding, cause: 'it does not run', evidence: await words(), fix: start }];
  });
  return (await Promise.all(found)).flat();
}

function describe(container: Container): string {
  if (container.state === 'running') return `runs, restarted ${container.restartCount} times`;
  return container.exitCode === undefined ? `is ${container.state}` : describeExit(container);
}

/** Between two tries it runs for a moment, or, on Podman, has ended. One that was told to stop is none. */
function isLooping({ state, restartCount, startedAt, exitCode = 0 }: Container): boolean {
  if (state === 'restarting') return true;
  if (restartCount === 0) return false;
  if (state === 'running') return Date.now() - Date.parse(startedAt) < SETTLED_MS;
  return ![0, ...SIGNALLED].includes(exitCode);
}

/** Gone meanwhile is no news: the next look tells. */
async function healthOf({ engine }: Workspace, { id }: Container): Promise<Container['health']> {
  try {
    return await engine.health(id);
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'failed') return 'none';
    throw error;
  }
}

/** Some services do their work and end. One that somebody reaches, checks, restarts or waits for is none of them. */
function hasFinished({ service = '', exitCode, restart }: Container, { model }: Observation): boolean {
  const definition = model?.services[service];
  if (exitCode !== 0) return false;
  // A move holds back the container's own policy: the model's is what is meant, where there is one.
  const restarts = ['always', 'unless-stopped'].includes(definition ? (definition.restart ?? 'no') : restart);
  if (!model || !definition) return !restarts;
  const awaited = Object.values(model.services).some(
    ({ depends_on: needs }) => (needs[service]?.condition ?? '') === 'service_healthy',
  );
  return !restarts && !awaited && definition.ports.length === 0 && definition.healthcheck === undefined;
}
