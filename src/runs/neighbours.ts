import type { Container } from '../model/engine.js';
import type { Findings } from '../model/plan.js';
import type { Point } from '../model/point.js';
import { normalReference } from '../plan/images.js';

/** Containers that are not replicas of this project's services and that a run may still affect. */
export function findNeighbours(
  containers: Container[],
  project: string,
  { images }: Pick<Point, 'images'>,
): Findings['neighbours'] {
  const isOwn = (container: Container) => container.project === project && container.service !== undefined;
  const ids = new Set(containers.filter(isOwn).map(({ id }) => id));
  const references = new Set(Object.values(images).map(({ ref }) => normalReference(ref)));
  return containers
    .filter((container) => !isOwn(container) || container.oneOff)
    .filter(
      ({ imageRef, joins }) => references.has(normalReference(imageRef)) || joins.some((id) => ids.has(id)),
    )
    .map(({ name, project: other, service, imageRef, joins }) => ({
      name,
      project: other,
      service,
      imageRef,
      joins,
    }));
}
