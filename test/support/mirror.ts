import type { Container } from '../../src/model/engine.js';
import type { Point, PointContainers, PointEntry, PointImage } from '../../src/model/point.js';
import type { ConfigEntry, Observation } from '../../src/model/project.js';
import { entryFacts } from '../../src/points/facts.js';
import { isUp } from '../../src/plan/services.js';
import type { Target } from '../../src/plan/target.js';
import { sha256 } from './file-specs.js';
import { aPresent, POINT, THEN, type Stack } from './planning.js';

/** The point that was made of this stack, opened. */
export function aPoint(stack: Stack = {}, overrides: Partial<Point> = {}): Target {
  return mirror(aPresent(stack), overrides);
}

/** The point that records exactly this present. */
export function mirror(observation: Observation, overrides: Partial<Point> = {}): Target {
  const { project, configuration, engine, git } = observation;
  const services = Object.values(observation.services);
  const ran = services.flatMap(({ name, containers: [first] }) =>
    first ? [[name, recordedImage(observation, name, first)] as const] : [],
  );
  const point: Point = {
    format: 1,
    id: POINT,
    sequence: 1,
    timestamp: THEN,
    description: 'Before v2',
    kind: 'manual',
    name: null,
    pinned: false,
    services: services.map(({ name }) => name),
    failing: [],
    partial: false,
    docker_images: Object.fromEntries(ran.map(([name, image]) => [name, image.ref])),
    config_hashes: {},
    volumes: [],
    replaced: [],
    volume_data: [],
    dumps: [],
    image_archives: [],
    project: {
      name: project.name,
      directory: project.directory,
      files: ['compose.yaml'],
      files_named: false,
      name_origin: null,
      profiles: [],
      env_files: [],
    },
    images: Object.fromEntries(ran),
    containers: Object.fromEntries(
      services.map(({ name, containers, filesHash }) => [name, recordedContainers(containers, filesHash)]),
    ),
    entries: recordedEntries(configuration.entries),
    outside: recordedEntries(configuration.outside),
    directories: configuration.directories,
    skipped: [],
    without_data: [],
    model: { stored: 'model.json', size: 0, sha256: sha256('') },
    facts: null,
    sizes: { configs: 0, images: 0, volumes: 0, total: 0 },
    warnings: [],
    metadata: {
      git_commit: git?.commit ?? null,
      git_branch: git?.branch ?? null,
      git_dirty: git?.dirty ?? null,
      hostname: 'pi',
      include_volumes: false,
      engine: { kind: 'docker', id: engine.id, version: engine.version, storage_driver: 'overlay2' },
      provider: observation.provider,
      user: 'root',
      tool_version: '0.1.0',
      run: null,
    },
    ...overrides,
  };
  const { model, variables } = observation;
  return { point, stored: true, model, variables, facts: undefined };
}

function recordedImage(observation: Observation, service: string, container: Container): PointImage {
  const { imageRef: ref, imageId: id } = container;
  const image = observation.images[id];
  return {
    ref,
    id,
    digests: image?.digests ?? [],
    platform: 'linux/amd64',
    diff_ids: image?.diffIds ?? [],
    config_digest: null,
    tag_id: ref.includes('@') ? null : (observation.images[ref]?.id ?? null),
    kept_tag: `compose-rollback/shop/${service}:kept`,
  };
}

function recordedContainers(containers: Container[], filesHash: string | undefined): PointContainers {
  const running = containers.filter(isUp).length;
  return {
    state: running > 0 ? 'running' : 'stopped',
    replicas: containers.length,
    running,
    health: 'unknown',
    exit_codes: containers.flatMap(({ exitCode }) => exitCode ?? []),
    config_hash: containers[0]?.configHash ?? null,
    compose_version: containers[0]?.composeVersion ?? null,
    files_hash: filesHash ?? null,
    matches_files: null,
    evidence: null,
  };
}

function recordedEntries(entries: ConfigEntry[]): PointEntry[] {
  return entries.flatMap((entry): PointEntry[] => {
    const recorded = entryFacts(entry, `configs/${entry.path}`);
    return recorded ? [recorded] : [];
  });
}
