import type { ComposeModel, ComposeService } from '../../src/model/compose.js';
import type { Container, ContainerMount, ContainerState, Image } from '../../src/model/engine.js';
import type {
  Findings,
  HandlerTraits,
  Operation,
  Plan,
  PlanOptions,
  VolumeFinding,
} from '../../src/model/plan.js';
import type { FileAccess, InterpolationVariable, Observation } from '../../src/model/project.js';
import { plan } from '../../src/plan/plan.js';
import { isUp } from '../../src/plan/services.js';
import type { Target, Traits } from '../../src/plan/target.js';
import { noFindings } from './findings.js';
import { entriesOf, type FileSpec } from './file-specs.js';

/**
 * Small presents and points for tests of the planner, in one language: a `Stack`. `aPresent(stack)` is what would be observed of it,
 * `aPoint(stack)` (mirror.ts) what would have been recorded of it. Ids are readable: image `api-v1` has the id `sha256:api-v1…`, the first container
 * of `api` the id `api-1`.
 */

export const PROJECT = '/srv/shop';
export const THEN = '2025-11-05T17:30:00Z';
export const NOW = '2025-11-05T19:30:00Z';
export const POINT = 'rb-a1b2c3d4e5f6';

export interface ServiceSpec {
  /** `NAME:1` when absent. */
  ref?: string;
  /** Name of the image that runs; `NAME-v1` when absent. */
  image?: string;
  /** Compose's config hash; `NAME-hash` when absent. */
  hash?: string;
  /** What the files give; the same as `hash` when absent. */
  filesHash?: string;
  /** Release of the compose that made the containers; the present one's when absent. */
  madeBy?: string;
  /** Does it look like what the files give? By its hash when absent. */
  matchesFiles?: boolean;
  /** Anything else that its definition says. */
  more?: Record<string, unknown>;
  /** One container each; a single running one when absent. */
  states?: ContainerState[];
  /** Replicas the files ask for; one when absent. */
  scale?: number;
  /** Service to condition: `service_started`, `service_healthy`, … */
  needs?: Record<string, string>;
  /** Services it is restarted with (`restart: true`). */
  follows?: string[];
  /** The service whose network it lives in. */
  lender?: string;
  /** Services whose containers the engine does not let go while this one's is there. */
  tied?: string[];
  /** Bind mounts: path in the project (`.` is the whole of it) or absolute. */
  binds?: string[];
  /** Named volumes. */
  volumes?: string[];
  /** The files do not define it. */
  orphan?: boolean;
}

export interface Stack {
  services?: Record<string, ServiceSpec>;
  files?: Record<string, FileSpec>;
  /** Files outside the project, by absolute path. */
  outside?: Record<string, FileSpec>;
  directories?: string[];
  /** What this user may do to files; root on its own file system when absent. */
  access?: Partial<FileAccess>;
  /** Where tags point, by image name, where that is not to what runs; null: nowhere. */
  tags?: Record<string, string | null>;
  images?: string[];
  variables?: Record<string, string | null>;
  /** Set when the files do not resolve. */
  modelError?: string;
  git?: { commit: string; branch?: string; dirty?: boolean };
  directory?: string;
  replaces?: boolean;
  /** Of compose, as it tells it; 2.26.1 when absent. */
  compose?: string;
}

export const imageId = (name: string) => `sha256:${name.padEnd(64, '0')}`;

export function anImage(name: string, overrides: Partial<Image> = {}): Image {
  return {
    id: imageId(name),
    tags: [],
    digests: [],
    platform: 'linux/amd64',
    diffIds: [`layer-${name}`],
    sizeBytes: 1_000_000,
    settings: {},
    ...overrides,
  };
}

