import type { Findings, OperationOf, Remark } from '../model/plan.js';
import type { PointImage } from '../model/point.js';
import type { Observation } from '../model/project.js';
import type { Decisions } from './decision.js';
import { findImage, isTag, shortId, sourceOf, type Target } from './target.js';

export type Retag = OperationOf<'retag'>;

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

/** A reference as people may write it differently: `docker.io/library/redis` and `redis:latest` are the same. */
export function normalReference(reference: string): string {
  const name = reference.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
  return /[@:][^/]*$/.test(name) ? name : `${name}:latest`;
}

/** Is the image here, but not under the digest that its definition asks for? No tag of ours can give it that. */
function lacksDigest(observation: Observation, { point }: Target, wanted: PointImage): boolean {
  const image = findImage(observation, point, wanted);
  return image !== undefined && !isTag(wanted.ref) && observation.images[wanted.ref]?.id !== image.id;
}

/** Brings a missing image here; nothing when it is here, or nowhere. */
export function fetchImage(
  observation: Observation,
  target: Target,
  findings: Findings,
  wanted: PointImage,
): OperationOf<'load-image' | 'pull-image'>[] {
  const { ref, id: image, digests } = wanted;
  const cause = 'it is not on this engine any more';
  const source = sourceOf(observation, target, findings, wanted);
  if (lacksDigest(observation, target, wanted) && findings.pullable.includes(ref)) {
    return [{ kind: 'pull-image', image, digest: ref, cause: 'it is not known by its digest any more' }];
  }
  if (source === 'archive') {
    const bytes = target.point.image_archives.find((archive) => archive.image === image)?.size ?? 0;
    return [{ kind: 'load-image', image, ref, bytes, cause }];
  }
  const digest = digests.find((candidate) => findings.pullable.includes(candidate));
  return source === 'registry' && digest !== undefined ? [{ kind: 'pull-image', image, digest, cause }] : [];
}

/** The tag a service is made from must point to the recorded image when the provider looks. */
export function retagForStart(
  observation: Observation,
  target: Target,
  findings: Findings,
  service: string,
  tags: Tags,
): Retag[] {
  const wanted = target.point.images[service];
  if (!wanted || !sourceOf(observation, target, findings, wanted)) return [];
  // What is fetched first goes by its recorded id until then.
  const image = findImage(observation, target.point, wanted) ?? wanted;
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

/** After the start, tags point where they point today: for the sake of others that use them. */
export function returnTags(
  observation: Observation,
  { point }: Target,
  services: string[],
  tags: Tags,
): Retag[] {
  return services.flatMap((service) => {
    const ref = point.images[service]?.ref;
    const today = ref === undefined ? undefined : observation.images[ref];
    if (ref === undefined || !today) return [];
    return tags.move(ref, today.id, 'it is left as it is today, as asked') ?? [];
  });
}

/** Images the plan needs and nobody has. */
export function imageBlockers(
  observation: Observation,
  target: Target,
  findings: Findings,
  decisions: Decisions,
): Remark[] {
  const blockers: Remark[] = [];
  for (const [service, decision] of decisions) {
    const wanted = target.point.images[service];
    if (decision.action !== 'up' || !wanted) continue;
    const source = sourceOf(observation, target, findings, wanted);
    if (!source) {
      blockers.push({ code: 'image-missing', ...missingImage(service, wanted, target) });
    } else if (lacksDigest(observation, target, wanted) && !findings.pullable.includes(wanted.ref)) {
      blockers.push({
        code: 'digest-missing',
        message: `${service}: the image is here, but no longer under ${wanted.ref}, which its definition asks for`,
        hint: `try: docker pull ${wanted.ref}`,
      });
    }
  }
  return blockers;
}

function missingImage(
  service: string,
  { ref, id, digests: [digest], kept_tag }: PointImage,
  { stored }: Target,
): Pick<Remark, 'message' | 'hint'> {
  const image = `image ${ref} (${shortId(id)})`;
  if (stored && kept_tag === null) {
    return {
      message: `${service}: the engine had lost ${image} before the point was made`,
      hint: 'take another point, or leave the service out with --services',
    };
  }
  return {
    message: `${service}: ${image} is not on this engine any more`,
    hint: digest
      ? `try: docker pull ${digest}`
      : 'it was built here: load it from a backup, or build that version again',
  };
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
