import type { ComposeModel } from '../../model/compose.js';
import { isGiven, listOf, recordOf, textOf, textsOf } from '../values.js';
import { pairs } from './mounts.js';
import { containerOf, type Part } from './part.js';
import { line, literal, named, option, podmanArg, remark, word, type Piece } from './text.js';

/** What a container is reached by, and the networks of a project as units. */

export function networks(value: unknown, part: Part): Piece[] {
  return Object.entries(recordOf(value)).flatMap(([key, settings]) => attached(key, settings, part));
}

const ADDRESSES = { ipv4_address: 'ip', ipv6_address: 'ip6', mac_address: 'mac' } as const;

/** Under the service's name, as compose does; the container's own name is known there anyway. */
function attached(key: string, value: unknown, { name, project, model }: Part): Piece[] {
  const { aliases, ...settings } = recordOf(value);
  const addresses = Object.entries(ADDRESSES).flatMap(([from, to]) => {
    const address = textOf(settings[from]);
    return address === undefined ? [] : [`${to}=${named(address)}`];
  });
  const others = Object.keys(settings).filter((one) => isGiven(settings[one]) && !(one in ADDRESSES));
  const options = [...new Set([name, ...textsOf(aliases)])].map((alias) => `alias=${named(alias)}`);
  const external = isGiven(model.networks[key]?.external);
  const network = external ? nameOf(model, key, project) : named(`${project}-${key}.network`);
  return [
    line('Container', 'Network', `${network}:${[...options, ...addresses].join(',')}`),
    ...others.map((one) => remark(`${one} in the network ${key} has no counterpart`)),
  ];
}

function nameOf({ networks: all }: ComposeModel, key: string, project: string): string {
  return named(all[key]?.name ?? `${project}_${key}`);
}

export function networkMode(_: unknown, { service: { network_mode: mode = '' }, ...part }: Part): Piece[] {
  const other = /^service:(.+)$/.exec(mode)?.[1];
  const network = other === undefined ? mode : `container:${containerOf(part, other)}`;
  return [line('Container', 'Network', named(network))];
}

export function ports(_: unknown, { service }: Part): Piece[] {
  return service.ports.map(({ host_ip, published, target, protocol }) => {
    const host = host_ip?.includes(':') ? `[${host_ip}]` : host_ip;
    const start = host === undefined ? [] : [host];
    const places = published === undefined && host === undefined ? [] : [...start, published ?? ''];
    return option('PublishPort', 'publish', `${[...places, target].join(':')}/${protocol}`);
  });
}

/** `name=address`, or `name:address`. */
export function extraHosts(value: unknown): Piece[] {
  return textsOf(value).map((host) => podmanArg('add-host', host.replace(/[=:]/, ':')));
}

const DRIVERS = ['bridge', 'macvlan', 'ipvlan'];

/** Named as compose named it. */
export function networkUnit(key: string, model: ComposeModel, project: string): Piece[] {
  const {
    driver,
    driver_opts,
    ipam,
    internal,
    enable_ipv6,
    labels,
    name: _,
    ...rest
  } = recordOf(model.networks[key]);
  const known = isGiven(driver) && DRIVERS.includes(String(driver));
  return [
    line('Network', 'NetworkName', nameOf(model, key, project)),
    ...(known ? [line('Network', 'Driver', String(driver))] : []),
    ...(isGiven(driver) && !known ? [remark(`its driver ${String(driver)} is none of Podman's`)] : []),
    ...(internal === true ? [line('Network', 'Internal', 'true')] : []),
    ...(enable_ipv6 === true ? [line('Network', 'IPv6', 'true')] : []),
    ...addressing(recordOf(ipam)),
    ...pairs(driver_opts).map(driverOption),
    ...pairs(labels).map((pair) => line('Network', 'Label', word(pair))),
    ...Object.keys(rest)
      .filter((one) => isGiven(rest[one]))
      .map((one) => remark(`${one} of the network has no counterpart`)),
  ];
}

/** Podman makes no network with an option that it does not know. */
function driverOption(pair: string): Piece {
  const [name = ''] = pair.split('=');
  if (['mtu', 'vlan', 'isolate', 'parent', 'mode', 'metric'].includes(name))
    return line('Network', 'Options', word(pair));
  return remark(`driver option ${name} is none of Podman's`);
}

const POOL = { subnet: 'Subnet', gateway: 'Gateway', ip_range: 'IPRange' } as const;

function addressing({ driver, config, ...rest }: Record<string, unknown>): Piece[] {
  const strange = [
    ...(isGiven(driver) && driver !== 'default' ? ['driver'] : []),
    ...Object.keys(rest).filter((key) => isGiven(rest[key])),
    ...listOf(config).flatMap((pool) => Object.keys(recordOf(pool)).filter((key) => !(key in POOL))),
  ];
  const pools = listOf(config).flatMap((pool) =>
    Object.entries(POOL).flatMap(([key, name]) => {
      const value = textOf(recordOf(pool)[key]);
      return value === undefined ? [] : [line('Network', name, literal(named(value)))];
    }),
  );
  return [...pools, ...strange.map((key) => remark(`${key} of its addresses has no counterpart`))];
}
