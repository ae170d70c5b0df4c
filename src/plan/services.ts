import type { Container } from '../model/engine.js';
import type { Findings } from '../model/plan.js';
import type { Point, PointContainers } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { throughLinks } from '../model/links.js';
import { GONE, isInside, type FileChanges, type FileOperation } from './files.js';
import type { Decision, Decisions } from './decision.js';
import { compareHashes, hashOf, isSameDefinition, recordedFilesHash, recordedHash } from './definitions.js';
import { needsFacts, serviceDifferences, summarise } from './changes.js';
import { following, lendersOf } from './followers.js';
import { otherNameOf, replacedWhenMoved } from './moved.js';
import { networkChanges } from './networks.js';
import { isImage, shortId, sourceOf, variableDifferences, type Target, type Traits } from './target.js';
import { volumesUnder, type VolumeDecision } from './volumes.js';

const RUNNING: ReadonlySet<Container['state']> = new Set(['running', 'paused', 'restarting']);

export const isUp = (container: Container): boolean => RUNNING.has(container.state);

/** What a decision rests on: `files` and `volumes` are what the same plan does to them. */
interface Situation {
  observation: Observation;
  target: Target;
  findings: Findings;
  files: FileChanges;
  traits: Traits;
  volumes: VolumeDecision[];
}

/** Decides service by service. */
export function decide(situation: Situation, only: string[] | undefined): Decisions {
  const { observation, target, volumes } = situation;
  const { point } = target;
  const withContainers = Object.values(observation.services).filter(
    (service) => service.containers.length > 0,
  );
  const names = new Set([...point.services, ...withContainers.map((service) => service.name)]);
  const scope = only ?? (point.partial ? point.services : [...names]);
  const decisions = new Map<string, Decision>();
  for (const name of [...names].toSorted()) {
    if (!scope.includes(name)) continue;
    const containers = observation.services[name]?.containers ?? [];
    const recorded = point.containers[name];
    if (recorded && recorded.replicas > 0) {
      decisions.set(name, decideOne(situation, name, recorded));
    } else if (containers.length > 0 && recordsContainers(point)) {
      decisions.set(name, { action: 'remove', cause: 'it had no containers at the point' });
    }
  }
  for (const [name, under] of volumesUnder(volumes, observation.project.name)) {
    decisions.set(name, downMeanwhile(decisions.get(name), under));
  }
  for (const { network, services } of networkChanges(observation, target)) {
    for (const name of services) {
      const from = needsFacts(observation, target, situation.findings, name) ? 'facts' : undefined;
      moveToNewNetwork(decisions, point.containers[name], name, { network, from });
    }
  }
  for (const [name, decision] of decisions)
    decisions.set(name, replacedWhenMoved(name, decision, observation, target));
  // Followers have followers: until nobody follows any more.
  for (let moved = true; moved;) {
    moved = false;
    for (const [name, decision] of decisions) {
      const next = following(name, decision, target, observation, decisions);
      if (next) decisions.set(name, next);
      moved ||= next !== undefined;
    }
  }
  return decisions;
}

/** What mounts a volume whose data is exchanged is down meanwhile, whatever else happens to it. */
function downMeanwhile(decision: Decision | undefined, volumes: string[]): Decision {
  if (decision?.action === 'up') return { ...decision, stop: true };
  if (decision && ['stop', 'restart', 'remove'].includes(decision.action)) return decision;
  const what = `the data in ${volumes.join(', ')} is exchanged`;
  return { action: 'restart', cause: decision?.action === 'start' ? `${decision.cause}, and ${what}` : what };
}

/** The containers of a network that is made anew are made anew, too. */
function moveToNewNetwork(
  decisions: Map<string, Decision>,
  recorded: PointContainers | undefined,
  service: string,
  { network, from }: { network: string; from: 'facts' | undefined },
): void {
  const decision = decisions.get(service);
  if (!decision || !recorded || ['remove', 'cannot'].includes(decision.action)) return;
  const { replicas, running } = recorded;
  const cause = decision.action === 'up' ? decision.cause : `network ${network} is made anew`;
  const definition = from === undefined ? {} : { from };
  const recreate = true;
  decisions.set(service, {
    action: 'up',
    cause,
    start: running > 0,
    replicas,
    stop: true,
    recreate,
    ...definition,
  });
}

