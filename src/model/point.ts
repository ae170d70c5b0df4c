import * as z from 'zod';
import { POINT_ID, POINT_KINDS, type PointKind } from './names.js';

/**
 * `point.json`: a point describes itself. Field names are those of the reference document where it has them; multi-word
 * names are snake_case throughout. Sizes are bytes, times UTC (RFC 3339 with Z), hashes `sha256:<hex>`, modes octal numbers as
 * `stat` gives them (only the permission bits).
 */

export const POINT_FORMAT = 1;

const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const mode = z.int().min(0).max(0o7777);

/** Numeric ids. Absent in points of versions before 0.2, which did not record owners. */
export const ownerSchema = z.object({ uid: z.int().nonnegative(), gid: z.int().nonnegative() }).optional();

const entrySchema = z.discriminatedUnion('type', [
  z.object({
    path: z.string(),
    type: z.literal('file'),
    mode,
    owner: ownerSchema,
    size: z.int().nonnegative(),
    sha256: hash,
    /** Where the bytes are, relative to the point's directory. */
    stored: z.string(),
    /** A running service was writing the file: these are the bytes that were read, and a rollback leaves its content alone. */
    unsteady: z.literal(true).optional(),
    /** Of a file outside the project: the link inside that leads to it. */
    via: z.string().optional(),
  }),
  z.object({ path: z.string(), type: z.literal('symlink'), target: z.string(), owner: ownerSchema }),
  z.object({ path: z.string(), type: z.literal('directory'), mode, owner: ownerSchema }),
  z.object({ path: z.string(), type: z.literal('absent') }),
]);

export const pointImageSchema = z.object({
  /** The reference the containers were made with. */
  ref: z.string(),
  /** The image that ran. */
  id: z.string(),
  digests: z.array(z.string()),
  platform: z.string(),
  diff_ids: z.array(z.string()),
  /** Digest of its configuration. Null in earlier points, and where the engine does not tell it or would save the image with another one. */
  config_digest: z.string().nullable().default(null),
  /** The image that `ref` pointed to at that time; null when it pointed nowhere or is a digest. */
  tag_id: z.string().nullable(),
  /** The tag that keeps the image from a plain prune; null when the image was gone from the engine already. */
  kept_tag: z.string().nullable(),
});

/** A file of the point besides its record: size in bytes and hash of what is on the disk. */
const storedFile = {
  /** Relative to the point's directory. */
  stored: z.string(),
  size: z.int().nonnegative(),
  sha256: hash,
};

const compression = z.enum(['zstd', 'gzip']);

/** The data of one named volume or bind-mounted directory: a tar archive with owners, modes and times. */
const volumeDataSchema = z.object({
  /** The volume's name on the engine; of a directory its path, relative to the project when inside it, else absolute. */
  name: z.string(),
  kind: z.enum(['volume', 'bind']),
  /** The services that mount it. */
  services: z.array(z.string()),
  /** What copied it. */
  driver: z.enum(['host', 'api']),
  /** How they were kept from writing meanwhile: the weakest of the services'. */
  consistency: z.enum(['hook', 'pause', 'stop', 'live']),
  ...storedFile,
  compression,
  /** What is inside: entries of all kinds, and the sum of the file sizes. */
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Hash of the list of entries with sizes, times and inodes; null when they could still change unseen, or the driver cannot tell. */
  listing: hash.nullable(),
  /** Sockets, pipes and devices. */
  skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
});

/** What a service itself wrote of its data, as text. */
const dumpSchema = z.object({ service: z.string(), ...storedFile, compression });

/** What `docker load` takes. */
const imageArchiveSchema = z.object({
  /** The recorded image's id; `images` tells its layers. */
  image: z.string(),
  ...storedFile,
  compression: z.enum(['gzip', 'none']),
});

/** How a service was when the point was made. */
const evidenceSchema = z.object({
  status: z.enum(['pass', 'fail', 'inconclusive']),
  /** The source: the state of its containers, their HEALTHCHECK, or a probe of ours. */
  by: z.enum(['state', 'healthcheck', 'probe']),
  /** Without output of programs and without times, so that a later failure can be compared with it. */
  reason: z.string(),
});

