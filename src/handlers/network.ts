import { connect } from 'node:net';
import type { Endpoint } from './ports.js';

const PLAIN_WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was closed without an answer',
  EPIPE: 'the connection was closed without an answer',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route there',
  ENETUNREACH: 'no route there',
  ENOTFOUND: 'its host name is unknown',
  EAI_AGAIN: 'its host name cannot be looked up',
};

/** A failed connection in plain words. Rethrows what is no failure of the network, TLS or HTTP. */
export function networkProblem(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error;
  if (error.code.startsWith('HPE_')) return 'the answer is not HTTP';
  return PLAIN_WORDS[error.code] ?? `${error.message} (${error.code})`;
}

/** `open`: somebody accepts. `refused`: nobody does. `unknown`: it cannot be told from here. */
export type Connection = 'open' | 'refused' | 'unknown';

/** Opens a TCP connection and closes it at once. */
export async function tryConnect(
  { host, port }: Endpoint,
  timeout: number,
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout });
    const end = (settle: () => void) => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      settle();
    };
    const tell = (connection: Connection) => end(() => resolve(connection));
    // By hand: Node's own `signal` option leaves a listener behind with every connection.
    const abort = () => end(() => reject(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    socket.on('connect', () => tell('open'));
    socket.on('timeout', () => tell('unknown'));
    socket.on('error', (error) => {
      tell('code' in error && error.code === 'ECONNREFUSED' ? 'refused' : 'unknown');
    });
  });
}
