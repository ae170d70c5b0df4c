import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { parseHost, type Endpoint, type Environment } from './endpoint.js';
import { knock, startPodmanService } from './podman-service.js';
import { findProgram } from './search-path.js';

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

const OPTIONS: readonly Strategy[] = [fromHost, fromContext];
/** Docker's own order. */
const DOCKERS: readonly Strategy[] = [fromDockerHost, fromDockerContext, fromCurrentContext];
/** The first that names an engine decides: what was named is never silently replaced by another. */
const NAMED: Readonly<Record<DiscoveryOptions['engine'], readonly Strategy[]>> = {
  docker: [...OPTIONS, ...DOCKERS],
  podman: [...OPTIONS, fromContainerHost],
  auto: [...OPTIONS, ...DOCKERS, fromContainerHost],
};

/**
 * Where the engine is: as named by options, variables or docker's context, else the first usual socket that answers, else Podman where it is
 * installed and no Docker is. A named engine is not asked here. Throws `usage` for contradictions, `engine-unreachable` when nothing answers.
 */
export async function discoverEngine(options: DiscoveryOptions): Promise<Endpoint> {
  if (options.host !== undefined && options.context !== undefined) {
    throw new RollbackError('usage', '--host and --context both name an engine', {
      hint: 'give one of them',
    });
  }
  for (const strategy of NAMED[options.engine]) {
    const endpoint = await strategy(options);
    if (endpoint !== undefined) return endpoint;
  }
  return await fromUsualPlaces(options);
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

async function fromContainerHost({ env }: DiscoveryOptions): Promise<Endpoint | undefined> {
  const host = env.CONTAINER_HOST;
  if (!host) return undefined;
  if (host.startsWith('ssh:')) {
    throw new RollbackError(
      'not-supported',
      'CONTAINER_HOST names a Podman behind ssh, which is not reached from here',
      {
        hint: 'work on that machine, or forward its socket: ssh -L /tmp/podman.sock:/run/podman/podman.sock HOST',
      },
    );
  }
  return endpointAt(host, 'CONTAINER_HOST', env);
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
  return { host: parseHost(host, origin), certPath, sshAgent: env.SSH_AUTH_SOCK, origin };
}

const USUAL = 'the usual place';
const STARTED = 'started for this command';

/** Nobody named it. */
export const isFound = ({ origin }: Endpoint): boolean => origin === USUAL || origin === STARTED;

/** Its socket goes with this process. */
export const isStarted = ({ origin }: Endpoint): boolean => origin === STARTED;

async function fromUsualPlaces(options: DiscoveryOptions): Promise<Endpoint> {
  const { engine, env, root = '/' } = options;
  const docker = engine === 'podman' ? [] : usualDockerSockets(env, root);
  const podman = engine === 'docker' ? [] : usualPodmanSockets(env, root);
  const tried: { path: string; refusal: string }[] = [];
  for (const path of [...docker, ...podman]) {
    const refusal = await knock(path);
    if (refusal === undefined) return atSocket(path, USUAL);
    tried.push({ path, refusal });
  }
  // Where a Docker is that does not answer, it is Docker that people mean.
  const noDocker = tried.every(({ path, refusal }) => podman.includes(path) || refusal === 'ENOENT');
  const program = engine !== 'docker' && noDocker ? await findProgram('podman', env) : undefined;
  if (program !== undefined) return atSocket(await startPodmanService(program, env), STARTED);

  const denied = tried.some(({ refusal }) => refusal === 'EACCES');
  const start = engine === 'podman' ? 'install Podman' : 'start Docker (`systemctl start docker`)';
  throw new RollbackError('engine-unreachable', 'no container engine answers', {
    hint: denied
      ? 'add your user to the docker group and log in again, or use sudo'
      : `${start}, or name the engine with --host or ${engine === 'podman' ? 'CONTAINER_HOST' : 'DOCKER_HOST'}`,
    details: tried.map(({ path, refusal }) => `${path}: ${WORDS[refusal] ?? refusal}`),
  });
}

function atSocket(path: string, origin: string): Endpoint {
  return { host: `unix://${path}`, certPath: undefined, sshAgent: undefined, origin };
}

const WORDS: Record<string, string> = {
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

/** A user's own comes first; root's own is the machine's. */
function usualPodmanSockets(env: Environment, root: string): string[] {
  const own = env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'podman/podman.sock')] : [];
  return [...own, join(root, 'run/podman/podman.sock')];
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
