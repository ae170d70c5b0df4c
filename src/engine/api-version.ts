import type Dockerode from 'dockerode';
import { RollbackError } from '../model/errors.js';
import { ENGINE_NAMES } from '../model/names.js';
import { isPodman, type VersionDocument } from './docker-mapping.js';
import type { Endpoint } from './endpoint.js';

/** The newest version that Docker 20.10.24 and Podman 4.3.1 know (measured). */
const LOWEST_TESTED = '1.41';
/** The newest version that Docker 28.5.2 knows (measured). Podman 5.8.6 ends at 1.44. */
const HIGHEST_TESTED = '1.51';

/**
 * Chooses the API version of all requests: the newest one that the engine knows and our tests cover. An engine that is asked without a version
 * answers in its newest one, which may lack fields that we read.
 *
 * @throws RollbackError `engine-not-supported` when the engine knows no tested version
 */
export function chooseApiVersion(document: VersionDocument, endpoint: Endpoint): string {
  const { Version: release, ApiVersion: newest, MinAPIVersion: oldest } = document;
  const engine = `${ENGINE_NAMES[isPodman(document) ? 'podman' : 'docker']} ${release} at ${endpoint.host}`;
  // The comparison also refuses text that is no version.
  if (!(numberOf(newest) >= numberOf(LOWEST_TESTED))) {
    throw new RollbackError(
      'engine-not-supported',
      `${engine} speaks API version ${newest}, and compose-rollback needs ${LOWEST_TESTED} or later`,
      { hint: 'upgrade the engine: Docker 20.10, Podman 4.2 and later speak it' },
    );
  }
  if (numberOf(oldest ?? LOWEST_TESTED) > numberOf(HIGHEST_TESTED)) {
    throw new RollbackError(
      'engine-not-supported',
      `${engine} speaks API versions from ${oldest} on, and this compose-rollback knows them up to ${HIGHEST_TESTED}`,
      { hint: 'install a newer compose-rollback' },
    );
  }
  return numberOf(newest) > numberOf(HIGHEST_TESTED) ? HIGHEST_TESTED : newest;
}

/** `1.41` as a number that can be compared; NaN for other text. */
function numberOf(version: string): number {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(version) ?? [];
  return Number(major) * 10_000 + Number(minor);
}

/** Puts the version into the path of every later request, except into paths that name one: Podman's own API has other versions. */
export function pinApiVersion({ modem }: Dockerode, version: string): void {
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) => {
    const path = /^\/v\d/.test(options.path) ? options.path : `/v${version}${options.path}`;
    dial({ ...options, path }, callback);
  };
}
