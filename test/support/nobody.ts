import { DockerEngine } from '../../src/engine/docker.js';
import { clientOf } from '../../src/engine/docker-connection.js';
import type { Endpoint } from '../../src/engine/endpoint.js';
import type { Engine } from '../../src/engine/engine.js';

/** An engine that never answers, for code that must not need one. */

export const NOBODY: Endpoint = {
  host: 'unix:///nobody/docker.sock',
  certPath: undefined,
  sshAgent: undefined,
  origin: '--host',
};

/** Every request to it fails with `engine-unreachable`. */
export async function unreachableEngine(): Promise<Engine> {
  return new DockerEngine(await clientOf(NOBODY), NOBODY, { Version: '', ApiVersion: '' });
}
