import type { ComposeModel, ComposeService } from '../model/compose.js';
import { DRILL_LABEL } from '../model/engine.js';
import { quoted } from '../model/names.js';

/** A point's compose model as a drill runs it: beside the project, seen by nobody, with nothing of the project's own. */

/** What a service mounts: a volume by its name on the engine, a directory or file by its absolute path. */
export interface MountSource {
  kind: 'volume' | 'bind';
  source: string;
}

/** What a drill has in its place. */
export type Replacement = { volume: string } | { path: string };

export interface DrillParts {
  /** Name of the project that the model was recorded of. */
  project: string;
  /** What everything of the drill is labelled with. */
  mark: string;
  /** The services to run, with references to their images. */
  images: Readonly<Record<string, string>>;
  /** By `mountKey`; what is not there is not mounted. */
  mounts: ReadonlyMap<string, Replacement>;
}

export const mountKey = ({ kind, source }: MountSource): string => `${kind}:${source}`;

const words = (text: string): string[] => text.trim().split(/\s+/);

/** What stays as it is: how the program runs inside its container. */
const KEPT = words(`
  cap_add cap_drop command cpu_count cpu_percent cpu_period cpu_quota cpu_shares cpus cpuset dns
  dns_opt dns_search domainname entrypoint environment extra_hosts group_add healthcheck hostname
  init isolation mem_limit mem_reservation mem_swappiness memswap_limit pids_limit platform
  read_only runtime security_opt shm_size stdin_open stop_grace_period stop_signal sysctls tmpfs
  tty ulimits user working_dir
`);
/** What is replaced, or means nothing to a container that nobody uses. Labels above all: proxies and schedulers act on them. */
const REPLACED = words(`
  annotations attach build configs container_name depends_on deploy develop env_file expose image
  ipc labels links logging mac_address network_mode networks pid ports profiles pull_policy
  restart scale secrets volumes
`);
const NAMESPACES = ['network_mode', 'pid', 'ipc'] as const;
const HARMLESS_NAMESPACES = ['none', 'private', 'shareable'];
const USUAL_NAMESPACES = ['bridge', 'default'];

/**
 * The compose file of a drill: only the given services, of the images given, with replaced mounts, in networks that lead nowhere, without
 * published ports, names, restarts and labels of their own. `warnings` tells what is left out and could be missed.
 */
export function drillModel(
  model: ComposeModel,
  parts: DrillParts,
): { document: Record<string, unknown>; warnings: string[] } {
  const warnings: string[] = [];
  const labels = { [DRILL_LABEL]: parts.mark };
  const configs = fileSources('configs', model, parts);
  const secrets = fileSources('secrets', model, parts);
  const services = Object.entries(parts.images).flatMap(([name, image]) => {
    const service = model.services[name];
    if (!service) return [];
    const leftOut = (what: string) => warnings.push(`${name} runs without ${what}`);
    const own = withoutEmpty({
      ...namespaces(service, parts, leftOut),
      expose: [...new Set([...service.expose, ...service.ports.map(({ target }) => String(target))])],
      depends_on: dependencies(service, parts),
      links: linksOf(service, parts),
      volumes: volumesOf(model, service, parts, leftOut),
      configs: known('config', service.configs, configs, leftOut),
      secrets: known('secret', service.secrets, secrets, leftOut),
    });
    const strange = Object.keys(service).filter(
      (key) => !KEPT.includes(key) && !REPLACED.includes(key) && !key.startsWith('x-'),
    );
    for (const key of strange) if (isSet(service[key])) leftOut(`its ${key}`);
    return [[name, { ...only(service, KEPT), ...own, image, labels, restart: 'no' }] as const];
  });
  const networks = ['default', ...Object.keys(model.networks)].map(
    (name) => [name, { internal: true, labels }] as const,
  );
  const volumes = [...parts.mounts.values()].flatMap((place) =>
    'volume' in place ? [[place.volume, { external: true, name: place.volume }] as const] : [],
  );
  const document = {
    services: Object.fromEntries(services),
    networks: Object.fromEntries(networks),
    volumes: Object.fromEntries(volumes),
    configs,
    secrets,
  };
  return { document: withoutEmpty(withoutInterpolation(document)), warnings };
}

/** What these services mount, each once; `readOnly` when none of them may write there. */
export function mountSources(
  model: ComposeModel,
  project: string,
  services: readonly string[],
): (MountSource & { readOnly: boolean })[] {
  const found = new Map<string, MountSource & { readOnly: boolean }>();
  const add = (mount: MountSource, readOnly: boolean) => {
    const before = found.get(mountKey(mount))?.readOnly ?? true;
    found.set(mountKey(mount), { ...mount, readOnly: readOnly && before });
  };
  for (const name of services) {
    for (const volume of model.services[name]?.volumes ?? []) {
      const mount = sourceOf(model, project, volume);
      if (mount) add(mount, volume.read_only ?? false);
    }
    for (const kind of ['configs', 'secrets'] as const) {
      for (const { source } of model.services[name]?.[kind] ?? []) {
        const file = model[kind][source]?.file;
        if (file !== undefined) add({ kind: 'bind', source: file }, true);
      }
    }
  }
  return [...found.values()];
}