/** A point made without any container says nothing about containers, unless it is the mirror of a present to return to. */
export function recordsContainers(point: Point): boolean {
  return point.kind === 'safety' || Object.values(point.containers).some((service) => service.replicas > 0);
}

function decideOne(situation: Situation, name: string, recorded: PointContainers): Decision {
  const { observation, target, findings, files, traits } = situation;
  const containers = observation.services[name]?.containers ?? [];
  const mounted = mountedChanges(observation, containers, files.operations);
  const cause = reasonToMakeAnew(situation, name, recorded, containers);
  if (cause) {
    const canUseFacts = target.facts !== undefined && observation.provider.readsModels;
    if (target.model && !target.model.services[name] && !canUseFacts) {
      return { action: 'cannot', cause: `${cause}, and the files of the point do not define it` };
    }
    if (cause === OTHER_DEFINITION && !canUseFacts && definitionStays(observation, target, name, files)) {
      return { action: 'cannot', cause: `${cause}, in files that are left alone` };
    }
    const image = target.point.images[name];
    if (recorded.running === 0 && image && !sourceOf(observation, target, findings, image)) {
      return { action: 'cannot', cause: `${cause}, its image is gone, and it did not run at the point` };
    }
    const { replicas } = recorded;
    const stop = mounted.length > 0 || !serveOn(situation, name, recorded, containers);
    return {
      action: 'up',
      cause,
      start: recorded.running > 0,
      replicas,
      stop,
      ...(serviceDifferences(observation, target, findings, name).length > 0 ? { recreate: true } : {}),
      ...(needsFacts(observation, target, findings, name) ? { from: 'facts' } : {}),
    };
  }
  if (recorded.running === 0) {
    return containers.some(isUp)
      ? { action: 'stop', cause: 'it was stopped at the point' }
      : { action: 'keep' };
  }
  if (containers.some((container) => container.state === 'restarting')) {
    return { action: 'restart', cause: 'it restarts over and over' };
  }
  const running = containers.filter((container) => container.state === 'running');
  const missing = running.length < recorded.running;
  if (missing && (mounted.length === 0 || !containers.some(isUp))) {
    return { action: 'start', cause: whyNotRunning(containers) };
  }
  if (mounted.length > 0) {
    const what = `${mounted.join(', ')} ${mounted.length > 1 ? 'change' : 'changes'} under it`;
    if (traits[name]?.reloads && !missing) return { action: 'reload', cause: what, paths: mounted };
    return { action: 'restart', cause: what };
  }
  return { action: 'keep' };
}

function whyNotRunning(containers: Container[]): string {
  if (containers.some((container) => container.state === 'paused')) return 'it is paused';
  return containers.some(isUp) ? 'a part of it is stopped' : 'it is stopped';
}

/** Are they all what the provider would make, and running? Then they serve on while it adds some or takes some away. */
function serveOn(
  { observation, target, findings }: Situation,
  name: string,
  recorded: PointContainers,
  containers: Container[],
): boolean {
  const { point } = target;
  const image = point.images[name];
  const hash = findings.definitions[name] ?? recorded.files_hash ?? recorded.config_hash;
  return (
    recorded.running > 0 &&
    containers.every(
      (container) =>
        container.state === 'running' &&
        container.project === point.project.name &&
        (!image || isImage(observation, point, container.imageId, image)) &&
        (hash === null || container.configHash === hash),
    ) &&
    serviceDifferences(observation, target, findings, name).length === 0
  );
}

/** Why these containers cannot stay; undefined when they are the recorded ones in all that counts. */
function reasonToMakeAnew(
  situation: Situation,
  name: string,
  recorded: PointContainers,
  containers: Container[],
): string | undefined {
  const { observation, target } = situation;
  if (containers.length === 0) return 'it has no container';
  const otherName = otherNameOf(name, observation, target);
  if (otherName !== undefined) return `it runs as project ${otherName}`;
  const image = target.point.images[name];
  const other =
    image && containers.find((container) => !isImage(observation, target.point, container.imageId, image));
  if (image && other) return `it runs image ${shortId(other.imageId)}, the point has ${shortId(image.id)}`;
  const differing = serviceDifferences(observation, target, situation.findings, name);
  if (differing.length > 0) return `it runs with another ${summarise(differing)}`;
  if (isOtherDefinition(situation, name, recorded, containers)) return OTHER_DEFINITION;
  if (containers.length !== recorded.replicas) {
    return `it has ${containers.length} ${containers.length === 1 ? 'container' : 'containers'}, the point has ${recorded.replicas}`;
  }
  return undefined;
}