export function aPresent(stack: Stack = {}): Observation {
  const directory = stack.directory ?? PROJECT;
  const services = Object.entries(stack.services ?? {});
  return {
    takenAt: NOW,
    facts: { key: '', services: {}, networks: {}, external_networks: {}, volumes: {} },
    project: {
      name: 'shop',
      directory,
      files: [`${directory}/compose.yaml`],
      origin: 'default',
      profiles: [],
      envFiles: [],
    },
    engine: {
      kind: 'docker',
      id: 'engine-1',
      hostname: 'pi',
      version: '20.10.24',
      apiVersion: '1.41',
      host: 'unix:///var/run/docker.sock',
      local: true,
      rootless: false,
      pauses: true,
      changesRestart: true,
      storageDriver: 'overlay2',
      imageIdIsConfigDigest: true,
      storageDirectory: '/var/lib/docker',
      defaults: { logging: 'json-file', runtime: 'runc' },
    },
    provider: {
      name: 'docker compose',
      version: stack.compose ?? '2.26.1',
      replaces: stack.replaces ?? true,
      readsModels: true,
    },
    model: stack.modelError === undefined ? modelOf(services) : undefined,
    modelError: stack.modelError,
    services: Object.fromEntries(
      services.map(([name, spec]) => [
        name,
        {
          name,
          containers: containersOf(name, { madeBy: releaseOf(stack), ...spec }, directory),
          filesHash: spec.orphan ? undefined : (spec.filesHash ?? hashOf(name, spec)),
          matchesFiles:
            !spec.orphan &&
            stack.modelError === undefined &&
            (spec.matchesFiles ?? (spec.filesHash ?? hashOf(name, spec)) === hashOf(name, spec)),
        },
      ]),
    ),
    strangers: [],
    configuration: {
      entries: entriesOf(stack.files ?? {}),
      outside: entriesOf(stack.outside ?? {}),
      skipped: [],
      directories: stack.directories ?? [],
      access: { user: null, refused: {}, mountPoints: [], ...stack.access },
    },
    variables: Object.entries(stack.variables ?? {}).map(([name, value]): InterpolationVariable => ({
      name,
      value,
      source: value === null ? 'file' : 'shell',
    })),
    images: imagesOf(stack, services),
    git: stack.git && {
      commit: stack.git.commit,
      branch: stack.git.branch,
      dirty: stack.git.dirty ?? false,
      root: directory,
    },
    warnings: [],
  };
}

const releaseOf = ({ compose = '2.26.1' }: Stack) => compose.replace(/-.*/, '');
const hashOf = (name: string, spec: ServiceSpec) => spec.hash ?? `${name}-hash`;
const refOf = (name: string, spec: ServiceSpec) => spec.ref ?? `${name}:1`;
const imageOf = (name: string, spec: ServiceSpec) => spec.image ?? `${name}-v1`;

function modelOf(services: [string, ServiceSpec][]): ComposeModel {
  const defined = services.filter(([, spec]) => !spec.orphan);
  return {
    name: 'shop',
    services: Object.fromEntries(defined.map(([name, spec]) => [name, serviceOf(name, spec)])),
    networks: {},
    volumes: {},
    configs: {},
    secrets: {},
  };
}

function serviceOf(name: string, spec: ServiceSpec): ComposeService {
  return {
    image: refOf(name, spec),
    environment: {},
    labels: {},
    ports: [],
    expose: [],
    volumes: (spec.volumes ?? []).map((source) => ({ type: 'volume', source, target: '/data' })),
    configs: [],
    secrets: [],
    depends_on: dependsOn(spec),
    profiles: [],
    network_mode: spec.lender === undefined ? undefined : `service:${spec.lender}`,
    scale: spec.scale,
    ...spec.more,
  };
}

/** As compose resolves it: who lends a network is needed, too. */
function dependsOn({ needs = {}, follows = [], lender }: ServiceSpec) {
  const restarted = [...follows, ...(lender === undefined ? [] : [lender])];
  return Object.fromEntries<ComposeService['depends_on'][string]>([
    ...Object.entries(needs).map(([needed, condition]) => [needed, { condition }] as const),
    ...restarted.map((needed) => [needed, { condition: 'service_started', restart: true }] as const),
  ]);
}

function containersOf(service: string, spec: ServiceSpec, directory: string): Container[] {
  return (spec.states ?? ['running']).map((state, index) =>
    aContainer(service, index + 1, {
      state,
      exitCode: state === 'exited' ? 0 : undefined,
      imageId: imageId(imageOf(service, spec)),
      imageRef: refOf(service, spec),
      configHash: hashOf(service, spec),
      composeVersion: spec.madeBy,
      needs: (spec.tied ?? []).map((other) => `${other}-1`),
      mounts: [
        ...(spec.binds ?? []).map((path) => aBind(path, directory)),
        ...(spec.volumes ?? []).map(aVolumeMount),
      ],
    }),
  );
}

