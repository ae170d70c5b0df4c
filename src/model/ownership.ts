import type { Container } from './engine.js';
import { isHalfMade } from './half-made.js';

/** Whose is a container? The one answer for everybody who counts, stops, starts or removes containers of a project. */

/** What the labels of a container tell of the folder it was started from. */
export interface Origin {
  /** Seen from the project's directory: the same one, another one, or one that no longer exists or is of another machine. */
  place: 'here' | 'elsewhere' | 'gone';
  /** The name of its project was given or written down there, and does not merely come from the folder. */
  isNamed: boolean;
}

/** The project that is asked about. */
export interface Claim {
  name: string;
  /** See `Project.alias`. */
  alias?: string | undefined;
  /** Its name was given or written down, and does not merely come from its folder. */
  isNamed: boolean;
}

export type Standing =
  /** Of the project: a replica of one of its services. */
  | 'replica'
  /** Of the project, and no replica: made by `compose run` or for a hook. */
  | 'one-off'
  /** Of the project: left behind by a compose that was killed, see `isHalfMade`. */
  | 'half-made'
  /** A stranger whose image carries the labels: `docker run` of an image that compose built, or that was committed. */
  | 'copy'
  /** A stranger: a replica of another project of the same name. */
  | 'namesake'
  /** It has nothing to do with the project. */
  | 'unrelated';

/** A container that carries the name of a project and is not its own. */
export interface Stranger {
  container: Container;
  standing: Extract<Standing, 'copy' | 'namesake'>;
  /** Where the other project was started from, when its labels tell. */
  directory: string | undefined;
}

const HOOK = 'com.docker.compose.hook';

/**
 * A container belongs to the project when its provider says so, and either both sides were named on purpose, or it was started from the same
 * directory, or from one that is gone: releases and checkouts come and go.
 * @param siblings all containers with the project's name, the container among them
 */
export function standingOf(
  container: Container,
  { name, alias, isNamed }: Claim,
  origin: Origin,
  siblings: readonly Container[],
): Standing {
  const isOurName = container.project === name;
  const isOurAlias = alias !== undefined && container.project === alias && origin.place === 'here';
  if (container.service === undefined || (!isOurName && !isOurAlias)) return 'unrelated';
  const isMade = container.configHash !== undefined;
  if (!isMade && !(HOOK in container.labels)) return 'copy';
  const isOurs = origin.place !== 'elsewhere' || (isNamed && origin.isNamed);
  if (container.oneOff) return isOurs ? 'one-off' : 'unrelated';
  if (!isOurs) return 'namesake';
  return isHalfMade(container, siblings) ? 'half-made' : 'replica';
}

/** Does compose count the container by its labels alone, so that `up` would take, change or remove it? */
export function isSeenByCompose({ labels, oneOff }: Container): boolean {
  const isLabelled = 'com.docker.compose.config-hash' in labels || 'io.podman.compose.project' in labels;
  return isLabelled && !oneOff;
}
