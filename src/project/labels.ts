import { isAbsolute, join, resolve } from 'node:path';
import type { Container } from '../model/engine.js';
import { relativeTo } from './paths.js';

/** What containers tell of the call of compose that made them. Labels are anybody's text, and their paths may be of another machine. */

const WORKING_DIR = 'com.docker.compose.project.working_dir';
const CONFIG_FILES = 'com.docker.compose.project.config_files';
const ENV_FILES = 'com.docker.compose.project.environment_file';

/** All paths are absolute. */
export interface LabelledPlace {
  directory: string;
  /** Without those from standard input: that is how our own overrides are given, and nobody can read them again. */
  files: string[];
  /** Without the directory's own `.env`. */
  envFiles: string[];
}

/** Undefined for a container that does not tell its directory. */
export function labelledPlaceOf({ labels }: Pick<Container, 'labels'>): LabelledPlace | undefined {
  const directory = labels[WORKING_DIR] ?? '';
  if (!isAbsolute(directory)) return undefined;
  const files = pathsOf(labels[CONFIG_FILES], directory);
  const envFiles = pathsOf(labels[ENV_FILES], directory);
  return { directory, files, envFiles: envFiles.filter((file) => file !== join(directory, '.env')) };
}

/** Compose v1 writes them relative to the working directory, v2 absolute. Both write standard input as `-`. */
function pathsOf(label: string | undefined, directory: string): string[] {
  const names = (label ?? '').split(',').filter((name) => name !== '' && name !== '-');
  return names.map((name) => resolve(directory, name));
}

/** The same files where the folder is now. */
export function relocated({ directory, files, envFiles }: LabelledPlace, to: string): LabelledPlace {
  const move = (path: string) => relocatedPath(path, directory, to) ?? path;
  return { directory: to, files: files.map(move), envFiles: envFiles.map(move) };
}

/** A path inside `from` as it is inside `to`; undefined for a path outside. */
export function relocatedPath(path: string, from: string, to: string): string | undefined {
  const inside = relativeTo(from, path);
  return inside === undefined ? undefined : join(to, inside);
}
