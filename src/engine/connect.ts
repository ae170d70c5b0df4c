import { clientOf, DockerEngine } from './docker.js';
import { toEngineError } from './docker-errors.js';
import { isPodman } from './docker-mapping.js';
import type { Endpoint } from './endpoint.js';
import type { Engine } from './engine.js';
import { PodmanEngine } from './podman.js';

/**
 * The engine that answers there, by what it says of itself: Podman may stand behind every name. Throws `engine-unreachable` when nobody
 * answers, or the TLS files cannot be read.
 */
export async function connectEngine(endpoint: Endpoint): Promise<Engine> {
  const docker = await clientOf(endpoint);
  try {
    const version = await docker.version();
    return new (isPodman(version) ? PodmanEngine : DockerEngine)(docker, endpoint, version);
  } catch (thrown) {
    throw toEngineError(thrown, endpoint);
  }
}
