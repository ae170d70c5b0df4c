import { constants } from 'node:os';
import type { Volume } from '../model/engine.js';
import { IMAGE_VOLUME, OWN_NAME, type Settings } from '../model/facts.js';
import type { ContainerDocument, Maybe, NetworkDocument } from './docker-mapping.js';
import {
  dropDefaults,
  fields,
  type Fields,
  isEmptyList,
  prefixed,
  records,
  sorted,
  strings,
  text,
} from './settings-values.js';

/** Settings of containers and images, by the keys of `CONTAINER_FACTS`. Pure. What has the value that it has by itself is left out. */

/** The part of an inspection that images and containers have in common. */
export interface ConfigDocument {
  Cmd?: Maybe<string[]>;
  Entrypoint?: Maybe<string[] | string>;
  Env?: Maybe<string[]>;
  User?: Maybe<string>;
  WorkingDir?: Maybe<string>;
  StopSignal?: Maybe<string>;
  Healthcheck?: Maybe<object>;
  ExposedPorts?: Maybe<object>;
  Labels?: Maybe<Record<string, string>>;
  /** Paths where an image declares a volume. */
  Volumes?: Maybe<object>;
}

/** Labels by which providers and engines find their own containers. */
const OWN_LABEL =
  /^(?:com\.docker\.compose\.|io\.podman\.compose\.|io\.podman\.annotations\.|io\.kubernetes\.cri-o\.|PODMAN_SYSTEMD_UNIT$|desktop\.docker\.io\/)/;
/** The control group of a pod. It contains the id of the pod, and podman-compose creates a new pod for each `up` (measured, Podman 5.8.6). */
const POD_CGROUP = /libpod_(?:parent\/|pod_)[0-9a-f]{64}/;
/** Environment that Podman adds to every container, and to one with a terminal (measured, 4.3.1 and 5.8.6). */
const ADDED_ENVIRONMENT = /^(?:HOSTNAME|HOME|container)=|^TERM=xterm$/;
/** Compose 1 adds this variable when it recreates a container: it asks Swarm for the node of the old one. */
const PLACEMENT = /^affinity:container=/;

/** Annotations that Podman adds to every container, and to one of a pod, by the pod's id (measured, 5.8.6). */
const ADDED_ANNOTATION =
  /^(?:io\.container\.manager|io\.kubernetes\.cri-o\.SandboxID|org\.opencontainers\.image\.stopSignal|org\.systemd\.property\.(?:KillSignal|TimeoutStopUSec))$/;

export function toImageSettings(config: Maybe<ConfigDocument>): Settings {
  const volumes = Object.keys(config?.Volumes ?? {}).map((path) => [path, true]);
  return dropDefaults({
    ...sharedSettings(config ?? {}),
    ...prefixed(IMAGE_VOLUME, Object.fromEntries(volumes)),
  });
}

