import type { Point, PointSummary } from '../model/point.js';

/** What the index holds of a point. */
export function summaryOf(point: Point): PointSummary {
  const images = Object.entries(point.images).map(([service, { ref, id, digests, platform }]) => [
    service,
    { ref, id, digests, platform },
  ]);
  return {
    id: point.id,
    sequence: point.sequence,
    timestamp: point.timestamp,
    description: point.description,
    kind: point.kind,
    name: point.name,
    pinned: point.pinned,
    project: point.project.name,
    services: point.services,
    failing: point.failing,
    docker_images: point.docker_images,
    config_hashes: point.config_hashes,
    volumes: point.volumes,
    images: Object.fromEntries(images),
    sizes: point.sizes,
    metadata: point.metadata,
  };
}
