import { qualified } from '../../engine/reference.js';
import type { ComposeService } from '../../model/compose.js';
import { isGiven, listOf, recordOf, textOf, textsOf } from '../values.js';
import { dependencies, ending, healthcheck, logging, restart, stopGracePeriod } from './life.js';
import { configs, pairs, secrets, volumes } from './mounts.js';
import { extraHosts, networkMode, networks, ports } from './network.js';
import { containerOf, unitOf, type Part } from './part.js';
import { line, named, option, podmanArg, remark, word, type Piece } from './text.js';

/** A service as a `.container` unit. */

type Translate = (value: unknown, part: Part) => Piece[];

const said: Translate = () => [];

/** An argument of `podman run` for each of one or many values. */
const asArgument =
  (name: string): Translate =>
  (value) =>
    [value].flat().map((one) => podmanArg(name, textOf(one)));

const asOption =
  (key: string, name: string): Translate =>
  (value) => [option(key, name, textOf(value) ?? '')];

const asFlag =
  (name: string): Translate =>
  () => [podmanArg(name)];

const asPairs =
  (name: string): Translate =>
  (value) =>
    pairs(value).map((pair) => podmanArg(name, pair));

/** By key of compose; what is not here has no counterpart. */
const TRANSLATIONS: Readonly<Record<string, Translate>> = {
  image: said,
  build,
  pull_policy: pullPolicy,
  container_name: said,
  hostname: asOption('HostName', 'hostname'),
  entrypoint,
  command,
  working_dir: asOption('WorkingDir', 'workdir'),
  user,
  environment,
  env_file: said, // environment has it all
  labels: (value) => pairs(value).map((pair) => line('Container', 'Label', word(pair))),
  annotations: asPairs('annotation'),
  networks,
  network_mode: networkMode,
  ports,
  expose: asArgument('expose'),
  extra_hosts: extraHosts,
  dns: asArgument('dns'),
  dns_opt: asArgument('dns-option'),
  dns_search: asArgument('dns-search'),
  mac_address: asArgument('mac-address'),
  volumes,
  tmpfs: (value) => textsOf(value).map((mount) => option('Tmpfs', 'tmpfs', mount)),
  secrets,
  configs,
  healthcheck,
  depends_on: dependencies,
  restart,
  stop_grace_period: stopGracePeriod,
  stop_signal: asArgument('stop-signal'),
  logging,
  init: () => [line('Container', 'RunInit', 'true')],
  read_only: () => [line('Container', 'ReadOnly', 'true'), line('Container', 'ReadOnlyTmpfs', 'false')],
  privileged: asFlag('privileged'),
  tty: asFlag('tty'),
  stdin_open: asFlag('interactive'),
  oom_kill_disable: asFlag('oom-kill-disable'),
  oom_score_adj: asArgument('oom-score-adj'),
  cap_add: asArgument('cap-add'),
  cap_drop: asArgument('cap-drop'),
  security_opt: asArgument('security-opt'),
  group_add: asArgument('group-add'),
  devices,
  device_cgroup_rules: asArgument('device-cgroup-rule'),
  sysctls: asPairs('sysctl'),
  ulimits,
  pid: namespace('pid'),
  ipc: namespace('ipc'),
  uts: asArgument('uts'),
  userns_mode: asArgument('userns'),
  cpus: asArgument('cpus'),
  cpuset: asArgument('cpuset-cpus'),
  cpu_shares: asArgument('cpu-shares'),
  cpu_quota: asArgument('cpu-quota'),
  cpu_period: asArgument('cpu-period'),
  mem_limit: asArgument('memory'),
  mem_reservation: asArgument('memory-reservation'),
  mem_swappiness: asArgument('memory-swappiness'),
  memswap_limit: asArgument('memory-swap'),
  shm_size: asArgument('shm-size'),
  pids_limit: asArgument('pids-limit'),
  platform: asArgument('platform'),
  deploy,
  scale: (value) => several(Number(value)),
  profiles: said, // only what they activate is written
};

export function containerUnit(part: Part): Piece[] {
  const { project, name, service } = part;
  const own = network(service);
  const keys = Object.keys(own).filter((key) => isGiven(own[key]) && !(key in TRANSLATIONS));
  return [
    line('Unit', 'Description', `${named(name)} of ${project}`),
    line('Container', 'ContainerName', containerOf(part, name)),
    line('Container', 'Image', named(qualified(service.image ?? unitOf(project, name)))),
    ...Object.entries(TRANSLATIONS).flatMap(([key, translate]) =>
      isSaid(key, own[key]) ? translate(own[key], { ...part, service: own }) : [],
    ),
    ...ending(part),
    ...keys
      .filter((key) => !key.startsWith('x-'))
      .map((key) => remark(`${key} has no counterpart in a unit`)),
  ];
}

/** An empty command or entrypoint takes that of the image away. */
function isSaid(key: string, value: unknown): boolean {
  return isGiven(value) || (['command', 'entrypoint'].includes(key) && Array.isArray(value));
}