/** @param isPodman adds variables of its own to the environment of every container */
export function toSettings(document: ContainerDocument, isPodman: boolean): Settings {
  const { Config: config } = document;
  const host = fields(document.HostConfig);
  const name = document.Name.replace(/^\//, '');
  const isLent = String(host['NetworkMode']).startsWith('container:');
  const settings = {
    name,
    ...sharedSettings(config, isPodman),
    // In the network of another container, it is that one's.
    hostname: isLent || document.Id.startsWith(config.Hostname ?? '') ? undefined : config.Hostname,
    domainname: config.Domainname,
    stop_grace_period: config.StopTimeout ?? undefined,
    tty: config.Tty,
    stdin_open: config.OpenStdin,
    init: host.Init ?? undefined,
    ...hostSettings(host, isPodman),
    ...resourceSettings(host, isPodman),
    ...mountSettings(document),
    ...networkSettings(document, isPodman),
    ...prefixed('port', portSettings(host['PortBindings'])),
  };
  return dropDefaults(settings);
}

function sharedSettings(config: ConfigDocument, isPodman = false): Record<string, unknown> {
  const environment = (config.Env ?? []).filter(
    (entry) => !PLACEMENT.test(entry) && !(isPodman && ADDED_ENVIRONMENT.test(entry)),
  );
  return {
    command: config.Cmd ?? undefined,
    entrypoint: typeof config.Entrypoint === 'string' ? [config.Entrypoint] : config.Entrypoint,
    ...prefixed('environment', Object.fromEntries(environment.map(assignment))),
    user: config.User,
    working_dir: config.WorkingDir === '/' ? undefined : config.WorkingDir,
    stop_signal: stopSignal(config.StopSignal),
    healthcheck: healthcheck(config.Healthcheck, isPodman),
    ...prefixed(
      'expose',
      Object.fromEntries(Object.keys(config.ExposedPorts ?? {}).map((port) => [withProtocol(port), true])),
    ),
    ...prefixed('label', withoutOwnKeys(config.Labels ?? {})),
  };
}

/** Podman tells it by its number (measured, 5.8.6), for containers and not for images. */
function stopSignal(signal: Maybe<string>): string | undefined {
  const number = Number(signal);
  const name = Object.entries(constants.signals).find(([, one]) => one === number)?.[0] ?? signal;
  return name === 'SIGTERM' ? undefined : (name ?? undefined);
}

/** Docker keeps what compose asked for: `7000`. */
const withProtocol = (port: string) => (port.includes('/') ? port : `${port}/tcp`);

/** Without what says no more than the default. Podman fills it in (measured, 5.8.6). */
function healthcheck(check: Maybe<object>, isPodman: boolean): unknown {
  const set = Object.entries(check ?? {}).filter(
    ([key, value]) => value !== 0 && value !== null && !(isPodman && HEALTHCHECK_DEFAULTS[key] === value),
  );
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

/** Times in nanoseconds. */
const HEALTHCHECK_DEFAULTS: Fields = {
  Interval: 30_000_000_000,
  Timeout: 30_000_000_000,
  StartInterval: 5_000_000_000,
  Retries: 3,
};

function assignment(entry: string): [string, string] {
  const at = entry.indexOf('=');
  // A variable without "=" is taken away by the engine, so it is not an empty one.
  return at === -1 ? [entry, '\0'] : [entry.slice(0, at), entry.slice(at + 1)];
}

function hostSettings(host: Fields, isPodman: boolean): Record<string, unknown> {
  const annotations = Object.entries(withoutOwnKeys(fields(host['Annotations']))).filter(
    ([key]) => !isPodman || !ADDED_ANNOTATION.test(key),
  );
  return {
    restart: restart(host['RestartPolicy']),
    privileged: host['Privileged'],
    read_only: host['ReadonlyRootfs'],
    cap_add: capabilities(host['CapAdd']),
    cap_drop: capabilities(host['CapDrop']),
    security_opt: sorted([
      ...strings(host['SecurityOpt']),
      // The engine turns `systempaths=unconfined` into empty lists; privileged containers have them too.
      ...(isEmptyList(host['MaskedPaths']) && host['Privileged'] !== true ? ['systempaths=unconfined'] : []),
    ]),
    group_add: sorted(strings(host['GroupAdd'])),
    ...prefixed('sysctl', fields(host['Sysctls'])),
    devices: devices(host['Devices']),
    device_cgroup_rules: strings(host['DeviceCgroupRules']),
    device_requests: host['DeviceRequests'],
    ...prefixed('annotation', Object.fromEntries(annotations)),
    volumes_from: strings(host['VolumesFrom']),
    volume_driver: host['VolumeDriver'],
    network_mode: networkMode(host['NetworkMode']),
    publish_all_ports: host['PublishAllPorts'],
    dns: strings(host['Dns']),
    dns_opt: strings(host['DnsOptions']),
    dns_search: strings(host['DnsSearch']),
    extra_hosts: sorted(strings(host['ExtraHosts'])),
    links: strings(host['Links']),
    pid: unlessPrivate(host['PidMode']),
    uts: unlessPrivate(host['UTSMode']),
    userns_mode: host['UsernsMode'],
    ipc: host['IpcMode'],
    cgroup: host['CgroupnsMode'],
    cgroup_parent: POD_CGROUP.test(text(host['CgroupParent'])) ? undefined : host['CgroupParent'],
    runtime: host['Runtime'],
    isolation: host['Isolation'],
    shm_size: host['ShmSize'],
    ...prefixed('ulimit', ulimits(host['Ulimits'])),
    logging: fields(host['LogConfig'])['Type'],
    ...prefixed('logging_option', fields(fields(host['LogConfig'])['Config'])),
    storage_opt: host['StorageOpt'],
  };
}

function resourceSettings(host: Fields, isPodman: boolean): Record<string, unknown> {
  // Podman tells a number of processors a second time, as a share of a period (measured, 5.8.6).
  const hasProcessors = isPodman && Number(host['NanoCpus'] ?? 0) > 0;
  const memory = Number(host['Memory'] ?? 0);
  const swap = Number(host['MemorySwap'] ?? 0);
  return {
    mem_limit: memory,
    mem_reservation: host['MemoryReservation'],
    // The engine allows as much swap as memory when nobody says how much.
    memswap_limit: swap === memory * 2 ? 0 : swap,
    mem_swappiness: host['MemorySwappiness'] === -1 ? undefined : (host['MemorySwappiness'] ?? undefined),
    oom_kill_disable: host['OomKillDisable'],
    oom_score_adj: host['OomScoreAdj'],
    cpus: host['NanoCpus'],
    cpu_shares: host['CpuShares'],
    cpu_period: hasProcessors ? undefined : host['CpuPeriod'],
    cpu_quota: hasProcessors ? undefined : host['CpuQuota'],
    cpu_rt_period: host['CpuRealtimePeriod'],
    cpu_rt_runtime: host['CpuRealtimeRuntime'],
    cpu_count: host['CpuCount'],
    cpu_percent: host['CpuPercent'],
    cpuset: host['CpusetCpus'],
    cpuset_mems: host['CpusetMems'],
    pids_limit: host['PidsLimit'],
    ...prefixed('blkio', {
      weight: host['BlkioWeight'],
      weight_device: host['BlkioWeightDevice'],
      device_read_bps: host['BlkioDeviceReadBps'],
      device_write_bps: host['BlkioDeviceWriteBps'],
      device_read_iops: host['BlkioDeviceReadIOps'],
      device_write_iops: host['BlkioDeviceWriteIOps'],
    }),
  };
}

/** By the keys of `NETWORK_FACTS`. */
export function toNetworkSettings(document: NetworkDocument): Settings {
  const { IPAM: ipam, Labels: labels } = document;
  const configs = records(ipam?.Config);
  // Podman has its driver among the options (measured, 5.8.6).
  const { driver, ...options } = { driver: ipam?.Driver, ...ipam?.Options };
  return dropDefaults({
    driver: document.Driver,
    internal: document.Internal,
    attachable: document.Attachable,
    ipv6: document.EnableIPv6,
    // Podman says so of every network (measured, 5.8.6).
    without_ipv4: document.EnableIPv4 === false && !configs.some(({ Subnet }) => text(Subnet).includes('.')),
    ipam_driver: driver === 'default' || driver === 'host-local' ? undefined : driver,
    subnets: configs.map(({ Subnet, IPRange, Gateway, AuxiliaryAddresses, AuxAddress }) =>
      dropDefaults({
        subnet: Subnet,
        ip_range: IPRange,
        gateway: Gateway,
        aux_addresses: AuxiliaryAddresses ?? AuxAddress,
      }),
    ),
    ...prefixed('ipam_option', options),
    ...prefixed('option', document.Options ?? {}),
    ...prefixed('label', withoutOwnKeys(labels ?? {})),
  });
}

/** By the keys of `VOLUME_FACTS`. */
export function toVolumeSettings({ driver, options, labels }: Omit<Volume, 'settings'>): Settings {
  return dropDefaults({
    driver,
    ...prefixed('option', options),
    ...prefixed('label', withoutOwnKeys(labels ?? {})),
  });
}

function withoutOwnKeys(labels: Fields): Fields {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !OWN_LABEL.test(key)));
}

