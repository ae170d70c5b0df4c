import type { Container } from '../model/engine.js';
import { inconclusive, pass } from '../model/verdict.js';
import { execIn } from './exec.js';
import type { HandlerContext } from './handler.js';
import { readOfProcess } from './host.js';
import { tryConnect } from './network.js';
import { networkOwner, ownEndpoints } from './ports.js';
import { waiting, type Attempt } from './waiting.js';

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
const LISTEN = '0A';

/**
 * Does the container itself listen on this port? A connection to a published port is never taken as proof: docker-proxy accepts
 * with nothing behind it. So: the container's own address, else its table of sockets.
 */
export async function listens(
  context: HandlerContext,
  container: Container,
  port: number,
  timeout: number,
): Promise<Attempt> {
  const owner = await networkOwner(context, container);
  const silent = waiting(`nothing listens on port ${port}`);
  const places = ownEndpoints(context, owner, port);
  const tries = await Promise.all(places.map((place) => tryConnect(place, timeout, context.signal)));
  if (tries.includes('open')) return pass(`listens on port ${port}`);
  if (tries.includes('refused')) return silent;

  const table = await socketTable(context, container, timeout);
  if (table === undefined) {
    return inconclusive(
      `port ${port} cannot be reached from this machine, and the container has no "cat" to look inside`,
    );
  }
  const shared = container.networkMode === 'host' || owner !== container;
  const listening = listeningPorts(table, { loopback: shared }).has(port);
  return listening ? pass(`listens on port ${port}`) : silent;
}

/** The container's IPv4 and IPv6 sockets as the kernel lists them; undefined when there is no way to read them. */
async function socketTable(
  context: HandlerContext,
  container: Container,
  timeout: number,
): Promise<string | undefined> {
  const texts = await Promise.all(
    TABLES.map((path) => readOfProcess(context, container, path.replace('/proc/', ''))),
  );
  if (texts[0] !== undefined) return texts.map(String).join('\n');
  const outcome = await execIn(context, container, ['cat', ...TABLES], { timeout });
  // Without IPv6 the second table is not there, and cat fails after having printed the first.
  return outcome.kind === 'ended' && outcome.stdout.includes('local_address') ? outcome.stdout : undefined;
}

/** Ports in state LISTEN. Those bound to loopback count only where the network is shared: nobody else gets to them. */
export function listeningPorts(table: string, { loopback }: { loopback: boolean }): Set<number> {
  const ports = new Set<number>();
  for (const line of table.split('\n')) {
    const [, local, , state] = line.trim().split(/\s+/);
    const [address, port] = local?.split(':') ?? [];
    if (state !== LISTEN || address === undefined || port === undefined) continue;
    if (loopback || !isLoopback(address)) ports.add(Number.parseInt(port, 16));
  }
  return ports;
}

/** Addresses are in hexadecimal, each 32-bit word in the machine's byte order; 127.0.0.0/8, ::1, ::ffff:127.0.0.0/8. */
function isLoopback(address: string): boolean {
  return /^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$/.test(address);
}
