import type { ComposeModel, ComposeService } from '../model/compose.js';
import {
  type Facts,
  type Json,
  type Origin,
  parseMembership,
  type ProjectFacts,
  splitKey,
} from '../model/facts.js';
import {
  absolute,
  bytes,
  devicesOf,
  fields,
  healthcheck,
  membership,
  microseconds,
  optional,
  ports,
  seconds,
  text,
  keyOf,
  type Fields,
} from './definition-values.js';
import { networkFromFacts } from './network-definition.js';
import type { Target } from './target.js';

/**
 * Definitions made of runtime facts, for services that ran otherwise than any file says: the point was made after an edit and before `up`, or
 * somebody changed a container by hand. Pure.
 */

/** Facts that compose has no key for. */
const IMPOSSIBLE: ReadonlySet<string> = new Set([
  'device_requests',
  'publish_all_ports',
  'cpuset_mems',
  'volume_driver',
]);

/** Keys of a service that facts do not tell: they come from the recorded model. */
const KEPT: readonly string[] = ['depends_on', 'scale', 'attach', 'post_start', 'pre_stop', 'profiles'];

/** Kinds of facts of the service that no definition gives, such as `device_requests`. */
export function impossibleFacts(facts: Facts): string[] {
  return [...new Set(Object.keys(facts).map((key) => splitKey(key)[0]))].filter((kind) =>
    IMPOSSIBLE.has(kind),
  );
}

/** The target's model with the definitions of `services` as the recorded facts say. */
export function modelFromFacts(
  { model, point }: Pick<Target, 'model' | 'point'>,
  facts: ProjectFacts,
  services: string[],
  directory: string,
): ComposeModel {
  const base: ComposeModel = model ?? { services: {}, networks: {}, volumes: {}, configs: {}, secrets: {} };
  const result: ComposeModel = {
    ...base,
    services: { ...base.services },
    networks: { ...base.networks },
    volumes: { ...base.volumes },
  };
  for (const name of services) {
    const own = facts.services[name]?.at(-1);
    if (!own) continue;
    const definition = new Definition(name, own, base, point.project.name, directory);
    const image = point.images[name]?.ref ?? base.services[name]?.image;
    result.services[name] = definition.service(image);
    Object.assign(result.networks, definition.networks);
    Object.assign(result.volumes, definition.volumes);
  }
  for (const [name, { facts: settings }] of Object.entries(facts.networks)) {
    const key = keyOf(base.networks, name, point.project.name);
    if (key !== undefined && base.networks[key]?.external === undefined) {
      result.networks[key] = { ...networkFromFacts(settings), name };
    }
  }
  return result;
}

/** The definition that a compose file needs for a service to run with these facts. It leaves the image out. */
export function definitionFromFacts(
  name: string,
  facts: Facts,
  { model, project, directory }: { model: ComposeModel; project: string; directory: string },
): ComposeService {
  return new Definition(name, facts, model, project, directory).service(undefined);
}

/** One service, and the networks and volumes that it takes besides those of the model. */
class Definition {
  readonly networks: ComposeModel['networks'] = {};
  readonly volumes: ComposeModel['volumes'] = {};

  constructor(
    private readonly name: string,
    private readonly facts: Facts,
    private readonly base: ComposeModel,
    private readonly project: string,
    private readonly directory: string,
  ) {}

  service(image: string | undefined): ComposeService {
    const known = this.base.services[this.name];
    const kept = Object.fromEntries(
      KEPT.flatMap((key) => (known?.[key] === undefined ? [] : [[key, known[key]]])),
    );
    const definition: Fields = {
      ...kept,
      image,
      ...this.identity(),
      ...this.process(),
      ...this.host(),
      ...this.resources(),
      ...this.namespaces(),
      volumes: this.mounts(),
      tmpfs: optional(this.temporary()),
      configs: this.copied('configs'),
      secrets: this.copied('secrets'),
    };
    const set = Object.entries(definition).filter(([, value]) => value !== undefined);
    return {
      environment: {},
      labels: {},
      ports: [],
      expose: [],
      volumes: [],
      configs: [],
      secrets: [],
      depends_on: {},
      profiles: [],
      ...Object.fromEntries(set),
    };
  }

  private identity(): Fields {
    const name = text(this.value('name'));
    const isGenerated = new RegExp(`^${this.project}[-_]${this.name}[-_]N$`).test(name);
    return {
      container_name: name === '' || isGenerated ? undefined : name,
      hostname: this.value('hostname'),
      domainname: this.value('domainname'),
      labels: this.group('label'),
      annotations: optional(this.group('annotation')),
    };
  }

