import { createHash } from 'node:crypto';
import { access, readFile, realpath } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { parseHost, type Endpoint, type Environment } from './endpoint.js';

export interface DiscoveryOptions {
  engine: 'auto' | 'docker' | 'podman';
  /** `--host`. */
  host?: string;
  /** `--context`: the name of a docker context. */
  context?: string;
  env: Environment;
  /** Where /run and /var/run are; tests have their own. */
  root?: string;
}

/** A strategy finds an endpoint that somebody named, or leaves it to the next one. */
type Strategy = (options: DiscoveryOptions) => Promise<Endpoint | undefined>;

/** Docker's own order. The first that names an engine decides: what was named is never silently replaced by another. */
const NAMED: readonly Strategy[] = [
  fromHost,
  fromContext,
  fromDockerHost,
  fromDockerContext,
  fromCurrentContext,
];

/**
 * Where the engine is: as named by options, variables or docker's context, else the first usual socket that answers. A named engine
 * is not asked here. Throws `usage` for contradictions, `engine-unreachable` when nothing answers, `not-supported` for Podman.
 */
export async function discoverEngine(options: DiscoveryOptions): Promise<Endpoint> {
  if (options.host !== undefined && options.context !== undefined) {
    throw new RollbackError('usage', '--host and --context both name an engine', {
      hint: 'give one of them',
    });
  }
  if (options.engine === 'podman') throw podmanLater('--engine podman');
  for (const strategy of NAMED) {
    const endpoint = await strategy(options);
    if (endpoint !== undefined) return refusePodman(endpoint);
  }
  return refusePodman(await fromUsualSockets(options));
}

async function fromHost({ host, env }: DiscoveryOptions): Promise<Endpoint | undefined> {
  return host === undefined ? undefined : endpointAt(host, '--host', env);
}

async function fromContext({ context, env }: DiscoveryOptions): Promise<Endpoint | undefined> {
  return namedContext(context, '--context', env);
}

async function fromDockerHost({ env }: DiscoveryOptions): Promise<Endpoint | undefined> {
  return env.DOCKER_HOST ? endpointAt(env.DOCKER_HOST, 'DOCKER_HOST', env) : undefined;
}

async function fromDockerContext({ env }: DiscoveryOptions): Promise<Endpoint | undefined> {
  return namedContext(env.DOCKER_CONTEXT, 'DOCKER_CONTEXT', env);
}

async function fromCurrentContext({ context, env }: DiscoveryOptions): Promise<Endpoint | undefined> {
  // `default` was asked for: the context that `docker context use` chose is not meant.
  if (context !== undefined || env.DOCKER_CONTEXT) return undefined;
  const config = await readJson(join(configDirectory(env), 'config.json'));
  const name = config && field(config, 'currentContext');
  return typeof name === 'string' ? namedContext(name, 'the current docker context', env) : undefined;
}

function endpointAt(host: string, origin: string, env: Environment): Endpoint {
  const address = parseHost(host, origin);
  const tls = address.startsWith('tcp:') && Boolean(env.DOCKER_TLS_VERIFY);
  return {
    kind: 'docker',
    host: address,
    certPath: tls ? env.DOCKER_CERT_PATH || configDirectory(env) : undefined,
    sshAgent: env.SSH_AUTH_SOCK,
    origin,
  };
}

/** The context `default` means no context: the variables and usual sockets decide. */
async function namedContext(
  name: string | undefined,
  saidBy: string,
  env: Environment,
): Promise<Endpoint | undefined> {
  if (!name || name === 'default') return undefined;
  const contexts = join(configDirectory(env), 'contexts');
  const id = createHash('sha256').update(name).digest('hex');
  const meta = await readJson(join(contexts, 'meta', id, 'meta.json'));
  const host = meta && field(field(field(meta, 'Endpoints'), 'docker'), 'Host');
  if (typeof host !== 'string') {
    throw new RollbackError(
      'engine-unreachable',
      `${saidBy} is ${quoted(name)}, and there is no such docker context`,
      {
        hint: '`docker context ls` shows those that exist',
      },
    );
  }
  const origin = `docker context ${quoted(name)}`;
  const tls = join(contexts, 'tls', id, 'docker');
  const certPath = (await exists(join(tls, 'ca.pem'))) ? tls : undefined;
  return { kind: 'docker', host: parseHost(host, origin), certPath, sshAgent: env.SSH_AUTH_SOCK, origin };
}

