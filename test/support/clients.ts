import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Clients that keep asking while something else happens, and count what they lost. */

/** One request; throws when it is lost. */
export type Ask = () => Promise<void>;

const INTERVAL = 10;
/** Milliseconds after which a request counts as lost. */
const LATE = 2000;

export interface Tally {
  requests: number;
  /** What went wrong, one line a lost request. */
  lost: string[];
}

/** Asks every 10 ms until `stop`. */
export class Poller {
  readonly #tally: Tally = { requests: 0, lost: [] };
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(ask: Ask) {
    this.#running = this.#poll(ask);
  }

  async #poll(ask: Ask): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const next = sleep(INTERVAL);
      this.#tally.requests += 1;
      try {
        await ask();
      } catch (error) {
        this.#tally.lost.push(`request ${this.#tally.requests}: ${String(error)}`);
      }
      await next;
    }
  }

  async stop(): Promise<Tally> {
    this.#stopping.abort();
    await this.#running;
    return this.#tally;
  }
}

/** GET, over connections that are kept as long as the server keeps them; anything but 200 is lost. */
export function overHttp(url: string): Ask {
  return async () => {
    const response = await fetch(url, { signal: AbortSignal.timeout(LATE) });
    await response.text();
    if (response.status !== 200) throw new Error(`status ${response.status}`);
  };
}

/** Redis' PING over a connection of its own each time. */
export function overRedis(port: number): Ask {
  return async () => {
    const socket = connect(port, '127.0.0.1');
    try {
      await ping(socket);
    } finally {
      socket.destroy();
    }
  };
}

/** Redis' PING over one connection that is kept; once it is closed, everything is lost until `close`. */
export function overKeptRedis(port: number): { ask: Ask; close: () => void } {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined); // `ping` tells
  return { ask: async () => await ping(socket), close: () => socket.destroy() };
}

async function ping(socket: Socket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => settle(new Error('no answer in time')), LATE);
    const onData = (data: Buffer) =>
      settle(
        data.toString() === '+PONG\r\n' ? undefined : new Error(`answered ${JSON.stringify(String(data))}`),
      );
    const onClose = () => settle(new Error('the connection was closed'));
    const settle = (error?: Error) => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onClose).off('error', settle);
      if (error) reject(error);
      else resolve();
    };
    socket.on('data', onData).on('close', onClose).on('error', settle);
    if (socket.destroyed) onClose();
    else socket.write('PING\r\n');
  });
}
