import { canonicalText } from '../model/canonical.js';
import type { ComposeModel, ComposeService } from '../model/compose.js';
import { CONTAINER_FACTS, type Facts, type Json, type Membership, ruleOf, splitKey } from '../model/facts.js';
import type { Replacement } from '../model/plan.js';
import { expectedResources } from './by-hand.js';
import { fields, type Fields, text } from './definition-values.js';
import { withoutOwnName } from './facts.js';
import { connectionsByHand, expectedNetworks } from './networks.js';
import { definitionFromFacts } from './override.js';

/** Which settings of a container its compose files give otherwise: why the next plain `up` replaces it. Pure. */

/** The resolved files of a project. */
export interface Files {
  model: ComposeModel;
  project: string;
  directory: string;
}

/** Kinds of facts that are compared one by one; the others as the key of a compose file that they come from. */
const COMPARED_APART: ReadonlySet<string> = new Set([
  'image',
  'container_name',
  'environment',
  'labels',
  'expose',
  'volumes',
  'tmpfs',
  'configs',
  'secrets',
  'networks',
  'network_mode',
  'external_links',
  'links',
  'ports',
  'mac_address',
  // Only Windows has them.
  'cpu_count',
  'cpu_percent',
  // They are in no hash of compose, or stand for other keys.
  'attach',
  'build',
  'depends_on',
  'deploy',
  'develop',
  'env_file',
  'label_file',
  'platform',
  'post_start',
  'pre_stop',
  'profiles',
  'pull_policy',
  'scale',
]);

/** Where the files name none of these, the daemon may have given it. */
const GIVEN_BY_DAEMONS: ReadonlySet<string> = new Set([
  'cgroup',
  'cgroup_parent',
  'isolation',
  'runtime',
  // `label=disable` for a container with the process namespace of the machine (measured, 28.5.2).
  'security_opt',
]);

/**
 * The settings in which the files differ from a container, sorted by key.
 *
 * @param image the reference that the container was made with
 */
export function findReplacements(
  service: string,
  facts: Facts,
  image: string | undefined,
  files: Files,
): Replacement[] {
  const definition = files.model.services[service];
  if (!definition) return [];
  const found = [
    ...imageChange(definition, image),
    ...groupChanges('environment', facts, definition.environment),
    ...groupChanges('label', facts, definition.labels),
    ...resourceChanges(facts, definition),
    ...mountChanges(service, facts, files),
    ...portChanges(facts, definition),
    ...networkChanges(service, facts, files),
    ...otherChanges(service, facts, files),
  ];
  return [...new Map(found.map((one) => [one.key, one])).values()].toSorted((a, b) =>
    a.key < b.key ? -1 : 1,
  );
}

function replacement(key: string, has: unknown, wanted: unknown, isSecret: boolean): Replacement {
  const change = isSecret ? 'differs' : `is ${show(has)}, the files say ${show(wanted)}`;
  return { key, change };
}

function show(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'not set';
  return typeof value === 'object' ? canonicalText(value) : text(value) || canonicalText(value);
}

function imageChange({ image: wanted }: ComposeService, image: string | undefined): Replacement[] {
  // The name of an image that is only built comes from the provider.
  if (wanted === undefined || image === undefined || wanted === image) return [];
  return [replacement('image', image, wanted, false)];
}

/** Environment and labels: what the image gives by itself is no difference. */
function groupChanges(
  kind: 'environment' | 'label',
  facts: Facts,
  defined: Record<string, string | null>,
): Replacement[] {
  const own = Object.entries(facts).flatMap(([key, fact]) => {
    const [first, name] = splitKey(key);
    return first === kind && name !== undefined ? [[name, fact] as const] : [];
  });
  const given = own.filter(([name, { origin }]) => origin === 'set' || Object.hasOwn(defined, name));
  const has = new Map<string, Json>(given.map(([name, { value }]) => [name, value === '\0' ? null : value]));
  const names = [...new Set([...has.keys(), ...Object.keys(defined)])];
  const key = kind === 'label' ? 'labels' : kind;
  return names
    .filter((name) => (has.get(name) ?? null) !== (defined[name] ?? null))
    .map((name) => replacement(`${key}.${name}`, has.get(name), defined[name], true));
}

