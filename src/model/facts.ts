import * as z from 'zod';

/** Runtime facts: what a container, a network or a volume really is, as the engine tells it, and not as files say. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * Who gave a fact its value. `set`: the compose files, or a person by hand. `image`: the image. `daemon`: a default of the engine. `generated`:
 * the engine made it up for this one container or network.
 */
export const ORIGINS = ['set', 'image', 'daemon', 'generated'] as const;
export type Origin = (typeof ORIGINS)[number];

/** Values by key, such as `restart` or `environment.TAG`. A setting without a value has no key. */
export type Settings = Record<string, Json>;

const json: z.ZodType<Json> = z.json();
const factSchema = z.object({ value: json, origin: z.enum(ORIGINS) });
const factsSchema = z.record(z.string(), factSchema);

/** Kind of the settings of an image that say where its containers get a volume without a name. */
export const IMAGE_VOLUME = 'image_volume';

/** Stands for the name of the container itself among its aliases: replicas are numbered, and not every release of compose gives it. */
export const OWN_NAME = '{name}';

/** How a container is connected to a network, without what the engine generated. */
export const membershipSchema = z.object({
  aliases: z.array(z.string()).default([]),
  ipv4: z.string().optional(),
  ipv6: z.string().optional(),
  /** In lower case; absent when the engine chose it. */
  mac: z.string().optional(),
  link_local: z.array(z.string()).optional(),
  links: z.array(z.string()).optional(),
  driver_options: z.record(z.string(), z.string()).optional(),
  gw_priority: z.number().optional(),
});

/** `facts.json` of a point: secret, because commands, labels and health checks carry passwords. */
export const projectFactsSchema = z.object({
  /** Key of the hashes of contents, as hex: hashes of short secrets could be guessed without it. */
  key: z.string(),
  /** Of each service, its containers in the order of their numbers. */
  services: z.record(z.string(), z.array(factsSchema)),
  /** By the name that the engine knows. */
  networks: z.record(
    z.string(),
    z.object({
      facts: factsSchema,
      /** Containers that are not of this project, by name. */
      others: z.record(z.string(), membershipSchema),
    }),
  ),
  /** Networks of others that containers of the project are connected to: they are compared, and never made. */
  external_networks: z.record(z.string(), factsSchema).default({}),
  volumes: z.record(z.string(), factsSchema),
});

export const parseProjectFacts = (value: unknown) => projectFactsSchema.parse(value);
// Not `z.infer`, see `Plan`.
export type ProjectFacts = ReturnType<typeof parseProjectFacts>;
export type Facts = ProjectFacts['services'][string][number];
export type Fact = Facts[string];
export type NetworkFacts = ProjectFacts['networks'][string];
export const parseMembership = (value: unknown) => membershipSchema.parse(value);
export type Membership = ReturnType<typeof parseMembership>;

/** What is known of one kind of fact. */
export interface FactRule {
  /** Who gives the value when neither files nor a person did. `none`: then there is no value. */
  otherwise: Exclude<Origin, 'set'> | 'none';
  /** Keys of a service in the resolved model that set it; the rest of the fact's key follows the last one. */
  setBy: string[];
  /** It can be changed while a container runs, so that no definition vouches for it. */
  updatable?: true;
  /** A rollback that ends without it has failed: another difference is only reported. */
  essential?: true;
  /** Its value may hold a password. */
  secret?: true;
  /** How it is compared with a fact of another kind of engine; by its value when absent. */
  across?: Across;
}

/**
 * `never`: one of the engines does not tell it. `when-asked`: only where the point says that somebody set it, because each engine has a default of its own.
 * `translated`: in terms that both have, see `plan/across.ts`. Measured with Docker 28.5 and Podman 5.8.
 */
export interface Across {
  how: 'never' | 'when-asked' | 'translated';
  /** For the reader of this table. */
  because: string;
}

const fromImage = (setBy: string, more: Pick<FactRule, 'secret'> = {}): FactRule => ({
  otherwise: 'image',
  setBy: [setBy],
  ...more,
});
const OWN_DEFAULTS: Across = { how: 'when-asked', because: 'each engine has a default of its own' };
const fromDaemon = (...setBy: string[]): FactRule => ({ otherwise: 'daemon', setBy, across: OWN_DEFAULTS });
const onlySet = (...setBy: string[]): FactRule => ({ otherwise: 'none', setBy });
const secret = { secret: true } as const;
const essential = { essential: true } as const;
const never = (because: string) => ({ across: { how: 'never', because } }) as const;
const translated = (because: string) => ({ across: { how: 'translated', because } }) as const;

const CAPABILITIES = 'Podman tells what a container may do in the end, and Docker what was asked for';
const PROCESSORS = 'Podman tells a quota of processor time as a number of processors';

/**
 * The table of all facts about containers. A key ends at its first dot: `environment` stands for `environment.TAG`. What is not here is not recorded.
 */
