import { isFirstAddress, isSameAddress, subnetHolds, subnetsOverlap } from '../model/addresses.js';
import { type Facts, parseMembership } from '../model/facts.js';
import type { AddressRange, Findings, Remark } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import type { Decisions } from './decision.js';
import { fields, keyOf, text } from './definition-values.js';
import { expectedNetworks, networkChanges } from './networks.js';
import type { Target } from './target.js';

/** Whether the subnets of networks that are made, and the fixed addresses of containers, will be free. Pure. */

/** A fixed address that a container is to get. */
interface Wanted {
  /** The service, or the container of others that is connected again. */
  who: string;
  service: string | undefined;
  network: string;
  address: string;
}

interface AddressedNetwork {
  driver: string;
  ranges: AddressRange[];
}

/** Names every network and every container that is in the way. */
export function addressBlockers(
  observation: Observation,
  target: Target,
  { addressing, lostNetworks }: Findings,
  decisions: Decisions,
): Remark[] {
  const removed = networkChanges(observation, target);
  const isThere = (name: string) => Object.hasOwn(addressing.networks, name);
  const wanted = [...decisions].flatMap(([service, { action }]): Wanted[] => {
    if (action === 'up')
      return recordedAddresses(target, service).filter(({ network }) => !lostNetworks.includes(network));
    const isStarted = action === 'start' || action === 'restart';
    return isStarted ? fixedAddresses(service, observation.facts.services[service] ?? []) : [];
  });
  const used = [...decisions].flatMap(([service, { action }]) =>
    action === 'up' ? networksOf(target, service) : [],
  );
  const made = new Map<string, AddressedNetwork>();
  for (const name of used) {
    if (removed.some(({ network }) => network === name) || !isThere(name))
      made.set(name, declaredNetwork(target, name));
  }
  const staying = Object.entries(addressing.networks).filter(
    ([name]) => !removed.some(({ network }) => network === name) && !made.has(name),
  );
  const networks = new Map([...Object.entries(addressing.networks), ...made]);
  return [
    ...subnetBlockers(made, staying, observation, addressing.machine),
    ...[...wanted, ...addressesOfOthers(observation, removed)].flatMap((one) => {
      const network = networks.get(one.network);
      const problem =
        (network && misfit(one, network)) ?? holder(one, observation, addressing.held, decisions);
      return problem ?? [];
    }),
  ];
}

function subnetBlockers(
  made: ReadonlyMap<string, AddressedNetwork>,
  staying: [string, AddressedNetwork][],
  { facts }: Observation,
  machine: Findings['addressing']['machine'],
): Remark[] {
  return [...made].flatMap(([name, { ranges }]) =>
    ranges.flatMap(({ subnet }): Remark[] => {
      const taken = (owner: string, other: string, hint: string) => ({
        code: 'subnet-taken',
        message: `network ${name} has to be made with ${subnet}, which overlaps ${other} of ${owner}`,
        hint,
      });
      const ofNetworks = staying.flatMap(([other, { ranges: others }]) => {
        const found = others.find((range) => subnetsOverlap(range.subnet, subnet));
        if (!found) return [];
        const isOwn = facts.networks[other] !== undefined;
        const hint = isOwn
          ? 'stop the project with docker compose down, then try again'
          : `remove that network first: docker network rm ${other}`;
        return [taken(`network ${other}`, found.subnet, hint)];
      });
      const ofMachine = machine
        .filter((range) => subnetsOverlap(range.subnet, subnet))
        .map(({ name: interfaceName, subnet: other }) =>
          taken(`${interfaceName} of this machine`, other, 'take that interface down first'),
        );
      return [...ofNetworks, ...ofMachine];
    }),
  );
}

/** An address that the network cannot give to any container. */
function misfit({ who, network, address }: Wanted, { driver, ranges }: AddressedNetwork): Remark | undefined {
  // The engine chooses the subnet, so that nobody can tell.
  if (ranges.length === 0) return undefined;
  const unusable = (why: string) => ({
    code: 'address-unusable',
    message: `${who} needs the address ${address} in network ${network}, ${why}`,
    hint: null,
  });
  const range = ranges.find(({ subnet }) => subnetHolds(subnet, address));
  if (!range) return unusable(`which has ${ranges.map(({ subnet }) => subnet).join(', ')} only`);
  const { subnet, gateway, isPartial } = range;
  const isGateway =
    gateway === null
      ? driver === 'bridge' && !isPartial && isFirstAddress(subnet, address)
      : isSameAddress(gateway, address);
  return isGateway ? unusable('where it is that of the gateway') : undefined;
}

