import type { EngineKind } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { ENGINE_NAMES } from '../model/names.js';
import { chooseApiVersion, pinApiVersion } from './api-version.js';
import { DockerEngine } from './docker.js';
import { clientOf } from './docker-connection.js';
import { toEngineError } from './docker-errors.js';
import { isPodman } from './docker-mapping.js';
import type { Endpoint } from './endpoint.js';
import type { Engine } from './engine.js';
import { PodmanEngine } from './podman.js';

/**
 * The engine that answers there, by what it says of itself: Podman may stand behind every name. Throws `engine-unreachable` when nobody answers, it is of
 * another kind than was asked for, or the TLS files cannot be read; `engine-not-supported` when it knows no API version that we do.
 */
export async function connectEngine(
  endpoint: Endpoint,
  asked: EngineKind | 'auto' = 'auto',
): Promise<Engine> {
  const docker = await clientOf(endpoint);
  const version = await docker.version().catch((thrown: unknown) => {
    throw toEngineError(thrown, endpoint);
  });
  const kind = isPodman(version) ? 'podman' : 'docker';
  if (asked !== 'auto' && asked !== kind) {
    const { host, origin } = endpoint;
    throw new RollbackError(
      'engine-unreachable',
      `${ENGINE_NAMES[kind]} answers at ${host} (${origin}), not ${ENGINE_NAMES[asked]}`,
      {
        hint: `name the socket of ${ENGINE_NAMES[asked]} with --host, or leave --engine out`,
      },
    );
  }
  pinApiVersion(docker, chooseApiVersion(version, endpoint));
  return new (kind === 'podman' ? PodmanEngine : DockerEngine)(docker, endpoint, version);
}
