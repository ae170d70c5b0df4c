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
  storageDriver: string;
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
  /** True for `compose run` containers: never part of a point. */
  oneOff: boolean;
  state: ContainerState;
  exitCode: number | undefined;
  /** RFC 3339, as the engine gives it. */
  startedAt: string;
  /** Times the engine restarted it by its restart policy. */
  restartCount: number;
  /** Process id on the engine's host; 0 when not running. */
  pid: number;
  /** Id of the image that runs, whatever its tag points to by now. */
  imageId: string;
  /** The reference the container was made with, e.g. `redis:7-alpine`. */
  imageRef: string;
  /** Compose's config hash label. */
  configHash: string | undefined;
  labels: Record<string, string>;
  env: Record<string, string>;
  /** Entrypoint and arguments as they run. */
  command: string[];
  mounts: ContainerMount[];
  ports: PublishedPort[];
  /** Ports the image or the model exposes, published or not, e.g. `6379/tcp`. */
  exposed: string[];
  /** Address in each network, e.g. `{ shop_default: "172.18.0.3" }`. */
  addresses: Record<string, string>;
  networkMode: string;
  health: 'none' | 'starting' | 'healthy' | 'unhealthy';
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
}
