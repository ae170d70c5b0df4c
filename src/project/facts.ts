import type { Engine } from '../engine/engine.js';
import { canonicalText } from '../model/canonical.js';
import type { ComposeModel, ComposeService } from '../model/compose.js';
import type { Container, EngineIdentity, Image } from '../model/engine.js';
import {
  CONTAINER_FACTS,
  type FactRule,
  type Facts,
  IMAGE_VOLUME,
  type Json,
  NETWORK_FACTS,
  type NetworkFacts,
  type Origin,
  parseMembership,
  type ProjectFacts,
  ruleOf,
  type Settings,
  splitKey,
  VOLUME_FACTS,
} from '../model/facts.js';
import type { Project, ServiceObservation } from '../model/project.js';
import { readContents, type ContentTargets } from './contents.js';
import { anonymousVolume, isAnonymous } from '../plan/changes.js';
import { realOrSelf, relativeTo } from './paths.js';
import { PODMAN_DEFAULTS, withAskedGateways, withAskedValues } from './podman-facts.js';

/** The runtime facts of a project: settings that the engine tells, each with its origin. */

export interface FactsInput {
  project: Project;
  engine: Engine;
  identity: EngineIdentity;
  model: ComposeModel | undefined;
  services: Record<string, ServiceObservation>;
  images: Record<string, Image | null>;
  /** Files that compose puts into containers, beside those of the model: what a point recorded. */
  contents: ContentTargets;
}

/** Reads them; `key` is empty, and hashes of contents are plain. `sealContents` makes what a point stores. */
export async function readFacts(input: FactsInput): Promise<ProjectFacts> {
  const containers = Object.values(input.services).flatMap((service) => service.containers);
  const names = await namesById(input, containers);
  const [services, networks, external_networks, volumes] = await Promise.all([
    Promise.all(
      Object.values(input.services).map(async (service) => {
        const read = (container: Container) => containerFacts(input, service, container, names);
        return [service.name, await Promise.all(service.containers.map(read))] as const;
      }),
    ),
    readNetworks(input, containers),
    readExternalNetworks(input, containers),
    readVolumes(input, containers),
  ]);
  return { key: '', services: Object.fromEntries(services), networks, external_networks, volumes };
}

/** What containers call each other by in the settings of others: `service:NAME`, or `container:NAME` for those of other projects. */
async function namesById({ engine }: FactsInput, containers: Container[]): Promise<Map<string, string>> {
  const names = new Map(containers.map(({ id, service }) => [id, `service:${service}`]));
  const referenced = containers.flatMap(({ settings }) => [
    ...volumeSources(settings).map(([id]) => id),
    ...SHARED_NAMESPACES.flatMap((key) => /^container:(.+)$/.exec(text(settings[key]))?.[1] ?? []),
  ]);
  const others = [...new Set(referenced)].filter((id) => !names.has(id));
  const found = await Promise.all(others.map((id) => engine.container(id)));
  for (const [index, id] of others.entries()) names.set(id, `container:${found[index]?.name ?? 'gone'}`);
  return names;
}

/** `ID:ro` of `volumes_from`, taken apart. */
function volumeSources(settings: Settings): [id: string, mode: string][] {
  const sources = settings['volumes_from'];
  return (Array.isArray(sources) ? sources : []).map((source) => {
    const [id = '', mode = ''] = text(source).split(':');
    return [id, mode === '' ? '' : `:${mode}`];
  });
}

const SHARED_NAMESPACES = ['network_mode', 'pid', 'ipc', 'uts'];

async function containerFacts(
  input: FactsInput,
  { name, matchesFiles }: ServiceObservation,
  container: Container,
  names: Map<string, string>,
): Promise<Facts> {
  const { model, images, identity } = input;
  const { logging, runtime } = identity.defaults;
  const known = {
    set: model?.services[name],
    isTrusted: matchesFiles,
    image: images[container.imageId]?.settings ?? {},
    daemon: {
      ...BUILT_IN,
      ...(identity.kind === 'podman' ? PODMAN_DEFAULTS : {}),
      logging,
      runtime,
      hostname: identity.hostname,
    },
  };
  const resolved = withDefinedMacs(await resolveSettings(input, container, names), model?.services[name]);
  const definition = { model, project: input.project.name, service: name, isTrusted: matchesFiles };
  const settings = identity.kind === 'podman' ? withAskedValues(resolved, container, definition) : resolved;
  const contents = await readContents(input.engine, container, model, input.contents[name] ?? []);
  const facts = toFacts(CONTAINER_FACTS, { ...settings, ...contents }, known);
  for (const [key, fact] of Object.entries(facts)) {
    const target = key.startsWith('mount.') ? key.slice('mount.'.length) : undefined;
    const comesWithImage = known.image[`${IMAGE_VOLUME}.${target}`] !== undefined;
    if (comesWithImage && anonymousVolume(fact.value) !== undefined)
      facts[key] = { ...fact, origin: 'image' };
  }
  return facts;
}