function resourceChanges(facts: Facts, definition: ComposeService): Replacement[] {
  return Object.entries(expectedResources(definition)).flatMap(([key, wanted]) => {
    const has = facts[key]?.origin === 'set' ? facts[key].value : null;
    return canonicalText(has) === canonicalText(wanted) ? [] : [replacement(key, has, wanted, false)];
  });
}

interface MountDefinition {
  type: string;
  source: string;
  readOnly: boolean;
}

function mountChanges(service: string, facts: Facts, files: Files): Replacement[] {
  const { model, project, directory } = files;
  const definition = model.services[service];
  const made = definitionFromFacts(service, facts, files);
  const nameOf = (key: string) => model.volumes[key]?.name ?? `${project}_${key}`;
  const read = ({ type, source = '', read_only: readOnly = false }: ComposeService['volumes'][number]) => ({
    type,
    source:
      type === 'volume' && source !== '' && Object.hasOwn(model.volumes, source) ? nameOf(source) : source,
    readOnly,
  });
  const wanted = new Map<string, MountDefinition>();
  for (const volume of definition?.volumes ?? []) wanted.set(volume.target, read(volume));
  for (const kind of ['configs', 'secrets'] as const) {
    const folder = kind === 'configs' ? '/' : '/run/secrets/';
    for (const { source, target = source } of definition?.[kind] ?? []) {
      const file = model[kind][source]?.file;
      const place = target.startsWith('/') ? target : folder + target;
      if (file !== undefined) wanted.set(place, { type: 'bind', source: file, readOnly: true });
    }
  }
  // Other keys cover `volumes_from` and tmpfs.
  const inherits = definition?.['volumes_from'] !== undefined;
  const has = new Map(made.volumes.map((volume) => [volume.target, read(volume)]));
  const targets = [...new Set([...has.keys(), ...wanted.keys()])];
  return targets.flatMap((target) => {
    const [is, says] = [has.get(target), wanted.get(target)];
    const comesWithImage = !says && facts[`mount.${target}`]?.origin === 'image';
    const isUnnamed = says?.type === 'volume' && says.source === '' && is?.type === 'volume';
    if (comesWithImage || isUnnamed || (inherits && !says) || canonicalText(is) === canonicalText(says))
      return [];
    return [
      replacement(`volumes.${target}`, describeMount(is, directory), describeMount(says, directory), false),
    ];
  });
}

function describeMount(mount: MountDefinition | undefined, directory: string): string | undefined {
  if (!mount) return undefined;
  const source = mount.source.startsWith(`${directory}/`)
    ? `.${mount.source.slice(directory.length)}`
    : mount.source;
  return `${source || mount.type}${mount.readOnly ? ':ro' : ''}`;
}

function portChanges(facts: Facts, { ports }: ComposeService): Replacement[] {
  const wanted = new Map<string, string[]>();
  for (const { target, protocol, host_ip: ip = '', published = '' } of ports) {
    const key = `${target}/${protocol}`;
    wanted.set(key, [...(wanted.get(key) ?? []), `${ip}:${published}`]);
  }
  const has = new Map(
    Object.entries(facts).flatMap(([key, { value }]) => {
      const [kind, port] = splitKey(key);
      return kind === 'port' && port !== undefined && Array.isArray(value)
        ? [[port, value.map(text)] as const]
        : [];
    }),
  );
  return [...new Set([...has.keys(), ...wanted.keys()])].flatMap((port) => {
    const [is, says] = [has.get(port)?.toSorted(), wanted.get(port)?.toSorted()];
    if (canonicalText(is) === canonicalText(says)) return [];
    return [replacement(`ports.${port}`, is?.join(', '), says?.join(', '), false)];
  });
}

