import { hostname } from 'node:os';
import { engineEvidence } from '../handlers/evidence.js';
import { keptTag, type PointKind } from '../model/names.js';
import {
  POINT_FORMAT,
  type Point,
  type PointContainers,
  type PointEntry,
  type PointImage,
  type ReplacedData,
} from '../model/point.js';
import { compareHashes, hashOf } from '../plan/definitions.js';
import type { ConfigEntry, Observation, Project, ServiceObservation } from '../model/project.js';
import { shortId } from '../plan/target.js';

export interface PointDetails {
  kind: PointKind;
  description: string;
  name: string | null;
  pinned: boolean;
  /** Only these services; undefined means all. */
  services?: string[] | undefined;
  /** Of a safety point: the run it is taken for. */
  run: string | null;
  /** Of a safety point: the data that its run is about to replace. */
  replaced?: ReplacedData[] | undefined;
  /** Who makes it, with which version of us. */
  user: string;
  toolVersion: string;
}

/** What the observation says, as a point, before any file of it is stored. Pure. */
export function pointOf(observation: Observation, id: string, details: PointDetails): Point {
  const { configuration, engine, git } = observation;
  const present = Object.values(observation.services).filter(
    ({ name }) => details.services?.includes(name) ?? true,
  );
  const refs = present.flatMap((service): [string, string][] => {
    const ref = referenceOf(observation, service);
    return ref ? [[service.name, ref]] : [];
  });
  const images = refs.flatMap(([name, ref]): [string, PointImage][] => {
    // A service without containers would be made from what its tag points to.
    const image = observation.services[name]?.containers.at(-1)?.imageId ?? observation.images[ref]?.id;
    return image ? [[name, imageFacts(observation, id, ref, image)]] : [];
  });
  const containers = present.map(
    (service) => [service.name, containerFacts(service, observation.takenAt)] as const,
  );
  return {
    format: POINT_FORMAT,
    id,
    sequence: 0,
    timestamp: observation.takenAt,
    description: details.description,
    kind: details.kind,
    name: details.name,
    pinned: details.pinned,
    services: present.map(({ name }) => name),
    failing: containers.flatMap(([name, { evidence }]) => (evidence?.status === 'fail' ? name : [])),
    partial: details.services !== undefined,
    docker_images: Object.fromEntries(refs),
    config_hashes: {},
    volumes: [],
    replaced: details.replaced ?? [],
    volume_data: [],
    dumps: [],
    project: projectFacts(observation.project),
    images: Object.fromEntries(images),
    image_archives: [],
    containers: Object.fromEntries(containers),
    entries: [],
    outside: [],
    directories: configuration.directories,
    skipped: configuration.skipped,
    without_data: [],
    model: { stored: '', size: 0, sha256: '' },
    facts: null,
    sizes: { configs: 0, images: 0, volumes: 0, total: 0 },
    warnings: [
      ...observation.warnings,
      ...present.flatMap(mixtures),
      ...lostImages(Object.fromEntries(images)),
    ],
    metadata: {
      git_commit: git?.commit ?? null,
      git_branch: git?.branch ?? null,
      git_dirty: git?.dirty ?? null,
      ...(git?.submodules ? { git_submodules: git.submodules.moved } : {}),
      hostname: hostname(),
      include_volumes: false,
      engine: {
        kind: engine.kind,
        id: engine.id,
        version: engine.version,
        storage_driver: engine.storageDriver,
      },
      provider: { name: observation.provider.name, version: observation.provider.version },
      user: details.user,
      tool_version: details.toolVersion,
      run: details.run,
    },
  };
}

function containerFacts(service: ServiceObservation, takenAt: string): PointContainers {
  const newest = service.containers.at(-1);
  const up = service.containers.filter(({ state }) => ['running', 'paused', 'restarting'].includes(state));
  const down = service.containers.filter((container) => !up.includes(container));
  return {
    state: up.length > 0 ? 'running' : 'stopped',
    replicas: service.containers.length,
    running: up.length,
    health: healthOf(service),
    exit_codes: down.flatMap(({ exitCode }) => exitCode ?? []),
    config_hash: newest?.configHash ?? null,
    compose_version: newest?.composeVersion ?? null,
    files_hash: service.filesHash ?? null,
    matches_files: service.matchesFiles,
    evidence: engineEvidence(service.containers, takenAt),
  };
}

