import { canonicalText } from '../model/canonical.js';
import type { ComposeModel } from '../model/compose.js';
import { type Facts, type Membership, parseMembership } from '../model/facts.js';
import type { Findings, Operation, Remark } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import type { Decisions } from './decision.js';
import { fields, membership as definedMembership } from './definition-values.js';
import { compareNetwork, type FactDifference, withoutOwnName } from './facts.js';
import type { Target } from './target.js';

/** Networks are planned like services: one whose settings differ is made anew. Pure. */

export interface NetworkChange {
  network: string;
  differences: FactDifference[];
  /** Services of this project that are connected now. */
  services: string[];
  /** How containers of others are connected, by name. */
  others: Record<string, Membership>;
}

/** Networks that are there and are not as the point recorded them. */
export function networkChanges({ facts: present, services }: Observation, target: Target): NetworkChange[] {
  const { facts: recorded } = target;
  if (!recorded) return [];
  return Object.keys(recorded.networks).flatMap((network) => {
    const { differences } = compareNetwork(recorded, present, network);
    if (differences.length === 0) return [];
    const connected = Object.keys(services).filter((service) =>
      (present.services[service] ?? []).some((facts) => facts[`network.${network}`] !== undefined),
    );
    return [{ network, differences, services: connected, others: present.networks[network]?.others ?? {} }];
  });
}

/** While the project's containers of these networks are stopped: they are made anew, so they need not be disconnected. */
export function removeNetworks(changes: NetworkChange[]): Operation[] {
  return changes.flatMap(({ network, services, others }): Operation[] => {
    const containers = Object.keys(others);
    const cause = 'its settings are not those of the point';
    const isConnected = services.length > 0 || containers.length > 0;
    return [
      ...(isConnected
        ? [{ kind: 'disconnect', network, containers, services, cause: `${network} is made anew` } as const]
        : []),
      { kind: 'remove-network', network, cause },
    ];
  });
}

/** Once the project's services are made: the other containers are connected as they were. */
export function reconnectOthers(
  changes: NetworkChange[],
  { facts: present }: Observation,
  target: Target,
  { disconnected }: Pick<Findings, 'disconnected'>,
): Operation[] {
  const removed = changes.flatMap(({ network, others }) => connections(network, others));
  const missing = Object.entries(disconnectedBefore(target, disconnected)).flatMap(([network, others]) => {
    const now = present.networks[network]?.others ?? {};
    const gone = Object.entries(others).filter(([name]) => now[name] === undefined);
    return connections(network, Object.fromEntries(gone));
  });
  return [...removed, ...missing];
}

/** Connections that an earlier try of the same run may have cut: all that a safety point knows, or those that the run says it cut. */
function disconnectedBefore(
  { point, facts }: Target,
  cut: Findings['disconnected'],
): Findings['disconnected'] {
  if (point.kind !== 'safety') return cut;
  const networks = Object.entries(facts?.networks ?? {});
  return Object.fromEntries(networks.map(([network, { others }]) => [network, others]));
}

function connections(network: string, others: Record<string, Membership>): Operation[] {
  return Object.entries(others).map(([container, membership]) => ({
    kind: 'connect',
    network,
    container,
    service: null,
    replica: 0,
    membership,
    cause: 'it was connected before',
  }));
}

/** Connections of made services that their definition does not give: somebody made or cut them by hand. */
export function reconnectByHand(target: Target, decisions: Decisions, lostNetworks: string[]): Operation[] {
  return [...decisions].flatMap(([service, decision]) => {
    const containers = target.facts?.services[service] ?? [];
    if (decision.action !== 'up') return [];
    const expected = (facts: Facts) =>
      decision.from === 'facts'
        ? networksOfFacts(facts, service)
        : expectedNetworks(target.model, target.point.project.name, service);
    return containers.flatMap((facts, replica) =>
      connectionsByHand(facts, expected(facts), lostNetworks).map(([network, recorded]): Operation =>
        recorded === undefined
          ? {
              kind: 'disconnect',
              network,
              containers: [],
              services: [service],
              cause: 'it was not connected',
            }
          : {
              kind: 'connect',
              network,
              container: null,
              service,
              replica,
              membership: recorded,
              cause: 'it was connected by hand',
            },
      ),
    );
  });
}