function networkChanges(service: string, facts: Facts, { model, project }: Files): Replacement[] {
  const mode = model.services[service]?.network_mode;
  const has = text(facts['network_mode']?.value);
  const isShared = (value: string | undefined) => value !== undefined && value !== '' && value !== 'default';
  if (isShared(mode) || isShared(has)) {
    return (mode ?? '') === has ? [] : [replacement('network_mode', has, mode, false)];
  }
  const expected = expectedNetworks(model, project, service);
  return connectionsByHand(facts, expected, []).flatMap(([network, membership]) => {
    // A hardware address may stand in the service itself, or come from the engine.
    const isSame = canonicalText(withoutMac(membership)) === canonicalText(withoutMac(expected.get(network)));
    return isSame ? [] : [{ key: `networks.${network}`, change: 'differs' }];
  });
}

function withoutMac(membership: Membership | undefined): unknown {
  const { mac: _mac, ...rest } = membership ?? {};
  return membership && withoutOwnName({ aliases: [], ...rest });
}

/** Everything that facts and files name by the same key. */
function otherChanges(service: string, facts: Facts, files: Files): Replacement[] {
  const known = files.model.services[service];
  const definition: Fields = { ...known };
  const made: Fields = { ...definitionFromFacts(service, withDefinedOrigins(facts, definition), files) };
  const resources = new Set(
    Object.keys(known ? expectedResources(known) : {}).map((key) => splitKey(key)[0]),
  );
  const keys = [...new Set([...Object.keys(made), ...Object.keys(definition)])].filter(
    (key) =>
      !COMPARED_APART.has(key) && !resources.has(key) && key !== 'blkio_config' && !key.startsWith('x-'),
  );
  return keys.flatMap((key) => {
    const [is, says] = [normalise(made[key]), normalise(definition[key])];
    if (canonicalText(is ?? null) === canonicalText(says ?? null)) return [];
    if (says === undefined && GIVEN_BY_DAEMONS.has(key)) return [];
    const isSecret = key === 'logging' || ruleOf(CONTAINER_FACTS, key)?.secret === true;
    return [replacement(key, made[key], definition[key], isSecret)];
  });
}

/** A value that the files name counts, also where image or engine would give the same. */
function withDefinedOrigins(facts: Facts, definition: Fields): Facts {
  const isNamed = (key: string) =>
    (ruleOf(CONTAINER_FACTS, key)?.setBy ?? []).some((path) => {
      const value = definition[splitKey(path)[0]];
      return value !== undefined && value !== null;
    });
  return Object.fromEntries(
    Object.entries(facts).map(([key, fact]) => [
      key,
      isNamed(key) ? { ...fact, origin: 'set' as const } : fact,
    ]),
  );
}

/** Compose prints times and numbers in several forms; what is off is not set. */
function normalise(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.length === 0
      ? undefined
      : value.map((one) => canonicalText(normalise(one) ?? null)).toSorted();
  }
  if (typeof value === 'object' && value !== null) {
    const set = Object.entries(value)
      .map(([key, one]) => [key, normalise(one)] as const)
      .filter(([, one]) => one !== undefined);
    return set.length === 0 ? undefined : Object.fromEntries(set);
  }
  if (value === undefined || value === null || value === false || value === '') return undefined;
  if (typeof value === 'string') return nanosecondsOf(value) ?? value;
  return typeof value === 'number' ? String(value) : value;
}

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** `1m30s` and `90s` alike; undefined for what is no time. */
function nanosecondsOf(value: string): string | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+$/.test(value)) return undefined;
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g)];
  return `${parts.reduce((sum, [, count, unit = 's']) => sum + Number(count) * (UNITS[unit] ?? 0), 0)}ns`;
}

/** Keys in which two resolved definitions differ, sorted. */
export function definitionChanges(one: ComposeService, other: ComposeService): Replacement[] {
  const [a, b]: Fields[] = [{ ...one }, { ...other }];
  const keys = [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])].toSorted();
  return keys.flatMap((key) => {
    const [was, is] = [a?.[key], b?.[key]];
    if (canonicalText(normalise(was) ?? null) === canonicalText(normalise(is) ?? null)) return [];
    if (key !== 'environment' && key !== 'labels') return [{ key, change: 'differs' }];
    const [before, after] = [fields(was), fields(is)];
    return [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .filter((name) => before[name] !== after[name])
      .toSorted()
      .map((name) => ({ key: `${key}.${name}`, change: 'differs' }));
  });
}
