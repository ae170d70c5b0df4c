import type Dockerode from 'dockerode';
import type {
  Container,
  ContainerMount,
  ContainerState,
  EngineIdentity,
  Image,
  Network,
  PublishedPort,
  Volume,
} from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import {
  type ConfigDocument,
  toImageSettings,
  toNetworkSettings,
  toSettings,
  toVolumeSettings,
} from './docker-settings.js';
import { isLocal } from './endpoint.js';

/** Inspect documents of the Docker API into our own shape. Pure; what engines leave out or set to null is absent here. */

export type Maybe<T> = T | null | undefined;

export interface ContainerDocument {
  Id: string;
  Name: string;
  Path: string;
  Args: Maybe<string[]>;
  Image: string;
  /** Of containerd's store, from API 1.48 on. */
  ImageManifestDescriptor?: Maybe<{ digest: string }>;
  RestartCount?: Maybe<number>;
  State: {
    Status: string;
    ExitCode: number;
    StartedAt: string;
    Pid: number;
    Health?: Maybe<{ Status: string }>;
  };
  Config: ConfigDocument & {
    Image: string;
    Hostname?: Maybe<string>;
    Domainname?: Maybe<string>;
    StopTimeout?: Maybe<number>;
    Tty?: Maybe<boolean>;
    OpenStdin?: Maybe<boolean>;
  };
  HostConfig: {
    NetworkMode?: Maybe<string>;
    PidMode?: Maybe<string>;
    IpcMode?: Maybe<string>;
    Tmpfs?: Maybe<Record<string, string>>;
    RestartPolicy?: Maybe<{ Name: string; MaximumRetryCount?: Maybe<number> }>;
  };
  Mounts?: Maybe<
    {
      Type: ContainerMount['type'];
      Name?: Maybe<string>;
      Source?: Maybe<string>;
      Destination: string;
      RW: boolean;
      Driver?: Maybe<string>;
    }[]
  >;
  NetworkSettings: {
    Ports?: Maybe<Record<string, Maybe<{ HostIp: string; HostPort: string }[]>>>;
    Networks?: Maybe<Record<string, { IPAddress?: Maybe<string>; GlobalIPv6Address?: Maybe<string> }>>;
  };
}

export interface ImageDocument {
  Id: string;
  RepoTags?: Maybe<string[]>;
  RepoDigests?: Maybe<string[]>;
  Os: string;
  Architecture: string;
  Variant?: Maybe<string>;
  RootFS: { Layers?: Maybe<string[]> };
  Size: number;
  Config?: Maybe<ConfigDocument>;
}

export interface NetworkDocument {
  Id: string;
  Name: string;
  Driver: string;
  Internal?: Maybe<boolean>;
  Attachable?: Maybe<boolean>;
  EnableIPv6?: Maybe<boolean>;
  /** From API 1.48 on. */
  EnableIPv4?: Maybe<boolean>;
  IPAM?: Maybe<{
    Driver?: Maybe<string>;
    Options?: Maybe<Record<string, string>>;
    Config?: Maybe<Record<string, unknown>[]>;
  }>;
  Options?: Maybe<Record<string, string>>;
  Labels?: Maybe<Record<string, string>>;
}

export interface InfoDocument {
  ID: string;
  Name: string;
  Driver: string;
  /** Names and values that the storage driver reports. */
  DriverStatus?: Maybe<string[][]>;
  DockerRootDir: string;
  LoggingDriver?: Maybe<string>;
  DefaultRuntime?: Maybe<string>;
  SecurityOptions?: Maybe<string[]>;
  CgroupVersion?: Maybe<string>;
}

export interface VersionDocument {
  Version: string;
  /** The newest API version that the engine knows. */
  ApiVersion: string;
  MinAPIVersion?: Maybe<string>;
  Components?: Maybe<{ Name: string }[]>;
}

type VolumesInUse = Maybe<{ Name: string; UsageData?: Maybe<{ Size: number }> }[]>;

/** Answer of `docker system df`. API 1.52 has both; later versions are announced to have `VolumeUsage` alone (moby, `api/types/system`). */
export interface UsageDocument {
  Volumes?: VolumesInUse;
  VolumeUsage?: Maybe<{ Items?: VolumesInUse }>;
}

const STATES: Readonly<Record<string, ContainerState>> = {
  created: 'created',
  running: 'running',
  paused: 'paused',
  restarting: 'restarting',
  removing: 'removing',
  exited: 'exited',
  dead: 'dead',
  // Podman's own words for the same.
  configured: 'created',
  initialized: 'created',
  stopping: 'running',
  stopped: 'exited',
};