/** Blocks when another container has the address and still has it when this one starts. */
function holder(
  { who, service, network, address }: Wanted,
  { services }: Observation,
  held: Findings['addressing']['held'],
  decisions: Decisions,
): Remark | undefined {
  const serviceOf = (id: string) =>
    Object.values(services).find(({ containers }) => containers.some((container) => container.id === id))
      ?.name;
  const found = held.find((one) => {
    if (one.network !== network || !isSameAddress(one.address, address)) return false;
    const own = serviceOf(one.container);
    // A container of others is never in the way of itself.
    if (own === undefined) return service !== undefined || one.name !== who;
    const action = decisions.get(own)?.action ?? 'keep';
    return own !== service && ['keep', 'reload', 'cannot'].includes(action);
  });
  if (!found) return undefined;
  return {
    code: 'address-taken',
    message: `${who} needs the address ${address} in network ${network}, which container ${found.name} has`,
    hint: `stop ${found.name} first, or connect it with another address`,
  };
}

/** By the facts, or by the definition where the point has none. */
function recordedAddresses(target: Target, service: string): Wanted[] {
  const recorded = target.facts?.services[service];
  if (recorded) return fixedAddresses(service, recorded);
  return [...expectedNetworks(target.model, target.point.project.name, service)].flatMap(
    ([network, { ipv4, ipv6 }]) =>
      [ipv4, ipv6].flatMap((address) =>
        address === undefined ? [] : { who: service, service, network, address },
      ),
  );
}

function fixedAddresses(service: string, containers: Facts[]): Wanted[] {
  return containers.flatMap((facts) =>
    Object.entries(facts).flatMap(([key, { value }]): Wanted[] => {
      if (!key.startsWith('network.')) return [];
      const { ipv4, ipv6 } = parseMembership(value);
      const network = key.slice('network.'.length);
      return [ipv4, ipv6].flatMap((address) =>
        address === undefined ? [] : { who: service, service, network, address },
      );
    }),
  );
}

/** Fixed addresses of containers of other projects that this rollback reconnects. Podman gives a container another address when its own is taken. */
function addressesOfOthers({ engine }: Observation, removed: ReturnType<typeof networkChanges>): Wanted[] {
  if (engine.kind === 'podman') return [];
  return removed.flatMap(({ network, others }) =>
    Object.entries(others).flatMap(([who, { ipv4, ipv6 }]) =>
      [ipv4, ipv6].flatMap((address) =>
        address === undefined ? [] : { who, service: undefined, network, address },
      ),
    ),
  );
}

function networksOf({ facts, model, point }: Target, service: string): string[] {
  const connected = (facts?.services[service] ?? []).flatMap((one) =>
    Object.keys(one).flatMap((key) => (key.startsWith('network.') ? key.slice('network.'.length) : [])),
  );
  return [...new Set([...connected, ...expectedNetworks(model, point.project.name, service).keys()])];
}

/** The driver and ranges that the network is created with. It has no ranges when the engine, or another driver, chooses them. */
function declaredNetwork({ facts, model, point }: Target, name: string): AddressedNetwork {
  const recorded = facts?.networks[name]?.facts;
  if (recorded) {
    const { subnets, ipam_driver, driver } = recorded;
    const isDeclared = subnets?.origin === 'set' && ipam_driver === undefined;
    return { driver: text(driver?.value) || 'bridge', ranges: isDeclared ? toRanges(subnets.value) : [] };
  }
  const key = model && keyOf(model.networks, name, point.project.name);
  const definition = fields(key === undefined ? undefined : model?.networks[key]);
  const ipam = fields(definition['ipam']);
  const isDefault = ['', 'default'].includes(text(ipam['driver']));
  return {
    driver: text(definition['driver']) || 'bridge',
    ranges: isDefault ? toRanges(ipam['config']) : [],
  };
}

/** Of `ipam.config` of a compose file, or of the settings of a network. */
export function toRanges(configs: unknown): AddressRange[] {
  return (Array.isArray(configs) ? configs : []).flatMap((config) => {
    const { subnet, gateway, ip_range } = fields(config);
    if (typeof subnet !== 'string') return [];
    return { subnet, gateway: text(gateway) || null, isPartial: ip_range !== undefined };
  });
}
