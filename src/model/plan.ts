import * as z from 'zod';
import type { Container } from './engine.js';
import { type Membership, membershipSchema } from './facts.js';
import { POINT_KINDS } from './names.js';
import { ownerSchema } from './point.js';
import type { RunScope } from './scope.js';

/** A plan: what would be done, as data. Produced by pure code, printed by dry runs, performed by the executor. */

export const PLAN_FORMAT = 1;

const base = { /** Why this is done, for a person. */ cause: z.string() };
const mode = z.int().min(0).max(0o7777);
const services = z.array(z.string());
/** Container ids. */
const containers = z.array(z.string());

export const operationSchema = z.discriminatedUnion('kind', [
  /** A handler's step before anything stops, e.g. Redis' SAVE. */
  z.object({ kind: z.literal('prepare'), service: z.string(), handler: z.string(), ...base }),
  /** A hook the user configured; `index` counts within its service and phase. */
  z.object({
    kind: z.literal('hook'),
    phase: z.enum(['before', 'after']),
    service: z.string(),
    index: z.int(),
    what: z.string(),
    ...base,
  }),
  /** Stash and check out the commit of the point. */
  z.object({
    kind: z.literal('checkout'),
    commit: z.string(),
    branch: z.string().nullable(),
    /** Submodules by path, and the commits that they were at; null for that of the project's commit. */
    submodules: z.record(z.string(), z.string().nullable()).optional(),
    ...base,
  }),
  /** An image that is missing comes from the point's archive, or from its registry by digest. Services run on meanwhile. */
  z.object({ kind: z.literal('load-image'), image: z.string(), ref: z.string(), bytes: z.int(), ...base }),
  z.object({ kind: z.literal('pull-image'), image: z.string(), digest: z.string(), ...base }),
  /** The recorded data is unpacked beside its place while services run. */
  z.object({ kind: z.literal('stage-volume'), volume: z.string(), bytes: z.int(), ...base }),
  z.object({ kind: z.literal('stop'), services, containers, ...base }),
  /** Stop and remove containers of a service that the point does not know. */
  z.object({ kind: z.literal('remove'), services, containers, ...base }),
  z.object({
    kind: z.literal('restore-file'),
    path: z.string(),
    mode,
    owner: ownerSchema,
    size: z.int(),
    sha256: z.string(),
    /** Rewritten in place, because it is a mount point, or a container that keeps running holds the inode. */
    in_place: z.boolean(),
    outside: z.boolean(),
    ...base,
  }),
  z.object({
    kind: z.literal('restore-link'),
    path: z.string(),
    target: z.string(),
    owner: ownerSchema,
    outside: z.boolean(),
    ...base,
  }),
  z.object({
    kind: z.literal('restore-directory'),
    path: z.string(),
    mode,
    owner: ownerSchema,
    outside: z.boolean(),
    ...base,
  }),
  /** The point says it was absent; its bytes are in the safety point. */
  z.object({ kind: z.literal('remove-file'), path: z.string(), outside: z.boolean(), ...base }),
  /** What the volume holds goes into the safety point, before it is emptied. */
  z.object({ kind: z.literal('archive-volume'), volume: z.string(), ...base }),
  /**
   * The data takes its place: what was staged (host), what is unpacked into the emptied volume (api), or, on the way back, what the run
   * had put aside. With `host` the present data is put aside, not deleted.
   */
  z.object({
    kind: z.literal('restore-volume'),
    volume: z.string(),
    driver: z.enum(['host', 'api']),
    from: z.enum(['point', 'aside']),
    ...base,
  }),
  z.object({
    kind: z.literal('retag'),
    ref: z.string(),
    image: z.string(),
    previous: z.string().nullable(),
    ...base,
  }),
  /** The provider makes and starts (or only makes) these services. */
  z.object({
    kind: z.literal('up'),
    services,
    /** Replica counts that differ from what the files say. */
    scale: z.record(z.string(), z.int()),
    start: z.boolean(),
    /** Containers that the provider takes for current are made anew too. */
    recreate: z.literal(true).optional(),
    /** By a definition that is made of the recorded facts, because the files of the point say otherwise. */
    from: z.literal('facts').optional(),
    ...base,
  }),
  /** Takes containers out of a network: those of others by name, of this project by the service. */
  z.object({
    kind: z.literal('disconnect'),
    network: z.string(),
    containers: z.array(z.string()),
    services,
    ...base,
  }),
  /** Nothing is in it any more; the provider makes it again. */
  z.object({ kind: z.literal('remove-network'), network: z.string(), ...base }),
  /** As it was connected, one container by its name, or that of a service by its place among the replicas, from 0. */
  z.object({
    kind: z.literal('connect'),
    network: z.string(),
    container: z.string().nullable(),
    service: z.string().nullable(),
    replica: z.int(),
    membership: membershipSchema,
    ...base,
  }),
  /** The same containers are started again. */
  z.object({ kind: z.literal('start'), services, containers, ...base }),
  /** The handler makes the running service read its files again. */
  z.object({
    kind: z.literal('reload'),
    service: z.string(),
    handler: z.string(),
    paths: z.array(z.string()),
    ...base,
  }),
  /** A handler's step after the start, before it is asked for health. */
  z.object({ kind: z.literal('settle'), service: z.string(), handler: z.string(), ...base }),
  /** The data that was put aside goes into the safety point, and then away. Services run already. */
  z.object({ kind: z.literal('keep-volume'), volume: z.string(), ...base }),
  z.object({ kind: z.literal('verify'), service: z.string(), handler: z.string(), ...base }),
]);

