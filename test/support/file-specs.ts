import { createHash } from 'node:crypto';
import type { ConfigEntry, Owner } from '../../src/model/project.js';

/** Configuration files of a `Stack`, in few words. */

/** Text is a file's content, with mode 644; null is a path that was looked at and is not there. */
export type FileSpec =
  | string
  | { content: string; mode: number; owner?: Owner; unsteady?: true }
  | { link: string }
  | { directory: number; more?: { others?: true; owner?: Owner } }
  | { other: string }
  | null;

export const sha256 = (content: string) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

export function entriesOf(files: Record<string, FileSpec>): ConfigEntry[] {
  return Object.entries(files)
    .map(([path, spec]) => anEntry(path, spec))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function anEntry(path: string, spec: FileSpec): ConfigEntry {
  if (spec === null) return { path, type: 'absent' };
  if (typeof spec === 'string') return anEntry(path, { content: spec, mode: 0o644 });
  if ('link' in spec) return { path, type: 'symlink', target: spec.link };
  if ('directory' in spec) return { path, type: 'directory', mode: spec.directory, ...spec.more };
  if ('other' in spec) return { path, type: 'other', what: spec.other };
  const { content, ...rest } = spec;
  return { path, type: 'file', size: content.length, sha256: sha256(content), ...rest };
}