/** In the project's own network, where none is named. */
function network(service: ComposeService): ComposeService {
  if (isGiven(service.network_mode) || isGiven(service['networks'])) return service;
  return { ...service, networks: { default: null } };
}

/** Podman would ask a registry for what is only here. */
function build(_: unknown, { service, project, name }: Part): Piece[] {
  const image = named(qualified(service.image ?? unitOf(project, name)));
  return [
    line('Container', 'Pull', 'never'),
    remark(`its image is built: \`podman build --tag ${image}\`, unless a move has brought it`),
  ];
}

const PULL: Readonly<Record<string, string>> = {
  always: 'always',
  missing: 'missing',
  if_not_present: 'missing',
  never: 'never',
  build: 'never',
};

function pullPolicy(value: unknown, { service }: Part): Piece[] {
  if (isGiven(service.build)) return [];
  const policy = PULL[String(value)];
  if (policy === undefined) return [remark(`pull_policy ${String(value)} has no counterpart`)];
  return [line('Container', 'Pull', policy)];
}

/** As JSON, which is how podman takes several words here. */
function entrypoint(value: unknown): Piece[] {
  const words = textsOf(value);
  return [podmanArg('entrypoint', words.length === 0 ? '' : JSON.stringify(words))];
}

function command(value: unknown): Piece[] {
  const words = textsOf(value);
  if (words.length === 0) return [remark("it has no command; in a unit the image's own one comes back")];
  if (words.some((one) => one === '' || one === ';'))
    return [
      remark(
        'its command has an empty word or a lone semicolon, which no unit can hold: wrap it in a script',
      ),
    ];
  return [line('Container', 'Exec', words.map(word).join(' '))];
}

function user(value: unknown): Piece[] {
  const [name = '', group] = (textOf(value) ?? '').split(':');
  return [
    line('Container', 'User', named(name)),
    ...(group === undefined ? [] : [line('Container', 'Group', named(group))]),
  ];
}

/** What the environment file holds. podman reads it as it stands, a variable a line. */
export function variablesOf(service: ComposeService): [name: string, value: string][] {
  return Object.entries(service.environment).flatMap(([name, value]) =>
    value !== null && fitsLine(name, value) ? [[name, value]] : [],
  );
}

const fitsLine = (name: string, value: string) => /^[\w.-]+$/.test(name) && !/[\r\n]/.test(value);

function environment(_: unknown, { service, project, name }: Part): Piece[] {
  const strange = Object.entries(service.environment).filter(
    ([key, value]) => value === null || !fitsLine(key, value),
  );
  return [
    ...(variablesOf(service).length === 0
      ? []
      : [line('Container', 'EnvironmentFile', `${unitOf(project, name)}.env`)]),
    ...strange.map(([key, value]) =>
      remark(
        value === null
          ? `${key} has no value here, and is left out`
          : `${key} fits no line of an environment file: give it as a secret, \`podman secret create\` and Secret=`,
      ),
    ),
  ];
}

function devices(value: unknown): Piece[] {
  return listOf(value).map((device) => {
    const { source, target, permissions } = recordOf(device);
    const parts = isGiven(source) ? [source, target, permissions] : [device];
    return podmanArg('device', parts.flatMap((part) => textOf(part) ?? []).join(':'));
  });
}

function ulimits(value: unknown): Piece[] {
  return Object.entries(recordOf(value)).map(([name, limit]) => {
    const { soft, hard } = recordOf(limit);
    const both = isGiven(soft) ? `${textOf(soft)}:${textOf(hard)}` : textOf(limit);
    return podmanArg('ulimit', `${name}=${both}`);
  });
}

/** Its own, the machine's, or that of another service. */
function namespace(kind: string): Translate {
  return (value, part) => {
    const other = /^service:(.+)$/.exec(textOf(value) ?? '')?.[1];
    const whose = other === undefined ? textOf(value) : `container:${containerOf(part, other)}`;
    return [podmanArg(kind, whose)];
  };
}

/** Limits that compose also prints as keys of the service come out the same, once. */
function deploy(value: unknown): Piece[] {
  const { replicas, resources, ...rest } = recordOf(value);
  const { limits, reservations, ...others } = recordOf(resources);
  const { cpus, memory, pids, ...limited } = recordOf(limits);
  const { memory: reserved, ...reserving } = recordOf(reservations);
  const given = { cpus, memory, 'pids-limit': pids, 'memory-reservation': reserved };
  const lost = { ...rest, ...others, ...limited, ...reserving };
  return [
    ...Object.entries(given).flatMap(([name, limit]) =>
      isGiven(limit) ? [podmanArg(name, textOf(limit))] : [],
    ),
    ...(isGiven(replicas) ? several(Number(replicas)) : []),
    ...Object.keys(lost)
      .filter((key) => isGiven(lost[key]))
      .map((key) => remark(`${key} of deploy has no counterpart in a unit`)),
  ];
}

function several(count: number): Piece[] {
  return count === 1 ? [] : [remark(`a unit is one container, and it has ${count}`)];
}
