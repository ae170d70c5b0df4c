import type { Findings, Neighbour, Operation, Remark } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import type { Decision, Decisions } from './decision.js';
import { normalReference } from './images.js';
import { shortId } from './target.js';

/** What a plan does to containers that are not this project's. */

export function affectedNeighbours(
  observation: Observation,
  findings: Findings,
  decisions: Decisions,
  operations: Operation[],
): Remark[] {
  return [...movedTags(findings, operations), ...cutOff(observation, findings, decisions)];
}

/** Tags that others use and that point to another image afterwards. */
function movedTags({ neighbours }: Findings, operations: Operation[]): Remark[] {
  // A tag may be moved for the start, and back after it.
  const last = new Map(
    operations.flatMap((operation) =>
      operation.kind === 'retag' ? [[operation.ref, operation] as const] : [],
    ),
  );
  const first = new Map(
    operations
      .toReversed()
      .flatMap((operation) =>
        operation.kind === 'retag' ? [[operation.ref, operation.previous] as const] : [],
      ),
  );
  return [...last].flatMap(([ref, { image }]): Remark[] => {
    const users = neighbours.filter(({ imageRef }) => normalReference(imageRef) === normalReference(ref));
    if (users.length === 0 || first.get(ref) === image) return [];
    return [
      {
        code: 'tag-used-by-others',
        message: `the tag ${ref} moves to ${shortId(image)}, and ${users.map(nameOf).join(', ')} ${users.length > 1 ? 'use' : 'uses'} it too`,
        hint: `the next \`up\` over there takes that image; rollback --leave-tags moves the tag back once this project runs`,
      },
    ];
  });
}

/** Containers of others that live in the namespaces of a container that goes away or stops. */
function cutOff({ services }: Observation, { neighbours }: Findings, decisions: Decisions): Remark[] {
  return [...decisions].flatMap(([service, decision]) => {
    const effect = EFFECTS[decision.action];
    if (effect === undefined || (decision.action === 'up' && !decision.stop)) return [];
    const ids = new Set(services[service]?.containers.map(({ id }) => id));
    const users = neighbours.filter(({ joins }) => joins.some((id) => ids.has(id)));
    return users.map((user) => ({
      code: 'neighbour-cut-off',
      message: `${nameOf(user)} lives in the namespaces of ${service}, which ${effect}, and loses them`,
      hint: remedyFor(user, decision),
    }));
  });
}

const EFFECTS: Partial<Record<Decision['action'], string>> = {
  up: 'is made anew',
  remove: 'is removed',
  restart: 'is restarted',
  stop: 'is stopped',
};

/** The engine looks for the id of the container that is gone, so that a restart is not enough. */
function remedyFor({ name, project, service }: Neighbour, { action }: Decision): string | null {
  if (action === 'restart') return `afterwards: docker restart ${name}`;
  if (action !== 'up') return null;
  return project === undefined || service === undefined
    ? `make ${name} anew afterwards`
    : `afterwards, in its folder: docker compose -p ${project} up -d --force-recreate ${service}`;
}

function nameOf({ name, project, service }: Neighbour): string {
  if (project === undefined) return `container ${name}`;
  return `container ${name} (${service === undefined ? '' : `${service} of `}project ${project})`;
}