async function fromUsualSockets({ engine, env, root = '/' }: DiscoveryOptions): Promise<Endpoint> {
  const tried: string[] = [];
  const docker = usualDockerSockets(env, root);
  const podman = engine === 'auto' ? usualPodmanSockets(env, root) : [];
  for (const path of [...docker, ...podman]) {
    const refusal = await knock(path);
    if (refusal === undefined) {
      const kind = podman.includes(path) ? 'podman' : 'docker';
      const host = `unix://${path}`;
      return { kind, host, certPath: undefined, sshAgent: undefined, origin: 'the usual place' };
    }
    tried.push(`${path}: ${WORDS[refusal] ?? refusal}`);
  }
  const denied = tried.some((line) => line.endsWith(WORDS.EACCES));
  throw new RollbackError('engine-unreachable', 'no container engine answers', {
    hint: denied
      ? 'add your user to the docker group and log in again, or use sudo'
      : 'start Docker (`systemctl start docker`), or name the engine with --host or DOCKER_HOST',
    details: tried,
  });
}

const WORDS: Record<string, string> & { EACCES: string } = {
  EACCES: 'permission denied',
  ENOENT: 'no such socket',
  ECONNREFUSED: 'nothing listens there',
};

function usualDockerSockets(env: Environment, root: string): string[] {
  const home = homeOf(env);
  return [
    join(root, 'var/run/docker.sock'),
    ...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'docker.sock')] : []),
    join(home, '.docker/run/docker.sock'),
    join(home, '.docker/desktop/docker.sock'),
  ];
}

function usualPodmanSockets(env: Environment, root: string): string[] {
  const named = env.CONTAINER_HOST?.startsWith('unix://') ? [env.CONTAINER_HOST.slice('unix://'.length)] : [];
  const own = env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'podman/podman.sock')] : [];
  return [...named, ...own, join(root, 'run/podman/podman.sock')];
}

/** Undefined when somebody listens on the socket, else the system's error code. */
function knock(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** Podman answers Docker's API too, behind docker.sock as well when podman-docker is installed: its socket's real name tells. */
async function refusePodman(endpoint: Endpoint): Promise<Endpoint> {
  if (endpoint.kind === 'podman') throw podmanLater(endpoint.host);
  if (!endpoint.host.startsWith('unix://')) return endpoint;
  const path = endpoint.host.slice('unix://'.length);
  const real = await orUndefined(realpath(path));
  if (/\/podman(?:-[^/]*)?\.sock$/.test(real ?? path)) throw podmanLater(endpoint.host);
  return endpoint;
}

function podmanLater(where: string): RollbackError {
  return new RollbackError(
    'not-supported',
    `${where}: Podman comes with a later version of compose-rollback`,
    {
      hint: 'use a Docker engine: name it with --host or DOCKER_HOST',
    },
  );
}

function configDirectory(env: Environment): string {
  return env.DOCKER_CONFIG || join(homeOf(env), '.docker');
}

function homeOf(env: Environment): string {
  return env.HOME || homedir();
}

/** Undefined when there is no such file. Throws `engine-unreachable` when it is no JSON. */
async function readJson(path: string): Promise<unknown> {
  const text = await orUndefined(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RollbackError(
      'engine-unreachable',
      `${path} is not valid JSON, so the engine's address is not known`,
      {
        hint: 'repair that file, or name the engine with --host',
        cause,
      },
    );
  }
}

async function exists(path: string): Promise<boolean> {
  return (await orUndefined(access(path).then(() => true))) ?? false;
}

async function orUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw thrown;
  }
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !(key in value)) return undefined;
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}
