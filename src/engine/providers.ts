import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { composeVersion } from './compose-program.js';
import { ComposeV1 } from './compose-v1.js';
import { ComposeV2 } from './compose-v2.js';
import type { Endpoint, Environment } from './endpoint.js';
import { PodmanCompose } from './podman-compose.js';
import type { ComposeProvider } from './provider.js';
import type { Engine } from './engine.js';
import { findProgram, firstExecutable } from './search-path.js';

export interface ProviderOptions {
  endpoint: Endpoint;
  env: Environment;
  /**
   * `docker compose`, `docker-compose`, `podman-compose`, or the absolute path of one; COMPOSE_ROLLBACK_PROVIDER when absent; else what
   * is there, version 2 first.
   */
  prefer?: string;
  /** Where /usr is; tests have their own. */
  root?: string;
}

const PODMAN_COMPOSE = 'podman-compose';
const PODMAN_COMPOSE_LABEL = 'io.podman.compose.project';

/** Where the docker CLI looks for plug-ins, after the user's own folder. */
const PLUGIN_FOLDERS = ['usr/local/lib', 'usr/local/libexec', 'usr/lib', 'usr/libexec'].map((folder) =>
  join(folder, 'docker/cli-plugins'),
);

/**
 * The compose program to use. Usually found without starting a process. Throws `provider-failed` when there is none, or not the one
 * asked for.
 */
export async function findProvider(options: ProviderOptions): Promise<ComposeProvider> {
  // Whoever asks for a provider runs it next: its process library loads meanwhile.
  void import('execa');
  const asked = options.prefer ?? options.env.COMPOSE_ROLLBACK_PROVIDER;
  if (!asked) {
    const provider = (await dockerCompose(options)) ?? (await standalone(options, PODMAN_COMPOSE));
    if (provider !== undefined) return provider;
    throw new RollbackError(
      'provider-failed',
      'there is no compose here: neither `docker compose` nor `docker-compose` nor `podman-compose`',
      {
        hint: "install Docker's compose plug-in (docker-compose-plugin, or docker-compose of Debian 13)",
      },
    );
  }
  if (asked === 'docker compose') {
    const provider = await plugin(options);
    if (provider !== undefined) return provider;
  } else if (asked === 'docker-compose' || asked === PODMAN_COMPOSE || asked.startsWith('/')) {
    const provider = await standalone(options, asked);
    if (provider !== undefined) return provider;
  } else {
    throw new RollbackError('usage', `${quoted(asked)} is not a compose provider`, {
      hint: 'COMPOSE_ROLLBACK_PROVIDER may be "docker compose", "docker-compose", "podman-compose" or the absolute path of one',
    });
  }
  throw new RollbackError(
    'provider-failed',
    `the compose provider ${quoted(asked)} that was asked for is not there`,
    {
      hint: 'install it, or leave COMPOSE_ROLLBACK_PROVIDER away',
    },
  );
}

/**
 * The provider that goes on with a project and its containers: docker compose does not see what podman-compose made. Throws `provider-failed` when that is not
 * here, or is all there is for Docker.
 */
export async function providerOf(
  project: string,
  containers: Container[],
  engine: Engine,
  found: ComposeProvider,
  options: ProviderOptions,
): Promise<ComposeProvider> {
  const asked = options.prefer ?? options.env.COMPOSE_ROLLBACK_PROVIDER;
  const { kind } = await engine.identity();
  if (found.name === PODMAN_COMPOSE) {
    if (kind === 'podman') return found;
    // Asked for podman-compose, that is what Podman is served by: a move has Docker at its other end.
    const other = await dockerCompose(options);
    if (other) return other;
    throw new RollbackError(
      'provider-failed',
      'podman-compose is the only compose here, and it is not for Docker',
      {
        hint: "install Docker's compose plug-in (docker-compose-plugin, or docker-compose of Debian 13)",
      },
    );
  }
  if (asked || kind === 'docker') return found;
  // What is down has left its networks, with labels that docker compose stumbles over.
  const theirs =
    containers.length > 0
      ? containers.some(({ labels }) => PODMAN_COMPOSE_LABEL in labels)
      : (await engine.labelled(PODMAN_COMPOSE_LABEL)).some(
          ({ kind: what, value }) => what === 'network' && value === project,
        );
  return theirs ? await findProvider({ ...options, prefer: PODMAN_COMPOSE }) : found;
}

/** Whatever speaks with Docker. */
async function dockerCompose(options: ProviderOptions): Promise<ComposeProvider | undefined> {
  return (await plugin(options)) ?? (await standalone(options, 'docker-compose'));
}

/**
 * `docker compose`. The plug-in works on its own too, and is called directly where it lies in its usual place: the docker CLI in front
 * of it costs 50 ms a call. A plug-in is always version 2 or later.
 */
async function plugin({ endpoint, env, root = '/' }: ProviderOptions): Promise<ComposeProvider | undefined> {
  const name = 'docker compose';
  const own = env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker');
  const folders = [join(own, 'cli-plugins'), ...PLUGIN_FOLDERS.map((folder) => join(root, folder))];
  const path = await firstExecutable(folders, 'docker-compose');
  if (path !== undefined) return new ComposeV2({ name, argv: [path], endpoint }, env);

  // The CLI may know further places, from its configuration.
  const docker = await findProgram('docker', env);
  if (docker === undefined) return undefined;
  const program = { name, argv: [docker, 'compose'], endpoint };
  return (await versionOrUndefined(program, ['version', '--short'], env)) === undefined
    ? undefined
    : new ComposeV2(program, env);
}

/** `docker-compose`: version 1, or version 2 installed under the old name. */
async function standalone(
  { endpoint, env }: ProviderOptions,
  name: string,
): Promise<ComposeProvider | undefined> {
  const path = name.startsWith('/') ? name : await findProgram(name, env);
  if (path === undefined) return undefined;
  if (basename(path) === PODMAN_COMPOSE) {
    return new PodmanCompose({ name: PODMAN_COMPOSE, argv: [path], endpoint }, env);
  }
  const program = { name: 'docker-compose', argv: [path], endpoint };
  const version = await versionOrUndefined(program, ['version', '--short'], env);
  if (version === undefined) return undefined;
  return version.startsWith('1.') ? new ComposeV1(program, env) : new ComposeV2(program, env);
}

async function versionOrUndefined(...asking: Parameters<typeof composeVersion>): Promise<string | undefined> {
  try {
    return await composeVersion(...asking);
  } catch (thrown) {
    if (thrown instanceof RollbackError && thrown.code === 'provider-failed') return undefined;
    throw thrown;
  }
}
