import type { ComposeModel, ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import { type Json, type Settings, splitKey } from '../model/facts.js';
import { fields, keyOf, text } from '../plan/definition-values.js';

/**
 * Podman tells which ports, addresses and gateways a container or a network got, and not which of them were asked for (measured, 5.8.6): the definition
 * says that. Pure.
 */

/** What Podman's `containers.conf` has by itself (5.8.6). */
export const PODMAN_DEFAULTS: Settings = {
  pids_limit: 2048,
  ipc: 'shareable',
  shm_size: 65_536_000,
  stop_grace_period: 10,
};

export interface Definition {
  model: ComposeModel | undefined;
  project: string;
  service: string;
  /** Was the container made by this definition? */
  isTrusted: boolean;
}

/** The settings of a container, with the ports and addresses that were asked for. */
export function withAskedValues(
  settings: Settings,
  { addresses }: Pick<Container, 'addresses'>,
  { model, project, service: name, isTrusted }: Definition,
): Settings {
  const service = model?.services[name];
  if (!model || !service) return settings;
  const asked = Object.entries(settings).map(([key, value]): [string, Json] => {
    const [kind, rest = ''] = splitKey(key);
    if (kind === 'port') return [key, askedPorts(rest, value, service)];
    if (kind !== 'network') return [key, value];
    const network = fields(fields(service['networks'])[keyOf(model.networks, rest, project) ?? '']);
    return [key, withAskedAddresses(value, network, addresses[rest], isTrusted)];
  });
  return Object.fromEntries(asked);
}

/** A port that Podman chose, for none or out of a range, as it was asked for. */
function askedPorts(port: string, bindings: Json, service: ComposeService): Json {
  const published = service.ports.filter(({ target, protocol }) => `${target}/${protocol}` === port);
  const asked = (Array.isArray(bindings) ? bindings : []).map((binding) => {
    const at = text(binding).lastIndexOf(':');
    const [ip, number] = [text(binding).slice(0, at), text(binding).slice(at + 1)];
    const here = published.filter(({ host_ip: host }) => host === undefined || host === ip);
    const open = here.find(({ published: one }) => one === undefined || !/^[1-9]\d*$/.test(one));
    if (!open || here.some(({ published: one }) => one === number)) return text(binding);
    return `${ip}:${open.published === '0' ? '' : (open.published ?? '')}`;
  });
  return asked.toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
}

function withAskedAddresses(
  value: Json,
  { ipv4_address: ipv4, ipv6_address: ipv6 }: Record<string, unknown>,
  address: string | undefined,
  isTrusted: boolean,
): Json {
  const isFixed = typeof ipv4 === 'string' && (isTrusted || address === ipv4);
  return {
    ...(typeof value === 'object' && !Array.isArray(value) ? value : {}),
    ...(isFixed ? { ipv4: address ?? ipv4 } : {}),
    ...(typeof ipv6 === 'string' && isTrusted ? { ipv6 } : {}),
  };
}

/** The settings of a network, without the gateways that nobody asked for. */
export function withAskedGateways(settings: Settings, definition: Record<string, unknown>): Settings {
  const config = fields(definition['ipam'])['config'];
  const defined = Array.isArray(config) ? config.map(fields) : [];
  const { subnets } = settings;
  if (!Array.isArray(subnets)) return settings;
  const asked = subnets.map((entry): Json => {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return entry;
    const { gateway: _, ...rest } = entry;
    const own = defined.find(({ subnet }) => subnet === entry['subnet']);
    return own && own['gateway'] === undefined ? rest : entry;
  });
  return { ...settings, subnets: asked };
}
