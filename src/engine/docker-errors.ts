import { messageOf, RollbackError } from '../model/errors.js';
import type { Endpoint } from './endpoint.js';

/** Turns what dockerode throws into our errors. */

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'start the engine: nothing listens there',
  ENOENT: 'start the engine, or name the right socket with --host: there is no such socket',
  EACCES: 'add your user to the docker group and log in again, or use sudo',
  ENOTFOUND: 'check the host name',
  ECONNRESET: 'look whether the engine still runs: the connection broke off',
};

/** The engine's status code, when it was the engine that answered. */
export function statusOf(thrown: unknown): number | undefined {
  return thrown instanceof Error && 'statusCode' in thrown && typeof thrown.statusCode === 'number'
    ? thrown.statusCode
    : undefined;
}

/** A container is not in a state for that; Podman calls it a server error. */
export function isConflict(thrown: unknown): boolean {
  return [409, 500].includes(statusOf(thrown) ?? 0);
}

/**
 * `failed` with the engine's own words when it answered, `engine-unreachable` when it could not be reached; anything else comes back
 * as it is, since it is a mistake of ours.
 */
export function toEngineError(thrown: unknown, endpoint: Endpoint): unknown {
  if (!(thrown instanceof Error) || thrown instanceof RollbackError) return thrown;
  if (statusOf(thrown) !== undefined) {
    return new RollbackError('failed', `the engine says: ${engineWords(thrown)}`, { cause: thrown });
  }
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
  // ssh failures carry a level instead: client-timeout, client-authentication, client-socket.
  if (code === undefined && !('level' in thrown)) return thrown;
  return unreachable(endpoint, code, thrown);
}

export function unreachable(endpoint: Endpoint, code: string | undefined, cause?: unknown): RollbackError {
  const why = code === 'EACCES' ? 'permission denied' : cause === undefined ? code : messageOf(cause);
  return new RollbackError(
    'engine-unreachable',
    `no engine answers at ${endpoint.host} (${endpoint.origin}): ${why}`,
    { hint: HINTS[code ?? ''] ?? 'check that the engine runs and that the address is right', cause },
  );
}

function engineWords(error: Error): string {
  const [, words = ''] = /^\(HTTP code \d+\) .*? - (.*)$/s.exec(error.message) ?? [];
  return words.trim() || error.message.trim();
}