/** By the path in the container. */
function mountSettings({ Mounts, HostConfig }: ContainerDocument): Record<string, unknown> {
  const host = fields(HostConfig);
  const requested = new Map(
    records(host['Mounts']).map((mount) => [text(mount['Target']).replace(/\/$/, ''), mount]),
  );
  const mounts = (Mounts ?? []).map((mount) => {
    const more = requested.get(mount.Destination) ?? {};
    const options = dropDefaults({
      volume: dropDefaults(fields(more['VolumeOptions'])),
      tmpfs: dropDefaults(fields(more['TmpfsOptions'])),
      bind: bindOptions(fields(more['BindOptions'])),
      image: dropDefaults(fields(more['ImageOptions'])),
    });
    return [
      mount.Destination,
      dropDefaults({
        type: mount.Type,
        source: mount.Type === 'bind' ? mount.Source : undefined,
        volume: mount.Type === 'volume' ? mount.Name : undefined,
        image: mount.Type === 'image' ? (more['Source'] ?? mount.Source) : undefined,
        driver: mount.Driver === 'local' ? undefined : mount.Driver,
        read_only: !mount.RW,
        options,
      }),
    ] as const;
  });
  const temporary = Object.entries(fields(host['Tmpfs'])).map(
    ([target, options]) =>
      [target, dropDefaults({ type: 'tmpfs', options: temporaryOptions(text(options)) })] as const,
  );
  return prefixed('mount', Object.fromEntries([...mounts, ...temporary]));
}

