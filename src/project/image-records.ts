import type { Engine } from '../engine/engine.js';
import type { Container, Image } from '../model/engine.js';

/**
 * Gives containers whose image the engine no longer knows the id of an image that runs the same, where there is one; `preferred` ones first. Containerd's store drops the
 * record of a running image when a build takes its last name, even if the new image differs in its attestations alone (measured, Docker 28.5.2).
 */
export async function withKnownImages(
  engine: Pick<Engine, 'imagesWithManifest'>,
  containers: Container[],
  images: Record<string, Image | null>,
  preferred: string[],
): Promise<Container[]> {
  return await Promise.all(
    containers.map(async (container) => {
      const { imageId, imageManifest, imageRef } = container;
      if (images[imageId] || imageManifest === undefined) return container;
      const same = await engine.imagesWithManifest(imageManifest);
      const ranked = [...preferred, images[imageRef]?.id, ...same.toSorted()];
      const known = ranked.find((id) => id !== undefined && same.includes(id));
      return known === undefined ? container : { ...container, imageId: known };
    }),
  );
}
