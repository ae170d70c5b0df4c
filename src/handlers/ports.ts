import type { Container, EngineIdentity } from '../model/engine.js';
import type { HandlerContext } from './handler.js';

/** A TCP address as seen from this machine. */
export interface Endpoint {
  host: string;
  port: number;
}

/**
 * The container port a handler talks to: configured, else from the compose model, else what the container publishes or exposes.
 * Where several are known, `usual` (the port this kind of service has by custom) is preferred; it is the answer when none is.
 */
export function portOf(context: HandlerContext, container: Container, usual?: number): number | undefined {
  if (context.config.port !== undefined) return context.config.port;
  const known = [publishedPorts(context, container), exposedPorts(context, container)];
  const ports = known.find((group) => group.length > 0) ?? [];
  return usual !== undefined && (ports.length === 0 || ports.includes(usual)) ? usual : ports[0];
}

/** TCP ports that are meant to be reached from outside the project. */
export function publishedPorts(context: HandlerContext, container: Container): number[] {
  const fromModel = (context.model?.ports ?? []).filter((port) => port.protocol === 'tcp');
  if (fromModel.length > 0) return fromModel.map((port) => port.target);
  return [...new Set(container.ports.filter(isTcp).map((port) => port.containerPort))];
}

/** TCP ports that the model or the image merely names; nothing says that they are in use. */
export function exposedPorts(context: HandlerContext, container: Container): number[] {
  const fromModel = (context.model?.expose ?? []).flatMap(parseExposed);
  return fromModel.length > 0 ? fromModel : container.exposed.flatMap(parseExposed);
}

/** `6379`, `6379/tcp`; ranges are left out: which of its ports is used is not known. */
function parseExposed(text: string): number[] {
  const match = /^(\d+)(?:\/tcp)?$/.exec(text);
  return match ? [Number(match[1])] : [];
}

/** Where a port of the container can be reached from here: published addresses first, then its own; empty when nowhere. */
export async function endpoints(
  context: HandlerContext,
  container: Container,
  port: number,
): Promise<Endpoint[]> {
  const owner = await networkOwner(context, container);
  const loopback = context.local ? '127.0.0.1' : engineAddress(await context.engine.identity());
  if (owner.networkMode === 'host') return loopback === undefined ? [] : [{ host: loopback, port }];
  const published = owner.ports
    .filter((candidate) => isTcp(candidate) && candidate.containerPort === port)
    .flatMap(({ hostIp, hostPort }) => {
      const host = publishedHost(hostIp, loopback);
      return host === undefined ? [] : [{ host, port: hostPort }];
    });
  return [...published, ...ownEndpoints(context, owner, port)];
}

/** The container's own addresses, where a connection is proof that the container itself listens. */
export function ownEndpoints(context: HandlerContext, owner: Container, port: number): Endpoint[] {
  if (!context.local) return [];
  if (owner.networkMode === 'host') return [{ host: '127.0.0.1', port }];
  const addresses = Object.values(owner.addresses).filter((address) => address !== '');
  return addresses.map((host) => ({ host, port }));
}

/** The container whose network this one uses: another one's with `network_mode: service:…`, else its own. */
export async function networkOwner(context: HandlerContext, container: Container): Promise<Container> {
  const [, id] = /^container:(.+)$/.exec(container.networkMode) ?? [];
  return (id === undefined ? undefined : await context.engine.container(id)) ?? container;
}

/** How the engine's machine is reached from here; undefined when its host does not say. */
export function engineAddress(identity: Pick<EngineIdentity, 'local' | 'host'>): string | undefined {
  if (identity.local) return '127.0.0.1';
  const [, host] = /^(?:tcp|https?|ssh):\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+)/.exec(identity.host) ?? [];
  return host?.replace(/^\[|\]$/g, '');
}

function publishedHost(hostIp: string, loopback: string | undefined): string | undefined {
  const here = loopback === '127.0.0.1';
  if (hostIp === '' || hostIp === '0.0.0.0') return loopback;
  if (hostIp === '::') return here ? '::1' : loopback;
  const onlyThere = hostIp.startsWith('127.') || hostIp === '::1';
  return onlyThere && !here ? undefined : hostIp;
}

function isTcp(port: { protocol: string }): boolean {
  return port.protocol === 'tcp';
}