function sourceOf(
  model: ComposeModel,
  project: string,
  { type, source }: ComposeService['volumes'][number],
): MountSource | undefined {
  if (source === undefined) return undefined;
  if (type === 'bind') return { kind: type, source };
  if (type !== 'volume') return undefined;
  return { kind: type, source: model.volumes[source]?.name ?? `${project}_${source}` };
}

function volumesOf(
  model: ComposeModel,
  { volumes }: ComposeService,
  { project, mounts }: DrillParts,
  leftOut: (what: string) => void,
): Record<string, unknown>[] {
  return volumes.flatMap((volume): Record<string, unknown>[] => {
    const { type, target, read_only: readOnly = false } = volume;
    if (type === 'tmpfs') return [volume];
    if (type === 'volume' && volume.source === undefined) return [{ type, target }];
    const source = sourceOf(model, project, volume);
    const place = source && mounts.get(mountKey(source));
    if (!place) {
      leftOut(`${target}, where ${volume.source ?? type} was mounted`);
      return [];
    }
    const mount = { target, read_only: readOnly };
    if ('path' in place) return [{ type: 'bind', source: place.path, ...mount }];
    // A directory of the host never took over what the image has there; a volume keeps the options it had.
    const options = type === 'bind' ? { nocopy: true } : volume['volume'];
    return [{ type: 'volume', source: place.volume, ...mount, ...(isSet(options) && { volume: options }) }];
  });
}

/** Which network, processes and memory a service shares: with other services of the drill, and never with the host. */
function namespaces(
  service: ComposeService,
  { images }: DrillParts,
  leftOut: (what: string) => void,
): Record<string, unknown> {
  const kept = NAMESPACES.flatMap((key) => {
    const value = service[key];
    if (typeof value !== 'string' || value === '' || USUAL_NAMESPACES.includes(value)) return [];
    const [, other] = /^service:(.+)$/.exec(value) ?? [];
    const fits = other === undefined ? HARMLESS_NAMESPACES.includes(value) : Object.hasOwn(images, other);
    if (!fits) leftOut(`${key} ${value}`);
    return fits ? [[key, value] as const] : [];
  });
  const modes = Object.fromEntries(kept);
  return modes['network_mode'] === undefined ? { ...modes, networks: networksOf(service) } : modes;
}

/** With their aliases; addresses belong to the networks of the project. */
function networksOf(service: ComposeService): Record<string, unknown> {
  const networks = service['networks'];
  if (Array.isArray(networks)) return Object.fromEntries(networks.map((name) => [String(name), {}]));
  if (typeof networks !== 'object' || networks === null) return {};
  const entries = Object.entries(networks).map(([name, options]: [string, unknown]) => {
    const isPlain = typeof options !== 'object' || options === null || !('aliases' in options);
    return [name, isPlain ? {} : { aliases: options.aliases }] as const;
  });
  return Object.fromEntries(entries);
}

/** The order is ours: what has to be healthy first is waited for outside. */
function dependencies({ depends_on: needed }: ComposeService, { images }: DrillParts) {
  const names = Object.keys(needed).filter((name) => Object.hasOwn(images, name));
  return Object.fromEntries(names.map((name) => [name, { condition: 'service_started' }]));
}

function linksOf(service: ComposeService, { images }: DrillParts): string[] {
  const links = Array.isArray(service['links']) ? service['links'].map(String) : [];
  return links.filter((link) => Object.hasOwn(images, link.split(':')[0] ?? ''));
}

/** Definitions of `configs` or `secrets` that a drill can have. */
function fileSources(
  kind: 'configs' | 'secrets',
  model: ComposeModel,
  { mounts }: DrillParts,
): Record<string, Record<string, unknown>> {
  const entries = Object.entries(model[kind]).flatMap(([name, source]) => {
    if (source.file === undefined) {
      const inline = only(source, ['content', 'environment']);
      return Object.keys(inline).length > 0 ? [[name, inline] as const] : [];
    }
    const place = mounts.get(mountKey({ kind: 'bind', source: source.file }));
    return place && 'path' in place ? [[name, { file: place.path }] as const] : [];
  });
  return Object.fromEntries(entries);
}

function known<T extends { source: string }>(
  what: string,
  references: T[],
  definitions: Record<string, unknown>,
  leftOut: (what: string) => void,
): T[] {
  return references.filter(({ source }) => {
    const found = Object.hasOwn(definitions, source);
    if (!found) leftOut(`the ${what} ${quoted(source)}`);
    return found;
  });
}

function only(from: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.flatMap((key) => (isSet(from[key]) ? [[key, from[key]]] : [])));
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false;

function withoutEmpty(record: Record<string, unknown>): Record<string, unknown> {
  const isEmpty = (value: unknown) =>
    value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(record).filter(([, value]) => !isEmpty(value)));
}

/** All values are final: no dollar sign may be read as a variable. */
function withoutInterpolation(record: Record<string, unknown>): Record<string, unknown> {
  const plain = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replaceAll('$', () => '$$');
    if (Array.isArray(value)) return value.map(plain);
    return typeof value === 'object' && value !== null ? withoutInterpolation({ ...value }) : value;
  };
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, plain(value)]));
}