/** Undefined for a network of the definition that the container was not in. */
export function connectionsByHand(
  facts: Facts,
  expected: ReadonlyMap<string, Membership>,
  lost: string[],
): [string, Membership | undefined][] {
  // Shared namespaces have no connections of their own.
  if (facts['network_mode'] !== undefined) return [];
  const actual = membershipsIn(facts);
  const made = [...actual].filter(
    ([network, recorded]) =>
      !lost.includes(network) &&
      canonicalText(expected.get(network) ?? null) !== canonicalText(asDefined(recorded)),
  );
  const cut = [...expected.keys()].filter((network) => !actual.has(network));
  return [...made, ...cut.map((network): [string, undefined] => [network, undefined])];
}

function membershipsIn(facts: Facts): Map<string, Membership> {
  const memberships = Object.entries(facts).flatMap(([key, { value }]) =>
    key.startsWith('network.') ? [[key.slice('network.'.length), parseMembership(value)] as const] : [],
  );
  return new Map(memberships);
}

/** As compose makes them of the recorded facts: it adds the name of the service to the aliases, which a connection by hand may not have had. */
function networksOfFacts(facts: Facts, service: string): ReadonlyMap<string, Membership> {
  const entries = [...membershipsIn(facts)].map(
    ([network, recorded]) => [network, membershipOf(definedMembership(recorded, service), service)] as const,
  );
  return new Map(entries);
}

/** Links come from other keys of the definition. */
const asDefined = (membership: Membership): Membership => {
  const { links: _, ...rest } = withoutOwnName(membership);
  return rest;
};

/** By the names that the engine knows. */
export function expectedNetworks(
  model: ComposeModel | undefined,
  project: string,
  service: string,
): ReadonlyMap<string, Membership> {
  const entries = Object.entries(model ? networksOf(model, service) : {});
  return new Map(
    entries.map(([key, settings]) => {
      const name = model?.networks[key]?.name ?? `${project}_${key}`;
      return [name, membershipOf(settings, service)];
    }),
  );
}

/** Settings by key. podman-compose writes no default network into its services, and lists as they are. */
function networksOf(model: ComposeModel, name: string): Record<string, unknown> {
  const service = model.services[name];
  const networks = service?.['networks'];
  if (Array.isArray(networks)) return Object.fromEntries(networks.map((key) => [String(key), null]));
  const isInDefault = service && !networks && service.network_mode === undefined;
  return isInDefault && Object.hasOwn(model.networks, 'default') ? { default: null } : fields(networks);
}

function membershipOf(definition: unknown, service: string): Membership {
  const settings = fields(definition);
  const given = Array.isArray(settings['aliases']) ? settings['aliases'].map(String) : [];
  const aliases = [...new Set([...given, service])].toSorted();
  const drop = Object.entries({
    ipv4: settings['ipv4_address'],
    ipv6: settings['ipv6_address'],
    mac: typeof settings['mac_address'] === 'string' ? settings['mac_address'].toLowerCase() : undefined,
    link_local: settings['link_local_ips'],
    driver_options: settings['driver_opts'],
    gw_priority: settings['gw_priority'],
  }).filter(([, value]) => value !== undefined && value !== 0 && value !== null);
  return parseMembership({ aliases, ...Object.fromEntries(drop) });
}

/** What a person has to know about networks that are made anew. */
export function networkRisks(changes: NetworkChange[]): Remark[] {
  return changes.flatMap(({ network, others }) => {
    const names = Object.keys(others);
    if (names.length === 0) return [];
    return [
      {
        code: 'network-shared',
        message: `network ${network} is made anew: ${names.join(', ')} of others ${names.length > 1 ? 'are' : 'is'} disconnected meanwhile and connected again`,
        hint: null,
      },
    ];
  });
}

export function networkBlockers(changes: NetworkChange[], decisions: Decisions): Remark[] {
  return changes.flatMap(({ network, services }) => {
    const outside = services.filter((service) => !decisions.has(service));
    if (outside.length === 0) return [];
    return [
      {
        code: 'network-in-use',
        message: `network ${network} has to be made anew, and ${outside.join(', ')}, left out of this rollback, ${outside.length > 1 ? 'are' : 'is'} connected to it`,
        hint: 'leave --services out to roll the whole project back',
      },
    ];
  });
}
