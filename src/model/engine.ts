import type { Settings } from './facts.js';

/** What an engine tells us: containers and images, in one shape for all engines. */

export type EngineKind = 'docker' | 'podman';

export interface EngineIdentity {
  kind: EngineKind;
  /** The engine's own id; with the project name it is the key of the lock. */
  id: string;
  /** The host name the engine runs on, as it tells it. */
  hostname: string;
  version: string;
  apiVersion: string;
  /** `unix:///run/docker.sock`, `tcp://…`, `ssh://…`. */
  host: string;
  /** True when the engine runs on this machine, so that its addresses and paths are ours too. */
  local: boolean;
  rootless: boolean;
  /** Can it freeze containers? Not without root where control groups are of version 1. */
  pauses: boolean;
  /** Can the restart policy of a container be changed? */
  changesRestart: boolean;
  storageDriver: string;
  /** Is the id of an image the digest of its configuration? Docker's containerd store takes that of its manifest instead. */
  imageIdIsConfigDigest: boolean;
  /** Where it keeps images and volumes, on its host. */
  storageDirectory: string;
  /** What containers get for which nothing else was asked. */
  defaults: { logging: string; runtime: string };
}

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface PublishedPort {
  containerPort: number;
  protocol: 'tcp' | 'udp' | 'sctp';
  hostIp: string;
  hostPort: number;
}

export interface ContainerMount {
  type: 'bind' | 'volume' | 'tmpfs' | 'npipe' | 'cluster' | 'image';
  /** Host path of a bind, else empty. */
  source: string;
  /** Volume name, for volumes. */
  name: string | undefined;
  target: string;
  readOnly: boolean;
}

export interface Container {
  id: string;
  name: string;
  /** From compose's labels; undefined for containers that compose did not make. */
  project: string | undefined;
  service: string | undefined;
  /** Compose's replica number, from 1. */
  number: number | undefined;
  /** True for containers of `compose run` and of a service's hooks, which are no replicas: never part of a point. */
  oneOff: boolean;
  state: ContainerState;
  exitCode: number | undefined;
  /** RFC 3339, as the engine gives it. */
  startedAt: string;
  /** Its restart policy, as compose writes it: `no`, `always`, `unless-stopped`, `on-failure`, `on-failure:3`. */
  restart: string;
  /** Times the engine restarted it by its restart policy. */
  restartCount: number;
  /** Process id on the engine's host; 0 when not running. */
  pid: number;
  /** Id of the image that runs, whatever its tag points to by now. */
  imageId: string;
  /** Digest of what runs of that image, its manifest for one platform; undefined where the engine does not tell. Images that share it run the same. */
  imageManifest: string | undefined;
  /** The reference the container was made with, e.g. `redis:7-alpine`. */
  imageRef: string;
  /** Compose's config hash label. */
  configHash: string | undefined;
  /** Release of the compose that made it, from its label: `2.26.1`, without the suffixes of distributions. */
  composeVersion: string | undefined;
  labels: Record<string, string>;
  env: Record<string, string>;
  /** Entrypoint and arguments as they run. */
  command: string[];
  mounts: ContainerMount[];
  /**
   * The directory that it was started from and that is gone, when it mounts something of it: it runs on, and cannot be started again. Set for a project's own
   * containers alone, whose mounts are told where they are now.
   */
  movedFrom?: string;
  ports: PublishedPort[];
  /** Ports the image or the model exposes, published or not, e.g. `6379/tcp`. */
  exposed: string[];
  /** Address in each network, e.g. `{ shop_default: "172.18.0.3" }`. */
  addresses: Record<string, string>;
  networkMode: string;
  /** Whom its main process runs as: `999`, `redis:redis`; empty for root. */
  user: string;
  /** Ids of containers that the engine does not let go while this one is there. */
  needs: string[];
  /** Ids of containers whose network, process or IPC namespace it lives in. */
  joins: string[];
  health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** By the keys of `CONTAINER_FACTS`. */
  settings: Settings;
}

export interface Image {
  id: string;
  /** `name:tag` references that point to it now. */
  tags: string[];
  /** `name@sha256:…` references. */
  digests: string[];
  /** `linux/amd64`, `linux/arm64/v8`. */
  platform: string;
  /** Uncompressed layer digests: the only identity that survives save, load and a change of store. */
  diffIds: string[];
  sizeBytes: number;
  /** What its containers get, by the keys of `CONTAINER_FACTS`. */
  settings: Settings;
}

export interface Network {
  id: string;
  name: string;
  /** By the keys of `NETWORK_FACTS`. */
  settings: Settings;
  labels: Record<string, string>;
  /** Ids of the containers in it, running or not. */
  members: string[];
}

export interface Volume {
  name: string;
  /** `local` is the engine's own. */
  driver: string;
  /** Driver options, e.g. of an NFS mount; empty for a plain directory. */
  options: Record<string, string>;
  labels: Record<string, string>;
  /** Where its data is on the engine's host. */
  mountpoint: string;
  /** By the keys of `VOLUME_FACTS`. */
  settings: Settings;
}

/** A container of our own: made for one purpose, without network, removed by us, found by its label when we were killed. */
export interface HelperSpec {
  /** What the label says: the mark of the process it works for. */
  owner: string;
  /** Id of an image that is there. */
  image: string;
  /** Volume name, or absolute host path, to where it is mounted. */
  mounts: Record<string, string>;
  /** What runs in it, as root, when it is started; entrypoint and arguments of the image do not count. */
  command?: string[];
}

/** Label of helper containers, and of volumes that we made for a moment. */
export const HELPER_LABEL = 'compose-rollback.helper';
/** Label of everything that a drill makes on the engine; it says which drill. */
export const DRILL_LABEL = 'compose-rollback.drill';

/** Something on the engine that has a certain label. */
export interface Labelled {
  kind: 'container' | 'network' | 'volume';
  /** What it is removed by; of a volume its name. */
  id: string;
  /** What the label says. */
  value: string;
}