export const CONTAINER_FACTS: Readonly<Record<string, FactRule>> = {
  name: {
    ...onlySet('container_name'),
    ...translated('providers join the parts of a generated name in two ways'),
  },
  command: fromImage('command', secret),
  entrypoint: fromImage('entrypoint', secret),
  environment: fromImage('environment', secret),
  user: fromImage('user'),
  working_dir: fromImage('working_dir'),
  stop_signal: fromImage('stop_signal'),
  healthcheck: {
    ...fromImage('healthcheck', secret),
    ...translated(
      'Podman fills in defaults, has no interval for the start, and podman-compose a shell for all',
    ),
  },
  expose: fromImage('expose'),
  label: fromImage('labels', secret),
  // The machine's own name where a container shares its network.
  hostname: fromDaemon('hostname'),
  domainname: { ...onlySet('domainname'), ...never('Podman has none') },
  stop_grace_period: fromDaemon('stop_grace_period'),
  tty: onlySet('tty'),
  stdin_open: onlySet('stdin_open'),
  init: onlySet('init'),
  restart: onlySet('restart', 'deploy.restart_policy'),
  privileged: onlySet('privileged'),
  read_only: onlySet('read_only'),
  cap_add: { ...onlySet('cap_add'), ...translated(CAPABILITIES) },
  cap_drop: { ...onlySet('cap_drop'), ...translated(CAPABILITIES) },
  security_opt: { ...onlySet('security_opt'), ...translated('Podman leaves out that an option is true') },
  group_add: onlySet('group_add'),
  sysctl: { ...onlySet('sysctls'), ...never('Podman does not tell them') },
  devices: { ...onlySet('devices'), ...translated('Podman does not tell what a container may do with them') },
  device_cgroup_rules: onlySet('device_cgroup_rules'),
  device_requests: onlySet('gpus', 'deploy.resources.reservations.devices'),
  annotation: onlySet('annotations'),
  mount: {
    ...onlySet('volumes', 'tmpfs', 'configs', 'secrets'),
    ...essential,
    ...translated('Podman does not tell options of volumes, and adds its own to a tmpfs'),
  },
  content: {
    ...onlySet('configs', 'secrets'),
    ...essential,
    ...secret,
    ...translated('Podman tells no owners of files'),
  },
  volumes_from: onlySet('volumes_from'),
  volume_driver: onlySet('volume_driver'),
  network: { ...onlySet('networks'), ...essential },
  network_mode: { ...onlySet('network_mode', 'networks'), ...essential },
  port: { ...onlySet('ports'), ...translated('Podman writes out the address that stands for all') },
  publish_all_ports: onlySet('publish_all_ports'),
  dns: onlySet('dns'),
  dns_opt: onlySet('dns_opt'),
  dns_search: onlySet('dns_search'),
  extra_hosts: onlySet('extra_hosts'),
  links: onlySet('links', 'external_links'),
  pid: onlySet('pid'),
  uts: onlySet('uts'),
  userns_mode: {
    ...onlySet('userns_mode'),
    ...translated('Podman does not tell the namespace of the machine'),
  },
  ipc: fromDaemon('ipc'),
  cgroup: fromDaemon('cgroup'),
  cgroup_parent: fromDaemon('cgroup_parent'),
  runtime: fromDaemon('runtime'),
  isolation: fromDaemon('isolation'),
  shm_size: fromDaemon('shm_size'),
  ulimit: fromDaemon('ulimits'),
  logging: fromDaemon('logging.driver'),
  logging_option: { ...fromDaemon('logging.options'), ...secret, ...never('Podman does not tell them') },
  mem_limit: onlySet('mem_limit', 'deploy.resources.limits.memory'),
  mem_reservation: onlySet('mem_reservation', 'deploy.resources.reservations.memory'),
  memswap_limit: onlySet('memswap_limit'),
  mem_swappiness: onlySet('mem_swappiness'),
  oom_kill_disable: onlySet('oom_kill_disable'),
  oom_score_adj: onlySet('oom_score_adj'),
  cpus: { ...onlySet('cpus', 'deploy.resources.limits.cpus'), ...translated(PROCESSORS) },
  cpu_shares: onlySet('cpu_shares'),
  cpu_period: { ...onlySet('cpu_period'), ...translated(PROCESSORS) },
  cpu_quota: { ...onlySet('cpu_quota'), ...translated(PROCESSORS) },
  cpu_rt_period: onlySet('cpu_rt_period'),
  cpu_rt_runtime: onlySet('cpu_rt_runtime'),
  cpu_count: { ...onlySet('cpu_count'), ...never('only Windows has it') },
  cpu_percent: { ...onlySet('cpu_percent'), ...never('only Windows has it') },
  cpuset: onlySet('cpuset'),
  cpuset_mems: onlySet(),
  pids_limit: { ...fromDaemon('pids_limit', 'deploy.resources.limits.pids'), updatable: true },
  blkio: onlySet('blkio_config'),
  storage_opt: onlySet('storage_opt'),
};

/** The same for networks; `setBy` are keys of a network in the model. */
export const NETWORK_FACTS: Readonly<Record<string, FactRule>> = {
  driver: fromDaemon('driver'),
  internal: onlySet('internal'),
  attachable: onlySet('attachable'),
  ipv6: onlySet('enable_ipv6'),
  without_ipv4: onlySet('enable_ipv4'),
  ipam_driver: onlySet('ipam.driver'),
  ipam_option: onlySet('ipam.options'),
  // The engine chooses them when nobody declares them.
  subnets: { otherwise: 'generated', setBy: ['ipam.config'] },
  option: {
    ...onlySet('driver_opts'),
    ...secret,
    ...translated('Podman calls options of drivers by the last parts of their names'),
  },
  label: { ...onlySet('labels'), ...secret },
};

export const VOLUME_FACTS: Readonly<Record<string, FactRule>> = {
  driver: onlySet('driver'),
  option: { ...onlySet('driver_opts'), ...secret },
  label: { ...onlySet('labels'), ...secret },
};

/** The first part of a fact's key, and the rest after its dot. */
export function splitKey(key: string): [kind: string, rest: string | undefined] {
  const dot = key.indexOf('.');
  return dot === -1 ? [key, undefined] : [key.slice(0, dot), key.slice(dot + 1)];
}

/** Undefined for facts of a newer version. */
export function ruleOf(table: Readonly<Record<string, FactRule>>, key: string): FactRule | undefined {
  const [kind] = splitKey(key);
  return Object.hasOwn(table, kind) ? table[kind] : undefined;
}
