import type { OperationOf, Remark } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import type { Decisions } from './decision.js';
import { findImage, shortId, type Target } from './target.js';

export type Retag = OperationOf<'retag'>;

/** Can a reference be pointed somewhere? Digests and bare ids cannot. */
const isTag = (ref: string) => !ref.includes('@') && !/^(?:sha256:)?[0-9a-f]{64}$/.test(ref);

/** Where tags point while the plan is carried out: starts from the present and follows our own retags. */
export class Tags {
  private readonly moved = new Map<string, string>();

  constructor(private readonly observation: Observation) {}

  current(ref: string): string | null {
    return this.moved.get(ref) ?? this.observation.images[ref]?.id ?? null;
  }

  /** The operation that makes `ref` point to `image`; undefined when it does. */
  move(ref: string, image: string, cause: string): Retag | undefined {
    const previous = this.current(ref);
    if (!isTag(ref) || previous === image) return undefined;
    this.moved.set(ref, image);
    return { kind: 'retag', ref, image, previous, cause };
  }
}

/** The tag a service is made from must point to the recorded image when the provider looks. */
export function retagForStart(
  observation: Observation,
  target: Target,
  service: string,
  tags: Tags,
): Retag[] {
  const wanted = target.point.images[service];
  const image = wanted && findImage(observation, target.point, wanted);
  if (!wanted || !image) return [];
  const now = tags.current(wanted.ref);
  const cause = now ? `the tag points to ${shortId(now)} now` : 'the tag is gone';
  const move = tags.move(wanted.ref, image.id, cause);
  return move ? [move] : [];
}

/** After the start, tags point where they pointed at the point: so that a later plain `up` does what it would have done. */
export function retagAfterwards(
  observation: Observation,
  target: Target,
  services: string[],
  tags: Tags,
): Retag[] {
  return services.flatMap((service) => {
    const wanted = target.point.images[service];
    if (!wanted?.tag_id) return [];
    const image =
      wanted.tag_id === wanted.id
        ? findImage(observation, target.point, wanted)
        : observation.images[wanted.tag_id];
    if (!image) return [];
    const move = tags.move(wanted.ref, image.id, `at the point the tag pointed to ${shortId(image.id)}`);
    return move ? [move] : [];
  });
}

/** Images the plan needs and the engine lacks. */
export function imageBlockers(observation: Observation, target: Target, decisions: Decisions): Remark[] {
  const blockers: Remark[] = [];
  for (const [service, decision] of decisions) {
    const wanted = target.point.images[service];
    if (decision.action !== 'up' || !wanted) continue;
    const image = findImage(observation, target.point, wanted);
    const digest = wanted.digests[0];
    if (!image) {
      blockers.push({
        code: 'image-missing',
        message: `${service}: image ${wanted.ref} (${shortId(wanted.id)}) is not on this engine any more`,
        hint: digest
          ? `try: docker pull ${digest}`
          : 'it was built here: load it from a backup, or build that version again',
      });
    } else if (!isTag(wanted.ref) && observation.images[wanted.ref]?.id !== image.id) {
      blockers.push({
        code: 'digest-missing',
        message: `${service}: the image is here, but no longer under ${wanted.ref}, which its definition asks for`,
        hint: `try: docker pull ${wanted.ref}`,
      });
    }
  }
  return blockers;
}

/** References that several services share with different images: a plain `up` would merge them. */
export function sharedTags(target: Target): Remark[] {
  const services = Object.entries(target.point.images).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const refs = [...new Set(services.map(([, image]) => image.ref))];
  return refs
    .map((ref) => ({ ref, users: services.filter(([, image]) => image.ref === ref) }))
    .filter(({ users }) => new Set(users.map(([, image]) => image.id)).size > 1)
    .map(({ ref, users }) => ({
      code: 'shared-tag',
      message: `${users.map(([service]) => service).join(' and ')} share ${ref} and ran different images of it`,
      hint: 'the next plain `up` gives them the same one; pin them by tags of their own',
    }));
}
