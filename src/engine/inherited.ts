import type { Container } from '../model/engine.js';
import type { ImageDocument } from './docker-mapping.js';

/**
 * Images carry compose's labels: those that compose built, and with all labels of a container those that were made with `docker commit`. A container
 * made of such an image by hand shows the same labels as one of compose's own.
 */

const HASH = 'com.docker.compose.config-hash';
/** Since version 2: the id of the image that compose made the container of. */
const IMAGE = 'com.docker.compose.image';

/**
 * The container without the config hash when that is only its image's, so that a hash always means that compose made it. Version 2 labels a container
 * with the id of its image, which no image can carry, and version 1 hashes that id: neither makes a container whose labels equal those of its image.
 * @param inspectImage gives an image by id, undefined when the engine has lost it
 */
export async function withOwnHash(
  container: Container,
  inspectImage: (id: string) => Promise<Pick<ImageDocument, 'Config'> | undefined>,
): Promise<Container> {
  const { labels, imageId } = container;
  if (!(HASH in labels) || labels[IMAGE] === imageId) return container;
  const inherited = (await inspectImage(imageId))?.Config?.Labels ?? {};
  const isInherited = [HASH, IMAGE].every((label) => labels[label] === inherited[label]);
  return isInherited ? { ...container, configHash: undefined } : container;
}