const OTHER_DEFINITION = 'its definition changed';

/** Do these containers differ by definition from what the point recorded, and from what its files say? */
function isOtherDefinition(
  { observation, target, findings }: Situation,
  name: string,
  recorded: PointContainers,
  containers: Container[],
): boolean {
  const today = findings.definitions[name];
  // A container that was made by its facts has a hash that no file gives. Its facts are the same, or this is not asked.
  if (needsFacts(observation, target, findings, name)) return false;
  const known = [
    recordedHash(target.point, name) ?? [],
    recordedFilesHash(target.point, name) ?? [],
    today === undefined ? [] : { hash: today, by: observation.provider.version },
  ].flat();
  if (known.length === 0) return false;

  const [now, then] = [observation.model?.services[name], target.model?.services[name]];
  const isSame = isSameDefinition(now, then);
  const isOther = (container: Container): boolean => {
    const own = hashOf(container);
    const comparison = own === undefined ? 'same' : compareHashes(own, known);
    if (comparison !== 'unknown') return comparison === 'other';
    if (target.facts) return false;
    // What today's files say, and the point's files say the same: or else it is something that neither says.
    return !isSame || observation.services[name]?.matchesFiles !== true;
  };
  // Compose hashes the id of the container it lives in: while it runs, only the definitions themselves can be compared. One that
  // is stopped may be what an interrupted run left of the other definition.
  const borrows = then !== undefined && lendersOf(then).length > 0;
  if (!borrows) return containers.some(isOther);
  if (target.facts) return false;
  const left = containers.filter((container) => !isUp(container));
  return !isSame || (recorded.running > 0 && left.some(isOther));
}

/** It is what today's files say, and of all that says so only what is outside the project differs, which is left alone. */
function definitionStays(
  observation: Observation,
  target: Target,
  name: string,
  { left, operations }: FileChanges,
): boolean {
  const { project, services } = observation;
  const recorded = target.point.project.files.map((path) =>
    absolutePath(project.directory, { path, outside: path.startsWith('/') }),
  );
  return (
    left.length > 0 &&
    operations.length === 0 &&
    variableDifferences(observation, target).length === 0 &&
    recorded.join('\n') === project.files.join('\n') &&
    services[name]?.matchesFiles === true
  );
}

/** Changed files that the containers see through a bind mount. The compose files are for compose, not for the service. */
function mountedChanges(observation: Observation, containers: Container[], files: FileOperation[]): string[] {
  const { project } = observation;
  const composeFiles = new Set(project.files);
  const sources = boundPaths(observation, containers);
  return files
    .filter((file) => {
      const path = absolutePath(project.directory, file);
      // A mount was resolved when its container started: another link or directory on the way leads elsewhere.
      const isOnTheWay = file.kind === 'restore-link' || file.kind === 'remove-file' || file.cause === GONE;
      if (sources.includes(path) || (isOnTheWay && sources.some((source) => isInside(source, path))))
        return true;
      if (composeFiles.has(path) || isComposeName(file.path)) return false;
      return sources.some((source) => isInside(path, source));
    })
    .map((file) => file.path);
}

/** What these containers have bind-mounted: as it is called, and where the links of the project lead. */
export function boundPaths({ project, configuration }: Observation, containers: Container[]): string[] {
  const links = configuration.entries.flatMap((entry) =>
    entry.type === 'symlink' ? [[`${project.directory}/${entry.path}`, entry.target] as const] : [],
  );
  const sources = containers
    .flatMap((container) => container.mounts)
    .filter((mount) => mount.type === 'bind')
    .map((mount) => mount.source);
  return [...new Set(sources.flatMap((source) => [source, throughLinks(source, new Map(links))]))];
}

const isComposeName = (path: string) => /^(?:docker-)?compose(?:\.override)?\.ya?ml$/.test(path);

export function absolutePath(directory: string, file: { path: string; outside: boolean }): string {
  return file.outside ? file.path : `${directory}/${file.path}`;
}