/** Of daemons that nobody configured. */
const BUILT_IN: Settings = { shm_size: 64 << 20, ipc: 'private', cgroup: 'private' };

/** Without ids and absolute paths of this project, which change where nothing else does. */
async function resolveSettings(
  { project, identity }: FactsInput,
  { settings, number }: Container,
  names: Map<string, string>,
): Promise<Settings> {
  const resolved: Settings = {};
  for (const [key, value] of Object.entries(settings)) resolved[key] = value;
  // Replicas are numbered as it happens.
  if (number !== undefined)
    resolved['name'] = text(settings['name']).replace(new RegExp(`(?<=[-_])${number}$`), 'N');
  for (const key of SHARED_NAMESPACES) {
    const id = /^container:(.+)$/.exec(text(settings[key]))?.[1];
    if (id !== undefined) resolved[key] = names.get(id) ?? 'container:gone';
  }
  if (settings['volumes_from'] !== undefined) {
    // As a compose file has it: a service by its mere name.
    resolved['volumes_from'] = volumeSources(settings).map(
      ([id, mode]) => (names.get(id) ?? `container:${id}`).replace(/^service:/, '') + mode,
    );
  }
  const binds = Object.entries(settings).filter(([key]) => key.startsWith('mount.'));
  for (const [key, value] of binds) resolved[key] = await resolveMount(project, identity, value);
  return resolved;
}

/** A MAC address is a setting where the definition says it. */
function withDefinedMacs(settings: Settings, service: ComposeService | undefined): Settings {
  const { networks = {}, mac_address: own } = { ...service };
  const given = typeof networks === 'object' && networks !== null ? Object.values(networks) : [];
  const macs = new Set(
    [
      own,
      ...given.map((one: unknown) =>
        typeof one === 'object' && one !== null && 'mac_address' in one ? one.mac_address : undefined,
      ),
    ]
      .filter((mac) => typeof mac === 'string')
      .map((mac) => mac.toLowerCase()),
  );
  const entries = Object.entries(settings).map(([key, value]) => {
    const isMembership =
      key.startsWith('network.') && typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMembership || macs.has(text(value['mac']))) return [key, value] as const;
    const { mac: _, ...rest } = value;
    return [key, rest] as const;
  });
  return Object.fromEntries(entries);
}

/** A bind by its place in the project, and by what its path leads to. */
async function resolveMount({ directory }: Project, { local }: EngineIdentity, mount: Json): Promise<Json> {
  if (typeof mount !== 'object' || mount === null || Array.isArray(mount) || mount['type'] !== 'bind')
    return mount;
  const source = text(mount['source']);
  const real = local ? await realOrSelf(source) : source;
  const root = local ? await realOrSelf(directory) : directory;
  const place = placeIn(directory, source);
  const resolved = placeIn(root, real);
  return { ...mount, source: place, ...(resolved === place ? {} : { resolves_to: resolved }) };
}

function placeIn(directory: string, path: string): string {
  const inside = relativeTo(directory, path);
  if (inside === undefined) return path;
  return inside === '.' ? '.' : `./${inside}`;
}

/** Networks that the model defines. */
async function readNetworks(
  { engine, identity, model, project }: FactsInput,
  containers: Container[],
): Promise<Record<string, NetworkFacts>> {
  const own = new Set(containers.map(({ id }) => id));
  const defined = definedBy(model?.networks, project.name);
  const names = [...defined].flatMap(([name, definition]) => (isExternal(definition) ? [] : [name]));
  const found = await Promise.all(
    names.toSorted().map(async (name) => {
      const network = await engine.network(name);
      if (!network) return [];
      const others = await Promise.all(
        network.members.filter((id) => !own.has(id)).map((id) => engine.container(id)),
      );
      const set = defined.get(name);
      const settings =
        identity.kind === 'podman' ? withAskedGateways(network.settings, set ?? {}) : network.settings;
      const facts = networkFacts(settings, set);
      const memberships = others.flatMap((other) => {
        if (!other) return [];
        const membership = parseMembership(other.settings[`network.${name}`] ?? {});
        // Podman does not tell whether it was asked for.
        const ipv4 = identity.kind === 'podman' ? other.addresses[name] : membership.ipv4;
        return [[other.name, { ...membership, ...(ipv4 !== undefined && { ipv4 }) }] as const];
      });
      return [[name, { facts, others: Object.fromEntries(memberships) }] as const];
    }),
  );
  return Object.fromEntries(found.flat());
}

