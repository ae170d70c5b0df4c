import type { Point, PointEntry, PointImage } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { compareHashes, hasDrifted, isSameDefinition, recordedHash } from '../plan/definitions.js';
import { lendersOf } from '../plan/followers.js';
import { compareProject, describeChange, type FactDifference } from '../plan/facts.js';
import { isOtherKindOfEngine, shortId, type Target } from '../plan/target.js';
import { sealContents } from '../project/contents.js';
import { entryFacts, pointOf } from './facts.js';

/** One thing that is not the same in two states of a project. Never a value of a variable, never a line of a file. */
export interface Difference {
  what: 'file' | 'service' | 'network' | 'volume' | 'git';
  /** Path or name; `HEAD` for git. */
  name: string;
  change: string;
}

/** A recorded state, or the present in the same shape. */
export type State = Pick<Target, 'point' | 'model' | 'facts'>;

/** The present in the shape of a point, to compare with one. Nothing of it is stored. */
export function presentAsPoint(observation: Observation): Point {
  const point = pointOf(observation, '', {
    kind: 'manual',
    description: 'the present',
    name: null,
    pinned: false,
    run: null,
    user: '',
    toolVersion: '',
  });
  return {
    ...point,
    entries: observation.configuration.entries.flatMap((entry) => entryFacts(entry, '') ?? []),
  };
}

/** The present, to compare with a point. */
export function presentState(observation: Observation): State {
  return { point: presentAsPoint(observation), model: observation.model, facts: observation.facts };
}

/** What changed from one state to the other, files first. */
export function differences(from: State, to: State): Difference[] {
  return [
    ...fileDifferences(from.point, to.point),
    ...serviceDifferences(from, to),
    ...factDifferences(from, to),
    ...gitDifferences(from.point, to.point),
  ];
}

function fileDifferences(from: Point, to: Point): Difference[] {
  const before = new Map(from.entries.map((entry) => [entry.path, entry]));
  const after = new Map(to.entries.map((entry) => [entry.path, entry]));
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return paths.flatMap((path): Difference[] => {
    const change = entryChange(before.get(path), after.get(path));
    return change ? [{ what: 'file', name: path, change }] : [];
  });
}

function entryChange(before: PointEntry | undefined, after: PointEntry | undefined): string | undefined {
  const was = before && before.type !== 'absent' ? before : undefined;
  const is = after && after.type !== 'absent' ? after : undefined;
  if (!was && !is) return undefined;
  if (!was) return 'appeared';
  if (!is) return 'is gone';
  if (was.type !== is.type) return `was a ${was.type}, is a ${is.type}`;
  if (was.type === 'symlink' && is.type === 'symlink' && was.target !== is.target) return 'points elsewhere';
  if (was.type === 'file' && is.type === 'file' && was.sha256 !== is.sha256) {
    return was.size === is.size ? 'content changed' : `content changed (${was.size} -> ${is.size} bytes)`;
  }
  const [mode, newMode] = [was, is].map((entry) => ('mode' in entry ? entry.mode.toString(8) : ''));
  if (mode !== newMode) return `mode ${mode} -> ${newMode}`;
  // Points of earlier versions do not tell.
  if (!was.owner || !is.owner) return undefined;
  const [owner, newOwner] = [was.owner, is.owner].map(({ uid, gid }) => `${uid}:${gid}`);
  return owner === newOwner ? undefined : `owner ${owner} -> ${newOwner}`;
}

function serviceDifferences(from: State, to: State): Difference[] {
  const names = [...new Set([...from.point.services, ...to.point.services])].toSorted();
  return names.flatMap((name): Difference[] =>
    serviceChanges(from, to, name).map((change) => ({ what: 'service', name, change })),
  );
}

/** Only of containers that both states have. Contents of files in containers are compared where both were read by one key. */
function factDifferences({ facts: was, point }: State, { facts: is, point: later }: State): Difference[] {
  if (!was || !is || isOtherKindOfEngine(point, later.metadata.engine.kind)) return [];
  const present = is.key === '' ? sealContents(is, was.key) : is;
  const comparable = ({ key }: FactDifference) => present.key === was.key || !key.startsWith('content.');
  const { differences: found } = compareProject(was, present, point.services);
  return found
    .filter(comparable)
    .map((one) => ({ what: one.what, name: one.name, change: describeChange(one) }));
}

function serviceChanges(before: State, after: State, name: string): string[] {
  const [from, to] = [before.point, after.point];
  const [was, is] = [from.containers[name], to.containers[name]];
  if (!was || was.replicas === 0) return is && is.replicas > 0 ? ['appeared'] : [];
  if (!is || is.replicas === 0) return ['has no container any more'];
  const changes: string[] = [];
  const [image, newImage] = [from.images[name], to.images[name]];
  if (image && newImage && image.id !== newImage.id) {
    changes.push(imageChange(image, newImage));
  } else if (image && newImage && image.tag_id !== newImage.tag_id) {
    changes.push(`the tag ${image.ref} points to another image, which does not run yet`);
  }
  // The hash of a container that runs otherwise than its files say tells nothing about it: its facts are compared.
  const isByFacts =
    before.facts !== undefined &&
    after.facts !== undefined &&
    [was, is].some(({ matches_files }) => matches_files === false);
  if (!isByFacts && hasOtherDefinition(before, after, name)) changes.push('definition changed');
  if (was.replicas !== is.replicas) changes.push(`containers ${was.replicas} -> ${is.replicas}`);
  if (was.state !== is.state) changes.push(`${was.state} -> ${is.state}`);
  return changes;
}

/**
 * Hashes of two releases of compose tell nothing, nor do those of a service that lives in another's namespaces, whose id is in them: then the files tell, as far
 * as the containers ran as these say.
 */
function hasOtherDefinition(before: State, after: State, name: string): boolean {
  const [was, is] = [recordedHash(before.point, name), recordedHash(after.point, name)];
  if (!was || !is) return was !== is;
  const comparison = compareHashes(is, [was]);
  if (comparison === 'same') return false;
  const service = before.model?.services[name];
  const borrows = service !== undefined && lendersOf(service).length > 0;
  if (comparison === 'other' && !borrows) return true;
  return (
    hasDrifted(before.point, name) ||
    hasDrifted(after.point, name) ||
    !isSameDefinition(service, after.model?.services[name])
  );
}

function imageChange(was: PointImage, is: PointImage): string {
  const ref = was.ref === is.ref ? '' : `${is.ref} `;
  return `image ${was.ref} ${shortId(was.id)} -> ${ref}${shortId(is.id)}`;
}

function gitDifferences(from: Point, to: Point): Difference[] {
  const [was, is] = [from.metadata.git_commit, to.metadata.git_commit];
  if (was === is) return [];
  return [
    { what: 'git', name: 'HEAD', change: `${was?.slice(0, 8) ?? 'none'} -> ${is?.slice(0, 8) ?? 'none'}` },
  ];
}
