import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';

export type Environment = Record<string, string | undefined>;

/** Where an engine is, and how to speak to it. */
export interface Endpoint {
  /** `unix:///run/docker.sock`, `tcp://10.0.0.5:2376`, `ssh://user@host`. */
  host: string;
  /** Directory with `ca.pem`, `cert.pem` and `key.pem` for tcp with TLS; undefined means plain. */
  certPath: string | undefined;
  /** Socket of the ssh agent, for ssh. */
  sshAgent: string | undefined;
  /** Who said so, for messages: `--host`, `DOCKER_HOST`, `docker context "prod"`, `the usual place`. */
  origin: string;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The address as docker's own client reads it; a bare `host:port` is tcp. Throws `usage` for anything else. */
export function parseHost(text: string, origin: string): string {
  if (/^unix:\/\/\/./.test(text)) return text;
  const host = text.includes('://') ? text : `tcp://${text}`;
  if (/^(?:tcp|http|https|ssh):\/\/[^/]/.test(host) && URL.canParse(host)) return host;
  throw new RollbackError('usage', `${origin} is ${quoted(text)}, which is no engine address`, {
    hint: 'give unix:///path/to/docker.sock, tcp://host:port or ssh://user@host',
  });
}

/** The socket's path, for unix addresses. */
export function socketPath(host: string): string | undefined {
  return host.startsWith('unix://') ? host.slice('unix://'.length) : undefined;
}

/** True when the engine runs on this machine: its paths and addresses are ours. */
export function isLocal(host: string): boolean {
  if (socketPath(host) !== undefined) return true;
  const url = new URL(host);
  return url.protocol !== 'ssh:' && LOOPBACK.has(url.hostname);
}

/** `env` for a child that shall speak to exactly this engine, whatever the caller's docker variables say. */
export function environmentFor(endpoint: Endpoint, env: Environment): Environment {
  const { DOCKER_CONTEXT: _context, DOCKER_TLS_VERIFY: _verify, DOCKER_CERT_PATH: _path, ...rest } = env;
  const tls =
    endpoint.certPath === undefined ? {} : { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: endpoint.certPath };
  return { ...rest, DOCKER_HOST: endpoint.host, ...tls };
}