export const remarkSchema = z.object({
  /** Stable, for scripts: `image-missing`, `port-taken`, … */
  code: z.string(),
  message: z.string(),
  /** What the user can do about it. */
  hint: z.string().nullable(),
});

const notCoveredSchema = z.object({
  /** A path as the point has it, or a volume. */
  what: z.string(),
  reason: z.string(),
});

export const planSchema = z.object({
  format: z.literal(PLAN_FORMAT),
  kind: z.enum(['rollback', 'undo', 'return', 'service']),
  project: z.string(),
  target: z.object({
    id: z.string(),
    timestamp: z.string(),
    description: z.string(),
    /** A point's kind, or `image` for one service taken to an image by its tag. */
    kind: z.enum([...POINT_KINDS, 'image']),
  }),
  /** Fingerprint of the observation it was made from: the plan is stale once it differs. */
  observation: z.string(),
  operations: z.array(operationSchema),
  /** Services that keep running, untouched. */
  unchanged: z.array(z.string()),
  /** How many recorded facts of these are equal today; absent when the point has none. */
  equal: z.int().optional(),
  /** What is neither compared nor restored; none in the journals of earlier versions. */
  not_covered: z.array(notCoveredSchema).default([]),
  risks: z.array(remarkSchema),
  blockers: z.array(remarkSchema),
});

export const parsePlan = (value: unknown) => planSchema.parse(value);
// Not `z.infer`: the compiler writes a return type out in the published declarations, which must not import zod.
export type Plan = ReturnType<typeof parsePlan>;
export type Operation = Plan['operations'][number];
export type OperationKind = Operation['kind'];
export type OperationOf<K extends OperationKind> = Extract<Operation, { kind: K }>;
export type NotCovered = Plan['not_covered'][number];
export type Remark = Plan['risks'][number];