export function aContainer(service: string, number: number, overrides: Partial<Container> = {}): Container {
  return {
    id: `${service}-${number}`,
    name: `shop-${service}-${number}`,
    project: 'shop',
    service,
    number,
    oneOff: false,
    state: 'running',
    exitCode: undefined,
    startedAt: THEN,
    restart: 'no',
    restartCount: 0,
    pid: 0,
    imageId: imageId(`${service}-v1`),
    imageManifest: undefined,
    imageRef: `${service}:1`,
    configHash: `${service}-hash`,
    composeVersion: '2.26.1',
    labels: {},
    env: {},
    command: [],
    mounts: [],
    ports: [],
    exposed: [],
    addresses: {},
    networkMode: 'shop_default',
    user: '',
    needs: [],
    joins: [],
    health: 'none',
    settings: {},
    ...overrides,
  };
}

function aVolumeMount(volume: string): ContainerMount {
  return { type: 'volume', source: '', name: `shop_${volume}`, target: '/data', readOnly: false };
}

function aBind(path: string, directory: string): ContainerMount {
  const source = path === '.' ? directory : path.startsWith('/') ? path : `${directory}/${path}`;
  return { type: 'bind', source, name: undefined, target: `/mnt/${path}`, readOnly: true };
}

function imagesOf(stack: Stack, services: [string, ServiceSpec][]): Record<string, Image | null> {
  const images: Record<string, Image | null> = {};
  const ran = services.filter(([, spec]) => spec.states?.length !== 0);
  for (const name of stack.images ?? []) images[imageId(name)] = anImage(name);
  for (const [service, spec] of ran) {
    const image = anImage(imageOf(service, spec));
    images[image.id] = image;
    images[refOf(service, spec)] = image;
  }
  for (const [ref, name] of Object.entries(stack.tags ?? {})) {
    images[ref] = name === null ? null : anImage(name);
    if (name !== null) images[imageId(name)] = anImage(name);
  }
  return images;
}

/** What is found of a volume that containers of these services use. */
export function aVolumeFinding(
  present: Observation,
  volume: string,
  overrides: Partial<VolumeFinding> = {},
): VolumeFinding {
  const containers = Object.values(present.services).flatMap((service) => service.containers);
  const users = containers.filter(
    (container) => isUp(container) && container.mounts.some(({ name }) => name === `shop_${volume}`),
  );
  return {
    driver: 'host',
    problem: null,
    users: users.map(({ id, name, project, service }) => ({ id, name, project, service })),
    aside: false,
    restored: false,
    missingBytes: 0,
    ...overrides,
  };
}

export const options: PlanOptions = {
  kind: 'rollback',
  services: undefined,
  configOnly: false,
  volumes: true,
  outside: false,
  git: false,
  leaveTags: false,
  fingerprint: 'now',
  now: NOW,
};

export function traitsOf(kind: string, overrides: Partial<HandlerTraits> = {}): HandlerTraits {
  return { kind, prepares: false, reloads: false, settles: false, before: [], after: [], ...overrides };
}

export type Circumstances = { traits?: Traits; findings?: Partial<Findings>; options?: Partial<PlanOptions> };

/** `plan` under usual circumstances: nothing found, generic handlers, the whole project. */
export function planned(present: Observation, target: Target, given: Circumstances = {}): Plan {
  const findings = { ...noFindings, ...given.findings };
  return plan(present, target, given.traits ?? {}, findings, { ...options, ...given.options });
}

/** A whole plan from what a test is about; the head is that of `planned(…, aPoint(…))`. */
export function aPlan(parts: Partial<Plan> = {}): Plan {
  return {
    format: 1,
    kind: 'rollback',
    project: 'shop',
    target: { id: POINT, timestamp: THEN, description: 'Before v2', kind: 'manual' },
    observation: 'now',
    operations: [],
    unchanged: [],
    not_covered: [],
    risks: [],
    blockers: [],
    ...parts,
  };
}

/** Operations in short, for tests about order: `stop api web`, `up api`, `retag app:1`. */
export function outline(operations: Operation[]): string[] {
  return operations.map((operation) => {
    if ('services' in operation) return `${operation.kind} ${operation.services.join(' ')}`;
    if ('service' in operation) return `${operation.kind} ${operation.service}`;
    if ('path' in operation) return `${operation.kind} ${operation.path}`;
    if ('volume' in operation) return `${operation.kind} ${operation.volume}`;
    return operation.kind === 'retag' ? `retag ${operation.ref}` : operation.kind;
  });
}