const containersSchema = z.object({
  state: z.enum(['running', 'stopped']),
  /** Containers of the service, one-off ones left out. */
  replicas: z.int().nonnegative(),
  /** How many of them ran. */
  running: z.int().nonnegative(),
  /** Exit codes of those that did not run. */
  exit_codes: z.array(z.int()),
  /** As the engine knew it: `unhealthy` also for what kept crashing, `unknown` without a health check. */
  health: z.enum(['healthy', 'unhealthy', 'unknown']),
  /** Compose's config hash label; null when the provider sets none. */
  config_hash: z.string().nullable(),
  /** Release of the compose that made the container, by its label; null in earlier points, and where it has none. */
  compose_version: z.string().nullable().default(null),
  /** What the stored files give; differs from `config_hash` when the files were edited and not applied. */
  files_hash: z.string().nullable(),
  /** Were the containers what the stored files give? Null in earlier points. */
  matches_files: z.boolean().nullable().default(null),
  /** Null in earlier points, for a service that did not run, and where no check answered at once. */
  evidence: evidenceSchema.nullable().default(null),
});

export const pointSchema = z.object({
  format: z.literal(POINT_FORMAT),
  id: z.string().regex(POINT_ID),
  /** Place in the order of its store: the later the higher, whatever the clock said. 0 in earlier points, which come before all others, by their time. */
  sequence: z.int().nonnegative().default(0),
  timestamp: z.iso.datetime(),
  description: z.string(),
  kind: z.enum(POINT_KINDS),
  name: z.string().nullable(),
  pinned: z.boolean(),
  services: z.array(z.string()),
  /** Services known to be failing at that time: crashing, unhealthy, or failing the check that the user configured. */
  failing: z.array(z.string()).default([]),
  /** True when only chosen services were recorded: a rollback to it leaves the others alone. */
  partial: z.boolean(),
  /** Service to image reference. */
  docker_images: z.record(z.string(), z.string()),
  /** Path to hash. */
  config_hashes: z.record(z.string(), hash),
  /** Names of volumes whose data is in the point. */
  volumes: z.array(z.string()),
  project: z.object({
    name: z.string(),
    /** Who named it; null where older versions made the point. */
    name_origin: z.enum(['given', 'written', 'folder']).nullable().default(null),
    /** Absolute, on the machine where the point was made. */
    directory: z.string(),
    /** Compose files in order: relative to the directory when inside it, else absolute. */
    files: z.array(z.string()),
    /** True when they were named, false when compose found them by their default names. */
    files_named: z.boolean(),
    profiles: z.array(z.string()),
    env_files: z.array(z.string()),
  }),
  /**
   * Of a safety point: the data that its run replaces. Until `volume_data` has it, it lies beside its place (driver host), or was never
   * replaced.
   */
  replaced: z
    .array(
      z.object({
        name: z.string(),
        kind: z.enum(['volume', 'bind']),
        services: z.array(z.string()),
        /** Absolute, on the engine's host. */
        path: z.string(),
      }),
    )
    .default([]),
  /** The data itself. */
  volume_data: z.array(volumeDataSchema).default([]),
  /** Beside the data of volumes, for people: a rollback brings files back. */
  dumps: z.array(dumpSchema).default([]),
  images: z.record(z.string(), pointImageSchema),
  image_archives: z.array(imageArchiveSchema).default([]),
  containers: z.record(z.string(), containersSchema),
  /** Everything inside the project directory, sorted by path; paths relative with "/". */
  entries: z.array(entrySchema),
  /** Listed paths outside the project; absolute. Restored only when asked. */
  outside: z.array(entrySchema),
  /** Directories recorded as a whole: what is inside them and not in `entries` was not there. */
  directories: z.array(z.string()),
  skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
  /** Volumes (by name) and writable directories that the services mount and whose data is not in the point. */
  without_data: z
    .array(z.object({ name: z.string(), kind: z.enum(['volume', 'bind']), services: z.array(z.string()) }))
    .default([]),
  /** The resolved compose model and the variables, a file of the point. */
  model: z.object(storedFile),
  /** The runtime facts, a file of the point: of how many containers, and how many they are. Null in earlier points. */
  facts: z
    .object({ ...storedFile, containers: z.int(), count: z.int() })
    .nullable()
    .default(null),
  sizes: z.object({ configs: z.int(), images: z.int(), volumes: z.int(), total: z.int() }),
  warnings: z.array(z.string()),
  metadata: z.object({
    git_commit: z.string().nullable(),
    git_branch: z.string().nullable(),
    git_dirty: z.boolean().nullable(),
    /** Commits of submodules that were not where the project's commit says, by path. */
    git_submodules: z.record(z.string(), z.string()).optional(),
    hostname: z.string(),
    include_volumes: z.boolean(),
    engine: z.object({
      kind: z.enum(['docker', 'podman']),
      id: z.string(),
      version: z.string(),
      storage_driver: z.string(),
    }),
    provider: z.object({ name: z.string(), version: z.string() }),
    user: z.string(),
    tool_version: z.string(),
    /** Of a safety point: the run that took it. */
    run: z.string().nullable(),
  }),
});

