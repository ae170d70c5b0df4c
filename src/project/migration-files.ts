import { join, resolve } from 'node:path';
import type { ComposeModel, ComposeService } from '../model/compose.js';
import { filesMatching, type GlobPlace } from './globs.js';
import { look } from './paths.js';
import { fieldOf } from './yaml.js';

/** What a project is built and deployed by: no part of what runs, and yet wanted back when a migration is given up. */

const DEFAULT_BUILD_FILES = ['Dockerfile', 'Containerfile'];
const IGNORE_FILES = ['.dockerignore', '.containerignore'];
/** `https://…`, `git@host:…`: nothing of this machine. */
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|git@)/i;

/** Absolute paths: what the globs mean, and the build files of the services. Only what is there. */
export async function migrationFiles(
  patterns: string[],
  model: ComposeModel | undefined,
  place: GlobPlace,
): Promise<string[]> {
  const named = buildFiles(model, place.directory);
  const there = await Promise.all(named.map(async (path) => (await look(path)) !== undefined));
  const matching = patterns.length > 0 ? await filesMatching(patterns, place) : [];
  return [...new Set([...named.filter((_, index) => there[index]), ...matching])];
}

/** What may tell how each service is built, whether it is there or not. */
function buildFiles(model: ComposeModel | undefined, directory: string): string[] {
  return Object.values(model?.services ?? {}).flatMap((service) => {
    const { context, files } = buildOf(service, directory) ?? { context: directory, files: [] };
    const ignoring = IGNORE_FILES.map((file) => join(context, file));
    return files.flatMap((file) => [file, `${file}.dockerignore`, ...ignoring]);
  });
}

/** From where a service is built, and by which file: the first of these that is there. All absolute. */
export interface Build {
  context: string;
  files: string[];
}

/** Undefined for what is not built here, or by no file. */
export function buildOf({ build }: Pick<ComposeService, 'build'>, directory: string): Build | undefined {
  const folder = typeof build === 'string' ? build : fieldOf(build, 'context');
  if (typeof folder !== 'string' || REMOTE.test(folder)) return undefined;
  if (fieldOf(build, 'dockerfile_inline') !== undefined) return undefined;
  const context = resolve(directory, folder);
  const named = fieldOf(build, 'dockerfile');
  const names = typeof named === 'string' ? [named] : DEFAULT_BUILD_FILES;
  return { context, files: names.map((name) => resolve(context, name)) };
}
