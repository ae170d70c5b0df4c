import { RollbackError } from '../model/errors.js';
import type { ProjectFacts } from '../model/facts.js';
import { quoted } from '../model/names.js';
import type { Point, PointImage } from '../model/point.js';
import type { Observation } from '../model/project.js';
import type { Target } from '../plan/target.js';
import { pointOf } from '../points/facts.js';
import { findPoint, openTarget } from '../points/find.js';
import { observePresent, type Workspace } from '../session/workspace.js';

const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/**
 * One service taken to another image, everything else as it is: to the image of the newest point that has the service,
 * or to the image under another tag of its repository.
 */
export async function serviceTarget(
  workspace: Workspace,
  service: string,
  tag: string | undefined,
): Promise<Target> {
  const observation = await observePresent(workspace);
  if (!observation.services[service]) {
    const known = Object.keys(observation.services).join(', ');
    throw new RollbackError('usage', `project ${workspace.project.name} has no service ${quoted(service)}`, {
      hint: known ? `it has ${known}` : 'it has none',
    });
  }
  return tag === undefined
    ? toPoint(workspace, observation, service)
    : toTag(workspace, observation, service, tag);
}

async function toPoint(workspace: Workspace, observation: Observation, service: string): Promise<Target> {
  const { id } = await findPoint(workspace.store, workspace.project.name, 'latest');
  const { point } = await openTarget(workspace.store, id);
  const image = point.images[service];
  if (!image) {
    throw new RollbackError('usage', `the latest point, ${id}, has no image of ${service}`, {
      hint: 'give an image tag, or roll back to another point',
    });
  }
  const target = withImage(workspace, observation, service, image);
  return {
    ...target,
    point: { ...target.point, id, timestamp: point.timestamp, description: `${service} of ${id}` },
  };
}

async function toTag(
  workspace: Workspace,
  observation: Observation,
  service: string,
  tag: string,
): Promise<Target> {
  if (!TAG.test(tag)) {
    throw new RollbackError('usage', `${quoted(tag)} cannot be an image tag`, {
      hint: 'give a tag such as v1.5',
    });
  }
  const ref =
    observation.services[service]?.containers.at(-1)?.imageRef ?? observation.model?.services[service]?.image;
  if (!ref || ref.includes('@')) {
    throw new RollbackError(
      'usage',
      `${service} has no image tag that could be moved${ref ? `: it runs ${ref}` : ''}`,
    );
  }
  const repository = ref.replace(/:[^:/]+$/, '');
  const wanted = `${repository}:${tag}`;
  const found = await workspace.engine.image(wanted);
  if (!found) {
    throw new RollbackError('blocked', `image ${wanted} is not on this engine; nothing was touched`, {
      hint: `try: docker pull ${wanted}`,
    });
  }
  const { id, digests, platform, diffIds } = found;
  const image: PointImage = {
    ref,
    id,
    digests,
    platform,
    diff_ids: diffIds,
    config_digest: null,
    tag_id: id,
    kept_tag: null,
  };
  const target = withImage(workspace, observation, service, image);
  return { ...target, point: { ...target.point, id: wanted, description: `${service} from ${wanted}` } };
}

/** The present with one image replaced, and running. */
function withImage(
  workspace: Workspace,
  observation: Observation,
  service: string,
  image: PointImage,
): Target {
  const { user, toolVersion } = workspace;
  const { model, variables, facts } = observation;
  const present = pointOf(observation, `rb-${'0'.repeat(12)}`, {
    kind: 'manual',
    description: '',
    name: null,
    pinned: false,
    services: [service],
    run: null,
    user,
    toolVersion,
  });
  return serviceAt({ point: present, stored: false, model, variables, facts }, service, image);
}

/** A recorded state of one service with another image, and running. */
export function serviceAt(present: Target, service: string, image: PointImage): Target {
  const ref = present.point.images[service]?.ref ?? image.ref;
  const facts = present.point.containers[service];
  const replicas = Math.max(1, facts?.replicas ?? 0);
  const point: Point = {
    ...present.point,
    services: [service],
    partial: true,
    failing: [],
    replaced: [],
    directories: [],
    images: { [service]: { ...image, ref } },
    containers: {
      [service]: {
        state: 'running',
        replicas,
        running: replicas,
        health: 'unknown',
        exit_codes: [],
        config_hash: facts?.config_hash ?? null,
        compose_version: facts?.compose_version ?? null,
        files_hash: facts?.files_hash ?? null,
        matches_files: facts?.matches_files ?? null,
        evidence: null,
      },
    },
  };
  return { ...present, point, stored: false, facts: present.facts && withoutImage(present.facts, service) };
}

/** The facts of the service that do not come from its image. */
function withoutImage(facts: ProjectFacts, service: string): ProjectFacts {
  const containers = (facts.services[service] ?? []).map((one) =>
    Object.fromEntries(Object.entries(one).filter(([, { origin }]) => origin !== 'image')),
  );
  return { ...facts, services: { [service]: containers } };
}