/** What was looked at, beyond the observation, before planning: every fact a blocker can rest on. */
export interface Findings {
  /** Stored files of the point that are missing or are not what was recorded. */
  damaged: { path: string; problem: string }[];
  /** Why the point's own compose files do not resolve today; undefined when they do. */
  modelError: string | undefined;
  /**
   * Hashes that today's provider gives the recorded definitions: containers that it made of them carry these, whichever version recorded
   * them. None where it cannot tell, or where the point itself has those of the same release.
   */
  definitions: Record<string, string>;
  /** Published ports of the point's services that someone outside the project holds. */
  takenPorts: { service: string; port: string; holder: string }[];
  /** Names that containers of the point's services need and other containers have; the holder by its id. */
  takenNames: { service: string; name: string; holder: string; project: string | null }[];
  /** Subnets and addresses in use, of which the target may need some. */
  addressing: {
    /** By name. */
    networks: Record<string, { driver: string; ranges: AddressRange[] }>;
    /** Of this machine's interfaces, where the engine refuses to make a network over them. */
    machine: { name: string; subnet: string }[];
    /** By running containers; the container by its id. */
    held: { container: string; name: string; network: string; address: string }[];
  };
  /** Networks and volumes the point's model calls external and the engine does not have. */
  missingExternal: { what: 'network' | 'volume'; name: string }[];
  /** Volumes the point's services use and the engine does not have: they would come up empty. */
  missingVolumes: string[];
  /** Recorded volumes without a name that no new container can be given: mostly, the engine no longer has them. */
  lostVolumes: string[];
  /** Services that had other contents in files of their own than their recorded definitions give. */
  otherContents: string[];
  /** Recorded networks that the engine no longer has. */
  lostNetworks: string[];
  /** How containers of others were connected to networks, by name, before an earlier process of the same run disconnected them. */
  disconnected: Record<string, Record<string, Membership>>;
  /** Services that the point's files define otherwise today than when it was made (other variables, another user), and in what. */
  otherwiseDefined: Record<string, Replacement[]>;
  /** Host paths that the point's services mount, that are gone, and that no recorded file brings back. Inside the project relative. */
  missingBinds: string[];
  /** Of each volume whose data the target holds, or whose data its run has put aside. */
  volumes: Record<string, VolumeFinding>;
  /** Recorded digests of images that are missing here and that their registry still has. */
  pullable: string[];
  /** Containers that are not of this project's services and share an image reference or a namespace with it. */
  neighbours: Neighbour[];
  /** True when the point's commit is to be checked out and the repository does not have it. */
  commitMissing: boolean;
  /** Bytes the safety point needs and the backup file system lacks; 0 when it fits. */
  missingBytes: number;
}

/** A subnet of a network. */
export interface AddressRange {
  /** `10.5.0.0/16`. */
  subnet: string;
  /** Null when the engine chooses it. */
  gateway: string | null;
  /** The engine gives addresses, that of the gateway too, from a part of the subnet only. */
  isPartial: boolean;
}

/** One setting of a service that its files give otherwise: the reason for the next plain `up` to replace it. */
export interface Replacement {
  /** As a compose file has it: `restart`, `environment.TOKEN`, `volumes./data`. */
  key: string;
  /** `is always, the files say no`; without values that may be secret. */
  change: string;
}

export type Neighbour = Pick<Container, 'name' | 'project' | 'service' | 'imageRef' | 'joins'>;

/** What was seen of a volume or data directory. */
export interface VolumeFinding {
  /** What can write to it; null when nothing can, and then why. */
  driver: 'host' | 'api' | null;
  problem: string | null;
  /** Containers that mount it and run, of any project. */
  users: { id: string; name: string; project: string | undefined; service: string | undefined }[];
  /** The run that the target belongs to put data aside here, and it is still there. */
  aside: boolean;
  /** The run that is being resumed has restored it already. */
  restored: boolean;
  /** Bytes that unpacking needs and the file system lacks; 0 when it fits, or nobody can tell. */
  missingBytes: number;
}

/** What a service's handler does, as far as the plan depends on it. */
export interface HandlerTraits {
  kind: string;
  prepares: boolean;
  reloads: boolean;
  settles: boolean;
  /** What the configured hooks run, for display, in order. */
  before: string[];
  after: string[];
}

export interface PlanOptions extends RunScope {
  kind: Plan['kind'];
  /** Fingerprint of the observation. */
  fingerprint: string;
  /** UTC, for ages. */
  now: string;
}
