import { qualified } from '../../engine/reference.js';
import type { ComposeService } from '../../model/compose.js';
import type { Found, Place, Rule } from './fit.js';
import { isGiven, recordOf, textOf } from '../values.js';

/** What concerns a service's image, and how it is built. */

export const IMAGE_RULES: readonly Rule[] = [
  { id: 'image.short-name', find: shortName },
  { id: 'image.pull-policy', find: pullPolicy },
  { id: 'build.features', find: buildFeatures },
  { id: 'build.buildkit', find: buildKit },
];

function shortName({ image, build }: ComposeService, { provider, searched }: Place): Found | undefined {
  if (image === undefined || isGiven(build)) return undefined;
  const full = qualified(image);
  if (full === image) return undefined;
  const looks = provider === 'docker compose' || searched.includes('docker.io');
  return {
    grade: looks ? 'note' : 'warning',
    finding: `image ${image} names no registry`,
    why: 'Docker means docker.io; Podman looks in the registries that registries.conf lists, and finds nothing without a list',
    fix: `write ${full}`,
    rewrite: `image: ${full}`,
  };
}

/** Measured, 4.3.1: with any other word no container is made. */
const PULL_POLICIES = ['always', 'missing', 'never', 'newer', 'build'];

function pullPolicy(service: ComposeService, { provider }: Place): Found | undefined {
  const policy = textOf(service['pull_policy']);
  if (policy === undefined || provider !== 'podman-compose' || PULL_POLICIES.includes(policy))
    return undefined;
  return {
    grade: 'critical',
    finding: `pull_policy is ${policy}`,
    why: 'podman-compose hands the word on, and Podman knows always, missing, never and newer only',
    fix: 'choose one of them',
    rewrite: 'pull_policy: missing',
  };
}

const BUILDKIT = [
  'additional_contexts',
  'cache_from',
  'cache_to',
  'entitlements',
  'isolation',
  'platforms',
  'provenance',
  'sbom',
  'ssh',
];

function buildFeatures({ build }: ComposeService): Found | undefined {
  const used = BUILDKIT.filter((key) => isGiven(recordOf(build)[key]));
  if (used.length === 0) return undefined;
  return {
    grade: 'warning',
    finding: `it is built with ${used.join(', ')}`,
    why: 'Podman builds with Buildah, which is no BuildKit, and compose hands on only part of this',
    fix: 'build the image beforehand with `podman build`, and name it by image:',
  };
}

function buildKit({ build }: ComposeService, { provider }: Place): Found | undefined {
  if (!isGiven(build) || provider !== 'docker compose') return undefined;
  return {
    grade: 'note',
    finding: 'docker compose builds it in a builder of its own, where buildx is installed',
    why: 'that builder is a container, made from an image that is pulled first', // Measured, compose 2.40.3 on Podman 5.8.6.
    fix: 'set DOCKER_BUILDKIT=0 when you build: Podman then builds by itself',
  };
}