  private process(): Fields {
    const environment = Object.entries(this.group('environment')).map(([name, value]) => [
      name,
      // The engine takes away a variable that has no value.
      value === '\0' ? null : value,
    ]);
    return {
      command: this.value('command'),
      entrypoint: this.value('entrypoint'),
      environment: Object.fromEntries(environment),
      user: this.value('user'),
      working_dir: this.value('working_dir'),
      stop_signal: this.value('stop_signal'),
      stop_grace_period: seconds(this.value('stop_grace_period')),
      tty: this.value('tty'),
      stdin_open: this.value('stdin_open'),
      init: this.value('init'),
      healthcheck: healthcheck(this.value('healthcheck')),
    };
  }

  private host(): Fields {
    const logging = { driver: this.value('logging'), options: optional(this.group('logging_option')) };
    return {
      restart: this.value('restart'),
      privileged: this.value('privileged'),
      read_only: this.value('read_only'),
      cap_add: this.value('cap_add'),
      cap_drop: this.value('cap_drop'),
      security_opt: this.value('security_opt'),
      group_add: this.value('group_add'),
      sysctls: optional(this.group('sysctl')),
      devices: this.value('devices'),
      device_cgroup_rules: this.value('device_cgroup_rules'),
      runtime: this.value('runtime'),
      isolation: this.value('isolation'),
      shm_size: this.value('shm_size'),
      storage_opt: this.value('storage_opt'),
      ulimits: optional(this.group('ulimit')),
      logging: logging.driver === undefined && logging.options === undefined ? undefined : logging,
    };
  }

  private resources(): Fields {
    const blkio = this.group('blkio');
    const cpus = this.value('cpus');
    return {
      mem_limit: bytes(this.value('mem_limit')),
      mem_reservation: bytes(this.value('mem_reservation')),
      memswap_limit: bytes(this.value('memswap_limit')),
      mem_swappiness: this.value('mem_swappiness'),
      oom_kill_disable: this.value('oom_kill_disable'),
      oom_score_adj: this.value('oom_score_adj'),
      cpus: typeof cpus === 'number' ? cpus / 1e9 : undefined,
      cpu_shares: this.value('cpu_shares'),
      cpu_period: text(this.value('cpu_period')) || undefined,
      cpu_quota: text(this.value('cpu_quota')) || undefined,
      cpu_rt_period: microseconds(this.value('cpu_rt_period')),
      cpu_rt_runtime: microseconds(this.value('cpu_rt_runtime')),
      cpu_count: this.value('cpu_count'),
      cpu_percent: this.value('cpu_percent'),
      cpuset: this.value('cpuset'),
      pids_limit: this.value('pids_limit'),
      blkio_config: optional(
        Object.fromEntries(
          Object.entries(blkio).map(([key, value]) => [key, key === 'weight' ? value : devicesOf(value)]),
        ),
      ),
    };
  }

  private namespaces(): Fields {
    const mode = this.value('network_mode');
    const memberships = Object.entries(this.group('network')).map(([name, value]) => [
      this.networkKey(name),
      membership(value, this.name),
    ]);
    const isShared = typeof mode === 'string';
    return {
      network_mode: isShared ? mode : memberships.length === 0 ? 'none' : undefined,
      external_links: optional(this.links()),
      networks: isShared || memberships.length === 0 ? undefined : Object.fromEntries(memberships),
      ports: isShared
        ? []
        : Object.entries(this.group('port')).flatMap(([port, hosts]) => ports(port, hosts)),
      expose: Object.keys(this.group('expose')).filter((port) => this.facts[`port.${port}`] === undefined),
      dns: this.value('dns'),
      dns_opt: this.value('dns_opt'),
      dns_search: this.value('dns_search'),
      extra_hosts: this.value('extra_hosts'),
      pid: this.value('pid'),
      ipc: this.value('ipc'),
      uts: this.value('uts'),
      userns_mode: this.value('userns_mode'),
      cgroup: this.value('cgroup'),
      cgroup_parent: this.value('cgroup_parent'),
      volumes_from: this.value('volumes_from'),
    };
  }

  /** Those to services too: by the names of their containers they are the same. */
  private links(): string[] {
    const links = Object.values(this.group('network')).flatMap((value) => parseMembership(value).links ?? []);
    return [...new Set(links)];
  }