/** Podman up to 5.4 says `rw` where nothing else was asked for, later ones do not (measured, 5.4.2 and 5.8.6). */
function temporaryOptions(options: string): string {
  const words = options.split(',').filter((word) => word !== 'rw');
  return words.join(',');
}

/** Whether a missing directory is made is no longer of interest once it is there. */
function bindOptions(given: Fields): Fields {
  const options: Fields = { ...given, CreateMountpoint: undefined };
  return dropDefaults({
    ...options,
    Propagation: options['Propagation'] === 'rprivate' ? undefined : options['Propagation'],
  });
}

/** Modes that are no network of their own, which the engine lists as one. */
const NETWORK_MODES: readonly string[] = ['host', 'none'];

/** Any other mode is the name of a network, or the engine's own word for "a network". */
function networkMode(mode: unknown): string | undefined {
  const name = text(mode);
  return name.startsWith('container:') || NETWORK_MODES.includes(name) ? name : undefined;
}

/** Without the alias that is the container's id, and on Podman its host name. That which is its name stands as `OWN_NAME`. */
function networkSettings(
  { Id, Name, Config, HostConfig, NetworkSettings }: ContainerDocument,
  isPodman: boolean,
): Fields {
  // Podman gives it the networks of the other container (measured, 5.8.6).
  if (networkMode(HostConfig.NetworkMode)?.startsWith('container:')) return {};
  const name = Name.replace(/^\//, '');
  const id = Id.slice(0, 12);
  const networks = Object.entries(fields(NetworkSettings.Networks)).filter(
    ([network]) => !NETWORK_MODES.includes(network),
  );
  const memberships = networks.map(([network, endpoint]) => {
    const { IPAMConfig, Aliases, Links, DriverOpts, GwPriority, MacAddress } = fields(endpoint);
    const ipam = fields(IPAMConfig);
    const membership = {
      aliases: sorted(
        strings(Aliases)
          .filter((alias) => alias !== id && !(isPodman && alias === Config.Hostname))
          .map((alias) => (alias === name ? OWN_NAME : alias)),
      ),
      ipv4: ipam['IPv4Address'],
      ipv6: ipam['IPv6Address'],
      // Chosen by the engine or not: definitions tell.
      mac: text(MacAddress).toLowerCase(),
      link_local: strings(ipam['LinkLocalIPs']),
      links: strings(Links),
      driver_options: DriverOpts,
      gw_priority: GwPriority,
    };
    return [network, dropDefaults(membership)] as const;
  });
  return prefixed('network', Object.fromEntries(memberships));
}

/** By port inside the container: what was asked for. An empty port is one that the engine chooses. */
function portSettings(bindings: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields(bindings)).map(([port, hosts]) => [
      port,
      records(hosts)
        .map(({ HostIp, HostPort }) => `${text(HostIp)}:${text(HostPort)}`)
        .toSorted(),
    ]),
  );
}

/** Podman's word for a namespace of its own; Docker has none for that. */
const unlessPrivate = (mode: unknown) => (mode === 'private' ? undefined : mode);

function restart(policy: unknown): string | undefined {
  const { Name: name, MaximumRetryCount: times } = fields(policy);
  if (name === undefined || name === '' || name === 'no') return undefined;
  return times ? `${text(name)}:${text(times)}` : text(name);
}

/** Engines write them with and without their prefix. */
function capabilities(names: unknown): string[] {
  return sorted(strings(names).map((name) => name.toUpperCase().replace(/^CAP_/, '')));
}

function devices(list: unknown): string[] {
  return sorted(
    records(list).map(
      ({ PathOnHost, PathInContainer, CgroupPermissions }) =>
        `${text(PathOnHost)}:${text(PathInContainer)}:${text(CgroupPermissions) || 'rwm'}`,
    ),
  );
}

/** Podman has `RLIMIT_NOFILE` for `nofile`. */
function ulimits(list: unknown): Record<string, unknown> {
  return Object.fromEntries(
    records(list).map(({ Name, Soft, Hard }) => [
      text(Name)
        .toLowerCase()
        .replace(/^rlimit_/, ''),
      { soft: Soft, hard: Hard },
    ]),
  );
}
