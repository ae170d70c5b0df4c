import type { Container, Image } from '../../src/model/engine.js';
import type { Operation, OperationOf } from '../../src/model/plan.js';
import type { ConfigEntry, Observation, ServiceObservation } from '../../src/model/project.js';
import { isUp } from '../../src/plan/services.js';
import type { Target } from '../../src/plan/target.js';
import { aContainer } from './planning.js';

/**
 * What an engine and a compose provider would make of a plan, as far as the planner can tell the difference. Pure. It knows no more
 * than they do: `up` makes containers from where tags point *now* and throws where they would fail.
 */

/** The present after these operations of a plan towards `target`. */
export function simulate(present: Observation, target: Target, operations: Operation[]): Observation {
  return operations.reduce((now, operation) => perform(now, target, operation), present);
}

function perform(now: Observation, target: Target, operation: Operation): Observation {
  switch (operation.kind) {
    case 'stop':
      return onContainers(now, operation, (container) => ({ ...container, state: 'exited', exitCode: 0 }));
    case 'start':
      return onContainers(now, operation, (container) => ({ ...container, state: 'running' }));
    case 'remove':
      return onContainers(now, operation, () => undefined);
    case 'restore-file':
      assertSeen(now, operation);
      return withEntry(now, { ...operation, type: 'file' });
    case 'restore-link':
      return withEntry(now, { ...operation, type: 'symlink' });
    case 'restore-directory':
      return withEntry(now, { ...operation, type: 'directory' });
    case 'remove-file':
      return withEntry(now, { ...operation, type: 'absent' });
    case 'retag':
      return { ...now, images: { ...now.images, [operation.ref]: imageNamed(now, operation.image) } };
    case 'up': {
      // files are back before anything is made, and define what the target says
      const defined = { ...now, model: target.model };
      return operation.services.reduce((before, service) => up(before, target, operation, service), defined);
    }
    case 'checkout':
      return { ...now, git: now.git && { ...now.git, commit: operation.commit, dirty: false } };
    case 'prepare':
    case 'reload':
    case 'verify':
      return assertRunning(now, operation.service, operation.kind);
    case 'load-image':
    case 'pull-image':
      return { ...now, images: { ...now.images, [operation.image]: { ...noImage, id: operation.image } } };
    case 'restore-volume':
    case 'archive-volume':
      return assertUnused(now, operation.volume);
    case 'disconnect':
    case 'remove-network':
    case 'connect':
    case 'hook':
    case 'settle':
    case 'stage-volume':
    case 'keep-volume':
      return now;
  }
}

function onContainers(
  now: Observation,
  { services, containers: ids }: { services: string[]; containers: string[] },
  change: (container: Container) => Container | undefined,
): Observation {
  const there = services.flatMap((service) => containersOf(now, service).map((container) => container.id));
  const unknown = ids.find((id) => !there.includes(id));
  if (unknown) throw new Error(`no such container: ${unknown}`);
  return services.reduce((before, service) => {
    const containers = containersOf(before, service);
    const changed = containers.flatMap((one) => (ids.includes(one.id) ? (change(one) ?? []) : one));
    return withContainers(before, service, changed);
  }, now);
}

/** `up -d --no-deps --no-build --pull never`: keeps containers that match, replaces the others, adds and removes to the scale. */
function up(now: Observation, target: Target, operation: OperationOf<'up'>, service: string): Observation {
  const { point, model } = target;
  const recorded = point.containers[service];
  const ref = point.images[service]?.ref;
  if (!recorded || !ref || !model?.services[service]) throw new Error(`no such service: ${service}`);
  const imageId = imageNamed(now, ref).id;
  const configHash = recorded.files_hash ?? recorded.config_hash ?? undefined;
  const count = operation.scale[service] ?? model.services[service].scale ?? 1;
  const state = operation.start ? 'running' : 'created';
  const containers = Array.from({ length: count }, (_, index): Container => {
    const old = containersOf(now, service)[index];
    if (old?.imageId === imageId && old.configHash === configHash) {
      if (old.state === 'paused') throw new Error(`cannot start a paused container: ${old.id}`);
      return operation.start ? { ...old, state } : old;
    }
    const id = `${service}-${index + 1}-of-${imageId}-${configHash}`;
    return aContainer(service, index + 1, { id, state, imageId, imageRef: ref, configHash });
  });
  return withContainers(now, service, containers, true);
}

/** A file that is mounted by itself must not be renamed under a container that keeps running. */
function assertSeen(now: Observation, { path, in_place, outside }: OperationOf<'restore-file'>): void {
  const source = outside ? path : `${now.project.directory}/${path}`;
  const holder = Object.values(now.services)
    .flatMap(({ containers }) => containers.filter(isUp))
    .find(({ mounts }) => mounts.some((mount) => mount.source === source));
  if (holder && !in_place) throw new Error(`${path} was renamed under ${holder.id}`);
  if (!holder && in_place) throw new Error(`${path} was rewritten in place for nobody`);
}

function assertRunning(now: Observation, service: string, step: string): Observation {
  if (!containersOf(now, service).some(({ state }) => state === 'running')) {
    throw new Error(`${step} of ${service}, which does not run`);
  }
  return now;
}

const noImage: Omit<Image, 'id'> = {
  tags: [],
  digests: [],
  platform: '',
  diffIds: [],
  sizeBytes: 0,
  settings: {},
};

/** Nothing may run on a volume while its data is exchanged. */
function assertUnused(now: Observation, volume: string): Observation {
  const containers = Object.values(now.services).flatMap((service) => service.containers);
  const user = containers.find(
    (container) => isUp(container) && container.mounts.some(({ name }) => name === volume),
  );
  if (user) throw new Error(`${user.name} runs on ${volume}`);
  return now;
}

function imageNamed(now: Observation, reference: string): Image {
  const image = now.images[reference];
  if (!image) throw new Error(`no such image: ${reference}`);
  return image;
}

const containersOf = (now: Observation, service: string) => now.services[service]?.containers ?? [];

function withContainers(
  now: Observation,
  name: string,
  containers: Container[],
  matchesFiles = now.services[name]?.matchesFiles ?? false,
): Observation {
  const { filesHash } = now.services[name] ?? {};
  const service: ServiceObservation = { name, filesHash, matchesFiles, containers };
  return { ...now, services: { ...now.services, [name]: service } };
}

function withEntry(now: Observation, written: ConfigEntry & { outside: boolean }): Observation {
  const place = written.outside ? 'outside' : 'entries';
  const others = now.configuration[place].filter((entry) => entry.path !== written.path);
  return { ...now, configuration: { ...now.configuration, [place]: [...others, written] } };
}