/** Throws `failed` for a state that no engine we know has. */
export function toContainer(document: ContainerDocument, { podman = false } = {}): Container {
  const labels = document.Config.Labels ?? {};
  const state = STATES[document.State.Status];
  if (state === undefined) {
    const name = quoted(document.Name);
    throw new RollbackError(
      'failed',
      `container ${name} is in the unknown state ${quoted(document.State.Status)}`,
    );
  }
  const number = Number(composeLabel(labels, 'container-number'));
  return {
    id: document.Id,
    name: document.Name.replace(/^\//, ''),
    project: composeLabel(labels, 'project'),
    service: composeLabel(labels, 'service'),
    number: number > 0 ? number : undefined,
    oneOff: isOneOff(labels),
    state,
    exitCode: ['exited', 'dead', 'restarting'].includes(state) ? document.State.ExitCode : undefined,
    startedAt: document.State.StartedAt,
    restart: toRestart(document.HostConfig.RestartPolicy),
    restartCount: document.RestartCount ?? 0,
    pid: document.State.Pid,
    imageId: document.Image,
    imageManifest: document.ImageManifestDescriptor?.digest,
    imageRef: document.Config.Image,
    configHash: labels['com.docker.compose.config-hash'],
    composeVersion: composeLabel(labels, 'version'),
    labels,
    env: toEnvironment(document.Config.Env ?? []),
    command: [document.Path, ...(document.Args ?? [])].filter((word, index) => index > 0 || word !== ''),
    mounts: toMounts(document),
    ports: toPorts(document),
    exposed: Object.keys(document.Config.ExposedPorts ?? {}),
    addresses: toAddresses(document),
    networkMode: document.HostConfig.NetworkMode ?? '',
    user: document.Config.User ?? '',
    needs: [],
    joins: toJoins(document.HostConfig),
    health: toHealth(document.State.Health?.Status),
    settings: toSettings(document, podman),
  };
}

/**
 * Replicas are numbered. `pre_start` hooks of compose 5.3 to 5.5 carry project and service like a replica and no number, and later ones
 * also `com.docker.compose.hook` (read in its source).
 */
function isOneOff(labels: Record<string, string>): boolean {
  // Compose writes Python's True, in version 2 too.
  if (composeLabel(labels, 'oneoff')?.toLowerCase() === 'true') return true;
  if (composeLabel(labels, 'service') === undefined) return false;
  return composeLabel(labels, 'hook') !== undefined || composeLabel(labels, 'container-number') === undefined;
}

function toRestart(policy: ContainerDocument['HostConfig']['RestartPolicy']): string {
  const { Name: name, MaximumRetryCount: times } = policy ?? { Name: '' };
  return times ? `${name}:${times}` : name || 'no';
}

/** Containerd's store lists a name by digest here, too (measured, Docker 28.5.2). */
export function toTags(names: Maybe<string[]>): string[] {
  return (names ?? []).filter((name) => name !== '<none>:<none>' && !name.includes('@'));
}

export function toImage(document: ImageDocument): Image {
  const platform = [document.Os, document.Architecture, document.Variant];
  return {
    id: document.Id,
    tags: toTags(document.RepoTags),
    digests: (document.RepoDigests ?? []).filter((digest) => digest !== '<none>@<none>'),
    platform: platform.filter((part) => part !== undefined && part !== null && part !== '').join('/'),
    diffIds: document.RootFS.Layers ?? [],
    sizeBytes: document.Size,
    settings: toImageSettings(document.Config),
  };
}

export function describeNetwork(document: NetworkDocument): Omit<Network, 'members'> {
  return {
    id: document.Id,
    name: document.Name,
    settings: toNetworkSettings(document),
    labels: document.Labels ?? {},
  };
}

/** Row of `docker image ls` with manifests. */
interface ImageRow {
  Id: string;
  Manifests?: Maybe<{ ID: string; Kind: string; Available: boolean }[]>;
}

/** Attestations are manifests too: no container runs them. */
export function withManifest(images: ImageRow[], digest: string): string[] {
  const has = ({ Manifests }: ImageRow) =>
    (Manifests ?? []).some(({ ID, Kind, Available }) => ID === digest && Kind === 'image' && Available);
  return images.filter(has).map(({ Id }) => Id);
}

export function isPodman({ Components }: VersionDocument): boolean {
  return (Components ?? []).some(({ Name }) => Name === 'Podman Engine');
}

/** As the engine names the type of its image store (measured, 28.5). */
const CONTAINERD_STORE = 'io.containerd.snapshotter.v1';

export function toIdentity(info: InfoDocument, version: VersionDocument, host: string): EngineIdentity {
  const rootless = (info.SecurityOptions ?? []).some((option) => option.split(',').includes('name=rootless'));
  return {
    kind: 'docker',
    id: info.ID,
    hostname: info.Name,
    version: version.Version,
    apiVersion: version.ApiVersion,
    host,
    local: isLocal(host),
    rootless,
    pauses: !rootless || info.CgroupVersion !== '1',
    changesRestart: true,
    storageDriver: info.Driver,
    imageIdIsConfigDigest: !(info.DriverStatus ?? []).flat().includes(CONTAINERD_STORE),
    storageDirectory: info.DockerRootDir,
    defaults: { logging: info.LoggingDriver ?? 'json-file', runtime: info.DefaultRuntime ?? 'runc' },
  };
}

/** podman-compose writes its own labels, and only some of compose's. */
function composeLabel(labels: Record<string, string>, key: string): string | undefined {
  return labels[`com.docker.compose.${key}`] ?? labels[`io.podman.compose.${key}`];
}

function toEnvironment(entries: string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      return at === -1 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

function toMounts(document: ContainerDocument): ContainerMount[] {
  const mounts = (document.Mounts ?? []).map((mount) => ({
    type: mount.Type,
    source: mount.Type === 'bind' ? (mount.Source ?? '') : '',
    name: mount.Type === 'volume' ? (mount.Name ?? undefined) : undefined,
    target: mount.Destination,
    readOnly: !mount.RW,
  }));
  // `tmpfs:` in a compose file shows only here.
  const listed = new Set(mounts.map((mount) => mount.target));
  const temporary = Object.keys(document.HostConfig.Tmpfs ?? {}).filter((target) => !listed.has(target));
  return [
    ...mounts,
    ...temporary.map((target): ContainerMount => ({
      type: 'tmpfs',
      source: '',
      name: undefined,
      target,
      readOnly: false,
    })),
  ];
}

function toPorts(document: ContainerDocument): PublishedPort[] {
  return Object.entries(document.NetworkSettings.Ports ?? {}).flatMap(([exposed, bindings]) => {
    const [port, protocol] = exposed.split('/');
    return (bindings ?? []).map((binding) => ({
      containerPort: Number(port),
      protocol: protocol === 'udp' || protocol === 'sctp' ? protocol : 'tcp',
      hostIp: binding.HostIp,
      hostPort: Number(binding.HostPort),
    }));
  });
}

function toAddresses(document: ContainerDocument): Record<string, string> {
  const networks = Object.entries(document.NetworkSettings.Networks ?? {});
  return Object.fromEntries(
    networks
      .map(([name, network]) => [name, network.IPAddress || network.GlobalIPv6Address || ''] as const)
      .filter(([, address]) => address !== ''),
  );
}

/** Docker resolves names to ids when it makes the container (measured, 28.5). */
function toJoins({ NetworkMode, PidMode, IpcMode }: ContainerDocument['HostConfig']): string[] {
  const modes = [NetworkMode, PidMode, IpcMode];
  return [...new Set(modes.flatMap((mode) => /^container:(.+)$/.exec(mode ?? '')?.[1] ?? []))];
}

/** Podman 5.8 says `reset` from the end of a pause to the next check (measured). */
function toHealth(status: string | undefined): Container['health'] {
  if (status === 'reset') return 'starting';
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}

export function toVolume(document: Dockerode.VolumeInspectInfo): Volume {
  const volume = {
    name: document.Name,
    driver: document.Driver,
    options: document.Options ?? {},
    labels: document.Labels ?? {},
    mountpoint: document.Mountpoint,
  };
  return { ...volume, settings: toVolumeSettings(volume) };
}

/** A size of -1 means that it is not known. */
export function toVolumeSizes({ Volumes, VolumeUsage }: UsageDocument): Record<string, number> {
  const volumes = VolumeUsage?.Items ?? Volumes ?? [];
  const sizes = volumes.map(({ Name, UsageData }) => [Name, UsageData?.Size ?? -1] as const);
  return Object.fromEntries(sizes.filter(([, size]) => size >= 0));
}

/** Directories are never made by mounting them, and nothing of the image is copied into an empty volume. */
export function toMount(source: string, target: string): Dockerode.MountSettings {
  return source.startsWith('/')
    ? { Type: 'bind', Source: source, Target: target }
    : {
        Type: 'volume',
        Source: source,
        Target: target,
        VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } },
      };
}