function healthOf({ containers }: ServiceObservation): PointContainers['health'] {
  const unwell = containers.some(
    ({ state, restartCount, health }) => state === 'restarting' || restartCount > 0 || health === 'unhealthy',
  );
  if (unwell) return 'unhealthy';
  return containers.length > 0 && containers.every(({ health }) => health === 'healthy')
    ? 'healthy'
    : 'unknown';
}

/** What its container was made from, else what it would be made from; compose names images that it builds itself. */
function referenceOf(observation: Observation, { name, containers }: ServiceObservation): string | undefined {
  const { model, images, project } = observation;
  const built = [`${project.name}-${name}`, `${project.name}_${name}`].find((ref) => images[ref]);
  return containers.at(-1)?.imageRef ?? model?.services[name]?.image ?? built;
}

/** Podman saves images in another format than its own, with another configuration. */
function configDigestOf({ engine }: Observation, image: string): string | null {
  return engine.kind === 'docker' && engine.imageIdIsConfigDigest ? image : null;
}

function imageFacts(observation: Observation, id: string, ref: string, imageId: string): PointImage {
  const image =
    observation.images[imageId] ?? Object.values(observation.images).find((known) => known?.id === imageId);
  return {
    ref,
    id: imageId,
    digests: image?.digests ?? [],
    platform: image?.platform ?? '',
    diff_ids: image?.diffIds ?? [],
    config_digest: configDigestOf(observation, imageId),
    tag_id: ref.includes('@') ? null : (observation.images[ref]?.id ?? null),
    kept_tag: image ? keptTag(id, image.id) : null,
  };
}

/** A point keeps its images by tags, and what the engine no longer knows takes none. */
function lostImages(images: Point['images']): string[] {
  return Object.entries(images)
    .filter(([, { kept_tag }]) => kept_tag === null)
    .map(
      ([service, { ref, id }]) =>
        `${service} runs image ${shortId(id)} (${ref}), which the engine no longer has: this point cannot make ${service} again. Make another one once it runs an image that is there`,
    );
}

/** Replicas that differ cannot all be brought back: the newest stands for them. */
function mixtures({ name, containers }: ServiceObservation): string[] {
  const images = new Set(containers.map((container) => container.imageId));
  const hashes = containers.flatMap((container) => hashOf(container) ?? []);
  const differ = hashes.some((hash) => compareHashes(hash, hashes.slice(-1)) === 'other');
  if (images.size <= 1 && !differ) return [];
  return [`the containers of ${name} differ from each other; the newest one stands for all`];
}

function projectFacts(project: Project): Point['project'] {
  const relative = (path: string) =>
    path.startsWith(`${project.directory}/`) ? path.slice(project.directory.length + 1) : path;
  return {
    name: project.name,
    name_origin: project.nameOrigin ?? null,
    directory: project.directory,
    files: project.files.map(relative),
    files_named: project.origin !== 'default',
    profiles: project.profiles,
    env_files: project.envFiles.map(relative),
  };
}

/** The project as a point recorded it, where it is today. */
export function projectOf(point: Point, directory: string): Project {
  const absolute = (path: string) => (path.startsWith('/') ? path : `${directory}/${path}`);
  const { name, name_origin, files, profiles, env_files } = point.project;
  return {
    name,
    ...(name_origin && { nameOrigin: name_origin }),
    directory,
    files: files.map(absolute),
    origin: 'point',
    profiles,
    envFiles: env_files.map(absolute),
  };
}

/** A configuration entry as a point stores it; undefined for what cannot be stored. */
export function entryFacts(entry: ConfigEntry, stored: string): PointEntry | undefined {
  if (entry.type === 'other') return undefined;
  if (entry.type === 'file') return { ...entry, stored };
  if (entry.type !== 'directory') return entry;
  const { others: _, ...recorded } = entry;
  return recorded;
}
