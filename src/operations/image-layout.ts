import * as z from 'zod';

/** The OCI image layout in an image archive: an index of manifests, by digest. Containerd's store loads what it names, and not what `manifest.json` does. */

/** An image as the layout names it. */
export interface LayoutImage {
  names: string[];
  /** Path of its configuration. */
  config: string;
  /** Paths of its layers, in order. */
  layers: string[];
}

/** Reads a document of the archive; undefined when there is no such file. Throws `damaged` for another shape. */
export type ReadDocument = <T>(path: string, schema: z.ZodType<T>) => T | undefined;

export const INDEX = 'index.json';

const digest = z.string().regex(/^[a-z0-9]+:[0-9a-f]+$/);
const descriptor = z.object({
  digest,
  annotations: z.record(z.string(), z.string()).nullish(),
});
const indexSchema = z.object({ manifests: z.array(descriptor) });
const manifestSchema = z.union([
  indexSchema,
  z.object({ config: z.object({ digest }), layers: z.array(z.object({ digest })) }),
]);

/** Both give an image a name when the archive is loaded; the first is containerd's own. */
const NAMES = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
/** Marks what BuildKit says of an image: it is no image, though it has the form of one. */
const REFERENCE_TYPE = 'vnd.docker.reference.type';

/** All images of the layout; none when the archive has no layout. Manifests of other platforms may be named and absent. */
export function layoutImages(read: ReadDocument): LayoutImage[] {
  const seen = new Set<string>();
  const images: LayoutImage[] = [];
  const pending = (read(INDEX, indexSchema)?.manifests ?? []).map((entry) => ({
    entry,
    above: [] as string[],
  }));
  for (const { entry, above } of pending) {
    const { digest: id, annotations } = entry;
    const names = [...above, ...NAMES.flatMap((name) => annotations?.[name] ?? [])];
    if (annotations?.[REFERENCE_TYPE] !== undefined) continue;
    // An index that names itself ends here; the same image under two names counts twice.
    const key = `${id} ${names.join(' ')}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const found = read(blobPath(id), manifestSchema);
    if (!found) continue;
    if ('manifests' in found) pending.push(...found.manifests.map((next) => ({ entry: next, above: names })));
    else {
      const layers = found.layers.map((layer) => blobPath(layer.digest));
      images.push({ names, config: blobPath(found.config.digest), layers });
    }
  }
  return images;
}

const blobPath = (id: string): string => `blobs/${id.replace(':', '/')}`;
