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

/** A point's row in the table `points`. */
export function pointRow(summary: PointSummary) {
  return {
    id: summary.id,
    project: summary.project,
    kind: summary.kind,
    name: summary.name,
    pinned: Number(summary.pinned),
    created: Date.parse(summary.timestamp),
    timestamp: summary.timestamp,
    description: summary.description,
    services: JSON.stringify(summary.services),
    failing: JSON.stringify(summary.failing),
    images: Object.keys(summary.images).length,
    volumes: summary.volumes.length,
    bytes: summary.sizes.total,
    git_commit: summary.metadata.git_commit,
    sequence: summary.sequence,
  };
}
