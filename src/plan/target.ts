import type { ComposeModel } from '../model/compose.js';
import type { Image } from '../model/engine.js';
import type { ProjectFacts } from '../model/facts.js';
import type { Findings, HandlerTraits } from '../model/plan.js';
import type { Point, PointImage } from '../model/point.js';
import type { InterpolationVariable, Observation } from '../model/project.js';

/** Where a plan leads: a point with its secret half opened. */
export interface Target {
  point: Point;
  /** False for a target made up from the present: nothing of it is on disk. */
  stored: boolean;
  /** Undefined when the files of the point did not resolve: a safety point of a broken present. */
  model: ComposeModel | undefined;
  variables: InterpolationVariable[];
  /** Undefined for a point that was made before facts were recorded or on another kind of engine, and for a target made up. */
  facts: ProjectFacts | undefined;
  /** Facts that were recorded on another kind of engine: plans do without them, and the proof compares what both kinds tell. */
  foreignFacts?: ProjectFacts | undefined;
}

/** Everything the planner looks at about one service's handler; the generic one when nobody said. */
export type Traits = Record<string, HandlerTraits>;

/**
 * The local image that is the recorded one. In the store where the point was made the id alone tells: images that differ only in their
 * settings have the same layers. In another store ids mean nothing, and the layers decide.
 */
export function findImage(
  observation: Pick<Observation, 'images' | 'engine'>,
  point: Point,
  wanted: PointImage,
): Image | undefined {
  const byId = observation.images[wanted.id] ?? undefined;
  if (byId || isSameStore(observation, point)) return byId;
  const references = [wanted.kept_tag ?? wanted.id, wanted.ref, ...wanted.digests];
  const images = references.map((reference) => observation.images[reference] ?? undefined);
  return images.find((image) => image && isSameImage(image, observation.engine, wanted));
}

/** Images that differ only in their settings have the same layers: where both stores tell the digest of the configuration, that decides. */
function isSameImage(
  { id, diffIds }: Image,
  { imageIdIsConfigDigest }: Observation['engine'],
  { config_digest: digest, diff_ids: layers }: PointImage,
): boolean {
  return digest !== null && imageIdIsConfigDigest ? id === digest : sameLayers(diffIds, layers);
}

/** Can a reference be pointed somewhere? Digests and bare ids cannot. */
export const isTag = (ref: string): boolean => !ref.includes('@') && !/^(?:sha256:)?[0-9a-f]{64}$/.test(ref);

/** Where a recorded image can be taken from; undefined when it is nowhere. An archive gives no image its digest back. */
export function sourceOf(
  observation: Observation,
  { point }: Target,
  { pullable }: Findings,
  wanted: PointImage,
): 'engine' | 'archive' | 'registry' | undefined {
  if (findImage(observation, point, wanted)) return 'engine';
  if (isTag(wanted.ref) && point.image_archives.some(({ image }) => image === wanted.id)) return 'archive';
  return wanted.digests.some((digest) => pullable.includes(digest)) ? 'registry' : undefined;
}

/** Is the image with this id the recorded one? */
export function isImage(
  observation: Pick<Observation, 'images' | 'engine'>,
  point: Point,
  id: string,
  wanted: PointImage,
): boolean {
  return id === wanted.id || id === findImage(observation, point, wanted)?.id;
}

/** Docker and Podman describe the same container in different words: facts of one say nothing about containers of the other. */
export function isOtherKindOfEngine({ metadata }: Point, kind: Observation['engine']['kind']): boolean {
  return metadata.engine.kind !== kind;
}

function isSameStore({ engine }: Pick<Observation, 'engine'>, { metadata }: Point): boolean {
  return engine.id === metadata.engine.id && engine.storageDriver === metadata.engine.storage_driver;
}

function sameLayers(some: string[], others: string[]): boolean {
  return some.length > 0 && some.length === others.length && some.every((id, index) => id === others[index]);
}

/** Variables that have another value today than at the point. Names only: values are secret. */
export function variableDifferences(observation: Observation, target: Target): string[] {
  const today = new Map(observation.variables.map((variable) => [variable.name, variable.value]));
  return target.variables
    .filter((variable) => (today.get(variable.name) ?? null) !== variable.value)
    .map((variable) => variable.name)
    .toSorted();
}

/** `sha256:91bc…` as people read ids. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

/** How many containers the target's files ask for. */
export function usualReplicas({ model }: Pick<Target, 'model'>, service: string): number {
  const { scale, deploy } = model?.services[service] ?? {};
  return scale ?? deploy?.replicas ?? 1;
}