  private networkKey(name: string): string {
    const key = keyOf(this.base.networks, name, this.project);
    if (key !== undefined) return key;
    this.networks[name] = { name, external: true };
    return name;
  }

  private mounts(): Fields[] {
    const inherited = this.facts['volumes_from'] !== undefined;
    return Object.entries(this.group('mount', ['set', 'image'])).flatMap(([target, value]) => {
      const mount = fields(value);
      // Mounts of another container come with `volumes_from`; which ones, nobody tells.
      if (inherited && !this.base.services[this.name]?.volumes.some((volume) => volume.target === target))
        return [];
      return this.mount(target, mount);
    });
  }

  /** `tmpfs:` of a service, whose options are a text. */
  private temporary(): string[] {
    return Object.entries(this.group('mount', ['set', 'image'])).flatMap(([target, value]) => {
      const { type, options } = fields(value);
      if (type !== 'tmpfs' || (options !== undefined && typeof options !== 'string')) return [];
      return [options === undefined ? target : `${target}:${options}`];
    });
  }

  private mount(target: string, mount: Fields): Fields[] {
    const { type, read_only } = mount;
    const options = fields(mount['options']);
    const common = { type, target, ...(read_only === true ? { read_only: true } : {}) };
    switch (type) {
      case 'bind': {
        const { Propagation } = fields(options['bind']);
        const source = absolute(this.directory, text(mount['source']));
        // A directory that is missing was not what the container had.
        const bind = {
          create_host_path: false,
          ...(Propagation === undefined ? {} : { propagation: Propagation }),
        };
        return [{ ...common, source, bind }];
      }
      case 'volume': {
        const { NoCopy, Subpath, Labels } = fields(options['volume']);
        const volume = {
          ...(NoCopy === true ? { nocopy: true } : {}),
          ...(Subpath === undefined ? {} : { subpath: Subpath }),
          ...(Labels === undefined ? {} : { labels: Labels }),
        };
        return [{ ...common, source: this.volumeKey(text(mount['volume'])), volume }];
      }
      case 'tmpfs': {
        if (mount['options'] === undefined || typeof mount['options'] === 'string') return [];
        const { SizeBytes, Mode } = fields(options['tmpfs']);
        const tmpfs = {
          ...(SizeBytes === undefined ? {} : { size: text(SizeBytes) }),
          ...(Mode === undefined ? {} : { mode: Mode }),
        };
        return [{ ...common, tmpfs }];
      }
      case 'image': {
        const { Subpath } = fields(options['image']);
        return [
          {
            ...common,
            source: mount['image'],
            ...(Subpath === undefined ? {} : { image: { subpath: Subpath } }),
          },
        ];
      }
      default:
        return [];
    }
  }

  private volumeKey(name: string): string {
    const key = keyOf(this.base.volumes, name, this.project);
    if (key !== undefined) return key;
    this.volumes[name] = { name, external: true };
    return name;
  }

  /**
   * Files that compose copies. The others are bind mounts, which facts tell. An owner that is named at all gives way to the user of the container
   * (measured, compose 2.26 and 2.40): root's files come from no name.
   */
  private copied(kind: 'configs' | 'secrets'): unknown[] {
    const folder = kind === 'configs' ? '/' : '/run/secrets/';
    return (this.base.services[this.name]?.[kind] ?? []).flatMap((reference) => {
      const { source, target = source } = reference;
      const { content, environment } = { ...this.base[kind][source] };
      if (content === undefined && environment === undefined) return [];
      const fact = fields(this.facts[`content.${target.startsWith('/') ? target : folder + target}`]?.value);
      const { mode, uid, gid } = fact;
      return [{ ...reference, mode, uid: ownerId(uid), gid: ownerId(gid) }];
    });
  }

  /** Undefined for what image or engine give by themselves. */
  private value(key: string): Json | undefined {
    const fact = this.facts[key];
    return fact?.origin === 'set' ? fact.value : undefined;
  }

  /** All facts of a kind by the rest of their keys, as `value`. Volumes that come with the image are wanted by name. */
  private group(kind: string, origins: Origin[] = ['set']): Record<string, Json> {
    const entries = Object.entries(this.facts).flatMap(([key, { origin, value }]) => {
      const [first, rest] = splitKey(key);
      return first === kind && rest !== undefined && origins.includes(origin) ? [[rest, value] as const] : [];
    });
    return Object.fromEntries(entries);
  }
}

const ownerId = (id: unknown) => (id === 0 ? undefined : text(id));