export const parsePoint = (value: unknown) => pointSchema.parse(value);
// Not `z.infer`, see `Plan`.
export type Point = ReturnType<typeof parsePoint>;

/**
 * `point.json` of an encrypted point: what a listing needs, and the ciphertext files. The point itself is inside `sealed.age`; sizes are those
 * of what was encrypted, no hash is. `pinned` counts here: it changes without the key.
 */
export const sealedPointSchema = z.object({
  sealed: z.literal(true),
  ...pointSchema.pick({
    format: true,
    id: true,
    sequence: true,
    timestamp: true,
    description: true,
    kind: true,
    name: true,
    pinned: true,
    services: true,
    failing: true,
    docker_images: true,
    volumes: true,
    sizes: true,
    metadata: true,
  }).shape,
  project: z.string(),
  images: z.record(z.string(), pointImageSchema.pick({ ref: true, id: true, digests: true, platform: true })),
  /** Sizes and hashes of the ciphertext. */
  files: z.array(z.object(storedFile)),
});

export type SealedPoint = z.infer<typeof sealedPointSchema>;
export type StoredFile = SealedPoint['files'][number];
export type PointEntry = Point['entries'][number];
export type PointImage = Point['images'][string];
export type VolumeData = Point['volume_data'][number];
export type ReplacedData = Point['replaced'][number];
export type Dump = Point['dumps'][number];

export type ImageArchive = Point['image_archives'][number];
/** Which images `create` archives: those that no registry can give back, all, none. */
export const SAVE_IMAGES = ['auto', 'always', 'never'] as const;
export type SaveImages = (typeof SAVE_IMAGES)[number];

export type Compression = z.infer<typeof compression>;
export type PointContainers = Point['containers'][string];
export type Evidence = NonNullable<PointContainers['evidence']>;

/** The point's second file, `model.json`: what is secret. */
export const pointModelSchema = z.object({
  format: z.literal(POINT_FORMAT),
  /** The resolved compose model as the provider gave it; null when the files did not parse. */
  model: z.unknown(),
  model_error: z.string().nullable(),
  /** Text of the project's `rollback.yaml`; null without one, or where it was no YAML. */
  settings: z.string().nullable().default(null),
  variables: z.array(
    z.object({
      name: z.string(),
      value: z.string().nullable(),
      source: z.enum(['shell', 'container', 'file']),
    }),
  ),
});

export type PointModel = z.infer<typeof pointModelSchema>;

/** What the index holds of a point, enough to list it without opening its directory. */
export interface PointSummary {
  id: string;
  /** Place in the order of its store; equal ones follow their time. */
  sequence: number;
  timestamp: string;
  description: string;
  kind: PointKind;
  name: string | null;
  pinned: boolean;
  project: string;
  services: string[];
  /** Services known to be failing when the point was made. */
  failing: string[];
  docker_images: Record<string, string>;
  config_hashes: Record<string, string>;
  volumes: string[];
  images: Record<string, { ref: string; id: string; digests: string[]; platform: string }>;
  sizes: Point['sizes'];
  metadata: Point['metadata'];
  /** Only of an encrypted point, which has no `config_hashes` here. */
  sealed?: true | undefined;
}
