import { waitFor, waiting } from '../handlers/waiting.js';
import { messageOf, RollbackError } from '../model/errors.js';
import { assertDescription, assertPointName, type PointKind } from '../model/names.js';
import type { Point, SaveImages } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { pass } from '../model/verdict.js';
import { observeForMigration, observePresent, type Workspace } from '../session/workspace.js';
import { gatherEvidence } from './evidence.js';
import { recordPoint } from './record.js';
import { applyRetention } from './remove.js';

export interface CreateRequest {
  description?: string | undefined;
  /** Only these services; all when absent. */
  services?: string[] | undefined;
  includeVolumes?: boolean | undefined;
  /** Unique in the project. */
  name?: string | undefined;
  /** Never removed by retention. */
  pin?: boolean | undefined;
  /** `manual` when absent. A `migration` point also holds the build files and the deployment scripts. Only runs make safety points. */
  kind?: Exclude<PointKind, 'safety'> | undefined;
  /** Which images are archived; the configuration's `save_images` when absent. */
  saveImages?: SaveImages | undefined;
  /** Throw `blocked`, and record nothing, when the point would not cover everything that the services use. False when absent. */
  strict?: boolean | undefined;
}

/** Checks that need neither engine nor project. Throws `usage`, or `not-supported` for what has no implementation yet. */
export function assertCreatable(request: CreateRequest): void {
  if (request.description !== undefined) assertDescription(request.description);
  if (request.name !== undefined) assertPointName(request.name);
}

/** Records the present as a point and applies retention. The caller holds the project's lock. */
export async function createPoint(workspace: Workspace, request: CreateRequest): Promise<Point> {
  assertCreatable(request);
  await assertNameFree(workspace, request.name);
  const look = request.kind === 'migration' ? observeForMigration : observePresent;
  const observation = await look(workspace);
  assertWhole(observation, request);
  const details = {
    kind: request.kind ?? 'manual',
    description: request.description ?? '',
    services: request.services,
    name: request.name ?? null,
    pinned: request.pin ?? false,
    run: null,
  };
  const volumes = request.includeVolumes ?? workspace.config.include_volumes;
  const evidence = gatherEvidence(workspace, observation, request.services);
  // Paused services answer nothing.
  if (volumes) await evidence;
  const point = await recordPoint(workspace, observation, details, {
    volumes,
    evidence,
    strict: request.strict,
    images: request.saveImages ?? workspace.config.save_images,
  });
  await applyRetention(workspace);
  if (point.volume_data.length > 0) await untilUsable(workspace, observation);
  return point;
}

/** An engine checks health every 30 s where nothing else is said, and a check may take as long. */
const PATIENCE = { total: 60_000, interval: 250, timeout: 5000 };

/**
 * Docker calls a container that was paused unhealthy until its next check (its health monitor ends with the pause), and `docker compose up` fails
 * at once where others wait for that service: what follows in a script would. A signal ends the waiting; the point is whole.
 */
async function untilUsable({ engine, emit, signal }: Workspace, observation: Observation): Promise<void> {
  const { services, model } = observation;
  const awaited = Object.values(model?.services ?? {}).flatMap(({ depends_on: dependencies }) =>
    Object.keys(dependencies).filter((name) => dependencies[name]?.condition === 'service_healthy'),
  );
  const wait = async (service: string, id: string) => {
    const report = (message: string) => emit({ type: 'progress', service, message });
    const verdict = await waitFor({ signal, report }, PATIENCE, async () =>
      (await engine.health(id)) === 'unhealthy' ? waiting('its next health check') : pass('is healthy again'),
    );
    if (verdict.status === 'fail') emit({ type: 'warning', message: `${service} is not healthy yet` });
  };
  const waits = [...new Set(awaited)].flatMap((name) =>
    (services[name]?.containers ?? [])
      .filter(({ health }) => health === 'healthy')
      .map(({ id }) => wait(name, id)),
  );
  await Promise.all(waits).catch((error: unknown) => {
    // The point is made, whatever comes of this.
    if (!signal.aborted) emit({ type: 'warning', message: `health is not known: ${messageOf(error)}` });
  });
}

async function assertNameFree({ store, project }: Workspace, name: string | undefined): Promise<void> {
  const holder = name === undefined ? undefined : (await store.readIndex())?.pointByName(project.name, name);
  if (!holder) return;
  throw new RollbackError('usage', `the name ${name} is taken by point ${holder.id}`, {
    hint: 'choose another name, or delete that point first',
  });
}

/** A point that could not be rolled back to is no point: a broken present is recorded by safety points alone. */
function assertWhole(observation: Observation, { services }: CreateRequest): void {
  if (observation.modelError !== undefined) {
    throw new RollbackError('provider-failed', 'the compose files do not resolve; nothing was recorded', {
      details: [observation.modelError],
      hint: 'mend them first, or bring an earlier state back with compose-rollback rollback',
    });
  }
  const unknown = services?.filter((service) => !observation.services[service]) ?? [];
  if (unknown.length > 0) {
    throw new RollbackError('usage', `the project has no service ${unknown.join(', ')}`, {
      hint: `it has ${Object.keys(observation.services).join(', ')}`,
    });
  }
}