/** Networks of others, who may change them: external ones of the model, and those that somebody connected by hand. */
async function readExternalNetworks(
  { engine, model, project }: FactsInput,
  containers: Container[],
): Promise<ProjectFacts['external_networks']> {
  const defined = definedBy(model?.networks, project.name);
  const connected = containers.flatMap(({ settings }) =>
    Object.keys(settings).flatMap((key) => (key.startsWith('network.') ? (splitKey(key)[1] ?? []) : [])),
  );
  const names = [...new Set([...defined.keys(), ...connected])].filter((name) => {
    const definition = defined.get(name);
    return definition === undefined || isExternal(definition);
  });
  const found = await Promise.all(
    names.toSorted().map(async (name) => {
      const network = await engine.network(name);
      return network ? [[name, networkFacts(network.settings, undefined)] as const] : [];
    }),
  );
  return Object.fromEntries(found.flat());
}

const isExternal = ({ external }: Fields) => external !== undefined && external !== false;

/** No hash tells whether a network is what the files say, so nothing is taken for a default that need not be one. */
function networkFacts(settings: Settings, set: Fields | undefined): Facts {
  const facts = toFacts(NETWORK_FACTS, settings, { set, isTrusted: false, daemon: { driver: 'bridge' } });
  const { subnets } = facts;
  // To those that it chooses the engine adds a gateway (measured, Docker 20.10 and 28.5).
  const isDeclared = Array.isArray(subnets?.value) && subnets.value.some((one) => !hasGateway(one));
  return subnets && isDeclared ? { ...facts, subnets: { ...subnets, origin: 'set' } } : facts;
}

const hasGateway = (subnet: Json) =>
  typeof subnet === 'object' && subnet !== null && !Array.isArray(subnet) && subnet['gateway'] !== undefined;

async function readVolumes(
  { engine, model, project }: FactsInput,
  containers: Container[],
): Promise<Record<string, Facts>> {
  const defined = definedBy(model?.volumes, project.name);
  const mounted = containers.flatMap(({ mounts }) => mounts.flatMap(({ name }) => name ?? []));
  const names = [...new Set([...defined.keys(), ...mounted])].filter((name) => !isAnonymous(name));
  const found = await Promise.all(
    names.toSorted().map(async (name) => {
      const volume = await engine.volume(name);
      if (!volume) return [];
      return [
        [name, toFacts(VOLUME_FACTS, volume.settings, { set: defined.get(name), isTrusted: true })] as const,
      ];
    }),
  );
  return Object.fromEntries(found.flat());
}

type Fields = Record<string, unknown>;

/** By the names that the engine knows them by. */
function definedBy(resources: ComposeModel['networks'] | undefined, project: string): Map<string, Fields> {
  return new Map(
    Object.entries(resources ?? {}).map(([key, resource]) => [
      resource?.name ?? `${project}_${key}`,
      { ...resource },
    ]),
  );
}

interface Known {
  /** The resolved definition; undefined when there is none. */
  set: Fields | undefined;
  /** Was it made by that definition? */
  isTrusted: boolean;
  image?: Settings;
  /** Defaults of the engine, as far as it tells them. */
  daemon?: Settings;
}

function toFacts(table: Readonly<Record<string, FactRule>>, settings: Settings, known: Known): Facts {
  const facts: Facts = {};
  for (const [key, value] of Object.entries(settings)) {
    const rule = ruleOf(table, key);
    if (rule) facts[key] = { value, origin: originOf(rule, key, value, known) };
  }
  return facts;
}

function originOf(
  { otherwise, setBy, updatable }: FactRule,
  key: string,
  value: Json,
  { set, isTrusted, image = {}, daemon = {} }: Known,
): Origin {
  const isSet = () => setBy.some((path) => isDefined(set, path, splitKey(key)[1]));
  switch (otherwise) {
    case 'none':
      return 'set';
    case 'image':
      return isEqual(image[key], value) ? 'image' : 'set';
    case 'daemon':
      if (isSet()) return 'set';
      return (isTrusted && !updatable) || isEqual(daemon[key], value) ? 'daemon' : 'set';
    case 'generated':
      return isSet() ? 'set' : 'generated';
  }
}

/** Does the definition say something at `path`, or at the key `rest` below it? */
function isDefined(definition: unknown, path: string, rest: string | undefined): boolean {
  let value = definition;
  for (const name of [...path.split('.'), ...(rest === undefined ? [] : [rest])]) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false;
    value = Object.entries(value).find(([key]) => key === name)?.[1];
  }
  return value !== undefined && value !== null;
}

function isEqual(one: Json | undefined, other: Json): boolean {
  return one !== undefined && canonicalText(one) === canonicalText(other);
}

const text = (value: Json | undefined) => (typeof value === 'string' ? value : '');
