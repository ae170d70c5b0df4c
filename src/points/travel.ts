import * as z from 'zod';
import { RollbackError } from '../model/errors.js';
import { POINT_ID } from '../model/names.js';
import { parseJson } from '../store/files.js';
import { safeParts } from '../store/paths.js';
import { POINT_FILE, SIDECAR_FILE } from '../store/point-files.js';

/**
 * A point that travels is a plain tar: `manifest.json`, then the files of the point's directory below its id, in the manifest's order, then
 * `checksum.sha256`: the hash of every byte before that file's header.
 */

export const MANIFEST_FILE = 'manifest.json';
export const CHECKSUM_FILE = 'checksum.sha256';

/** What an archive may have; the manifest tells before anything is written. */
export const LIMITS = {
  files: 100_000,
  /** Bytes of the manifest. */
  manifest: 32 * 1024 * 1024,
  /** Bytes of a point's record. */
  record: 32 * 1024 * 1024,
};

const FORMAT = 1;

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  tool: z.literal('compose-rollback'),
  tool_version: z.string(),
  point: z.string().regex(POINT_ID),
  project: z.string().min(1),
  /** The point's record and its checksum first. Paths are relative to the point's directory. */
  files: z
    .array(
      z.strictObject({
        path: z.string(),
        size: z.int().nonnegative(),
        sha256: z.string().regex(/^sha256:[0-9a-f]{64}$/),
      }),
    )
    .max(LIMITS.files),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type TravelFile = Manifest['files'][number];

export function renderManifest(manifest: Omit<Manifest, 'format' | 'tool'>): string {
  const whole: Manifest = { format: FORMAT, tool: 'compose-rollback', ...manifest };
  return `${JSON.stringify(whole, null, 2)}\n`;
}

/** Throws `damaged`, `unsafe` for a path that would leave the point's directory, `not-supported` when a newer version wrote it. */
export function parseManifest(text: string, what: string): Manifest {
  const value = parseJson(text);
  const newer = z.object({ tool: z.literal('compose-rollback'), format: z.int().gt(FORMAT) });
  if (newer.safeParse(value).success) {
    throw new RollbackError('not-supported', `${what} was made by a newer compose-rollback`, {
      hint: 'upgrade compose-rollback to import it',
    });
  }
  const { success, data, error } = manifestSchema.safeParse(value);
  if (!success) {
    const issue = error.issues[0];
    throw notAnArchive(what, `${issue?.path.join('.') || 'its manifest'}: ${issue?.message ?? ''}`);
  }
  const paths = data.files.map(({ path }) => path);
  for (const path of paths) safeParts(path);
  if (new Set(paths).size !== paths.length) throw notAnArchive(what, 'its manifest names a file twice');
  if (paths[0] !== POINT_FILE || paths[1] !== SIDECAR_FILE) {
    throw notAnArchive(what, 'its manifest does not begin with the record of a point');
  }
  return data;
}

export function notAnArchive(what: string, problem: string): RollbackError {
  return new RollbackError('damaged', `${what} is no sound export of a point: ${problem}`, {
    hint: 'export the point again, or copy the file anew; nothing was imported',
  });
}
