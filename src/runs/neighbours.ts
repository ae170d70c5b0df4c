import type { Container } from '../model/engine.js';
import type { Findings } from '../model/plan.js';
import type { Point } from '../model/point.js';
import { normalReference } from '../plan/images.js';

/**
 * Containers that are not replicas of this project's services and that a run may still affect.
 * @param own ids of the project's replicas, and of what a killed compose left of them
 */
export function findNeighbours(
  containers: Container[],
  own: ReadonlySet<string>,
  { images }: Pick<Point, 'images'>,
): Findings['neighbours'] {
  const references = new Set(Object.values(images).map(({ ref }) => normalReference(ref)));
  return containers
    .filter(({ id }) => !own.has(id))
    .filter(
      ({ imageRef, joins }) => references.has(normalReference(imageRef)) || joins.some((id) => own.has(id)),
    )
    .map(({ name, project: other, service, imageRef, joins }) => ({
      name,
      project: other,
      service,
      imageRef,
      joins,
    }));
}
