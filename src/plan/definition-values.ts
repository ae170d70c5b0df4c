import type { ComposeModel } from '../model/compose.js';
import { type Json, OWN_NAME, parseMembership } from '../model/facts.js';

/** Values of facts as a compose file has them. Pure. */

export type Fields = Record<string, unknown>;

/** The provider gives the name of the container and of its service as aliases by itself. */
export function membership(value: unknown, service: string): Fields | null {
  const { aliases, ipv4, ipv6, mac, link_local, driver_options, gw_priority } = parseMembership(value);
  return dropUnset({
    aliases: optionalList(aliases.filter((alias) => alias !== OWN_NAME && alias !== service)),
    ipv4_address: ipv4,
    ipv6_address: ipv6,
    mac_address: mac,
    link_local_ips: link_local,
    driver_opts: driver_options,
    gw_priority,
  });
}

/** `80/tcp` with `127.0.0.1:8080`. */
export function ports(port: string, hosts: Json): Fields[] {
  const [target = '', protocol = 'tcp'] = port.split('/');
  const list = Array.isArray(hosts) ? hosts : [];
  return list.map((host) => {
    const at = text(host).lastIndexOf(':');
    const [ip, published] = [text(host).slice(0, at), text(host).slice(at + 1)];
    return dropUnset({
      target: Number(target),
      protocol,
      published: published || undefined,
      host_ip: ip || undefined,
      mode: 'ingress',
    });
  });
}

export function healthcheck(value: Json | undefined): Fields | undefined {
  if (value === undefined) return undefined;
  const check = fields(value);
  const test = check['Test'];
  if (Array.isArray(test) && test[0] === 'NONE') return { disable: true };
  return dropUnset({
    test,
    interval: nanoseconds(check['Interval']),
    timeout: nanoseconds(check['Timeout']),
    start_period: nanoseconds(check['StartPeriod']),
    start_interval: nanoseconds(check['StartInterval']),
    retries: check['Retries'],
  });
}

export const nanoseconds = (value: unknown) => (typeof value === 'number' ? `${value}ns` : undefined);
export const microseconds = (value: unknown) => (typeof value === 'number' ? `${value}us` : undefined);
export const seconds = (value: unknown) => (typeof value === 'number' ? `${value}s` : undefined);
/** -1 stands for no limit, and is a number only. */
export const bytes = (value: unknown) => {
  if (typeof value !== 'number') return undefined;
  return value < 0 ? value : String(value);
};

/** `[{ Path, Weight }]` and `[{ Path, Rate }]` of the engine. */
export function devicesOf(value: unknown): Fields[] {
  return (Array.isArray(value) ? value : []).map((one) => {
    const { Path: path, Weight: weight, Rate: rate } = fields(one);
    return dropUnset({ path, weight, rate });
  });
}

export function absolute(directory: string, source: string): string {
  if (source === '.') return directory;
  return source.startsWith('./') ? `${directory}/${source.slice(2)}` : source;
}

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export function dropUnset(value: Fields): Fields {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));
}

export const optional = <T extends object>(value: T) => (Object.keys(value).length === 0 ? undefined : value);
export const number = (value: unknown): Json =>
  value === undefined || Number(value) === 0 ? null : Number(value);
export const text = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

const optionalList = (values: string[]) => (values.length === 0 ? undefined : values);

/** The key of a model's network or volume that the engine knows by this name. */
export function keyOf(
  resources: ComposeModel['networks'],
  name: string,
  project: string,
): string | undefined {
  return Object.keys(resources).find((key) => (resources[key]?.name ?? `${project}_${key}`) === name);
}
