import { realpath, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Project, ProjectSelection } from '../model/project.js';
import { interpolate } from '../engine/interpolation.js';
import type { Lookup } from '../engine/interpolation.js';
import { isDenied, isMissing } from './paths.js';
import { readText, topLevelText } from './yaml.js';

/** Which project is meant, by compose v2's own rules: from files, flags and environment alone. `list` loads this: no libraries. */

/** In order of preference. */
export const DEFAULT_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
/** In order of preference, whichever of the default files there is. */
export const DEFAULT_OVERRIDES = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];

const REMOTE = /^(?:https?|oci|git|ssh):\/\/|^git@/;

/** Throws `project-not-found` when there is no compose file, `usage` for a selection that compose would refuse too. */
export async function locateProject(selection: ProjectSelection): Promise<Project> {
  const cwd = await logicalDirectory(selection);
  const start = selection.projectDirectory === undefined ? cwd : resolve(cwd, selection.projectDirectory);
  const envFiles = envFilesOf(selection).map((file) => resolve(cwd, file));
  const found = await findFiles(selection, cwd, start, envFiles);
  const [first] = found.files;
  if (first === undefined) throw notFound(start);
  const directory = selection.projectDirectory === undefined ? dirname(first) : start;
  const lookup = await environmentOf(selection, [...dotEnvFiles(selection, envFiles, start, directory)]);
  return {
    ...(await nameProject(selection, found.files, directory, lookup)),
    directory,
    files: found.files,
    origin: found.origin,
    profiles: profilesOf(selection, lookup),
    envFiles,
  };
}

/**
 * The directory we were called in, under the name the shell knows it by: compose names a project after `$PWD`, symlinks and all, where
 * Node only tells the real path.
 */
export async function logicalDirectory({ cwd, env }: ProjectSelection): Promise<string> {
  const { PWD } = env;
  if (PWD === undefined || PWD === cwd || resolve(PWD) !== PWD) return cwd;
  try {
    return (await realpath(PWD)) === (await realpath(cwd)) ? PWD : cwd;
  } catch (error) {
    if (isMissing(error)) return cwd;
    throw error;
  }
}

async function findFiles(
  selection: ProjectSelection,
  cwd: string,
  start: string,
  envFiles: string[],
): Promise<Pick<Project, 'files' | 'origin'>> {
  if (selection.files !== undefined && selection.files.length > 0) {
    return { files: selection.files.map((file) => localFile(file, cwd)), origin: 'told' };
  }
  const defaults = await findDefaultFiles(start);
  const directory = defaults[0] === undefined ? start : dirname(defaults[0]);
  const lookup = await environmentOf(selection, dotEnvFiles(selection, envFiles, start, directory));
  const told = lookup('COMPOSE_FILE');
  if (told === undefined || told === '') return { files: defaults, origin: 'default' };
  const names = told.split(lookup('COMPOSE_PATH_SEPARATOR') || delimiter).filter((name) => name !== '');
  // Relative to where one stands, says compose, and fails below the project: there, beside the .env is what was meant.
  const files = names.map(async (name) => {
    const here = localFile(name, cwd);
    return (await exists(here)) ? here : localFile(name, directory);
  });
  return { files: await Promise.all(files), origin: 'told' };
}

function localFile(file: string, cwd: string): string {
  if (file === '-') {
    throw new RollbackError('usage', 'a compose file from standard input (-f -) cannot be recorded', {
      hint: 'save it as a file and give its name',
    });
  }
  if (REMOTE.test(file)) {
    throw new RollbackError('not-supported', `the compose file ${quoted(file)} is not on this machine`, {
      hint: 'download it into the project directory and give its name',
    });
  }
  return resolve(cwd, file);
}

/** The first default file in `start` or a folder above, and the override beside it. */
async function findDefaultFiles(start: string): Promise<string[]> {
  for (let directory = start; ; directory = dirname(directory)) {
    const file = await firstExisting(directory, DEFAULT_FILES);
    if (file !== undefined) {
      const override = await firstExisting(directory, DEFAULT_OVERRIDES);
      return override === undefined ? [file] : [file, override];
    }
    if (dirname(directory) === directory) return [];
  }
}

async function firstExisting(directory: string, names: string[]): Promise<string | undefined> {
  const paths = names.map((name) => join(directory, name));
  const there = await Promise.all(paths.map((path) => exists(path)));
  return paths.find((_, index) => there[index]);
}

/** Symlinks followed, as compose does. */
async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    if (!isDenied(error)) throw error;
    throw new RollbackError('project-not-found', `${quoted(path)} cannot be looked at: permission denied`, {
      hint: 'call it as a user who may read the project',
      cause: error,
    });
  }
}

function envFilesOf({ envFiles, env }: ProjectSelection): string[] {
  if (envFiles !== undefined && envFiles.length > 0) return envFiles;
  return (env['COMPOSE_ENV_FILES'] ?? '').split(',').filter((name) => name !== '');
}

/** Later ones give way to earlier ones, as with compose: the folder one stands in before the project's. */
function dotEnvFiles(
  { env }: ProjectSelection,
  envFiles: string[],
  start: string,
  directory: string,
): string[] {
  if (envFiles.length > 0) return envFiles.toReversed();
  if (/^(?:1|t|true)$/i.test(env['COMPOSE_DISABLE_ENV_FILE'] ?? '')) return [];
  return [...new Set([start, directory])].map((folder) => join(folder, '.env'));
}

/** The environment we were called in, then the env files, the first that knows a variable winning. */
export async function environmentOf(
  { env }: Pick<ProjectSelection, 'env'>,
  files: readonly string[],
): Promise<Lookup> {
  const texts = await Promise.all(files.map((file) => readText(file)));
  const layers = [env, ...texts.map((text) => (text === undefined ? {} : parseEnv(text)))];
  const raw: Lookup = (name) => layers.find((layer) => layer[name] !== undefined)?.[name];
  return (name) => env[name] ?? valueOf(raw(name), raw);
}

function valueOf(text: string | undefined, lookup: Lookup): string | undefined {
  return text === undefined ? undefined : interpolate(text, lookup);
}

async function nameProject(
  selection: ProjectSelection,
  files: string[],
  directory: string,
  lookup: Lookup,
): Promise<Pick<Project, 'name' | 'nameOrigin'>> {
  const given = givenName(selection);
  if (given !== undefined) return { name: validName(given), nameOrigin: 'given' };
  const set = lookup('COMPOSE_PROJECT_NAME');
  if (set) return { name: validName(set), nameOrigin: 'written' };
  const texts = await Promise.all(files.map((file) => readText(file)));
  const names = await Promise.all(
    texts.map(async (text) => (text === undefined ? undefined : topLevelText(text, 'name'))),
  );
  const written = names.findLast((name) => name !== undefined && name !== '');
  const name = written === undefined ? '' : normaliseName(interpolate(written, lookup));
  if (name !== '') return { name, nameOrigin: 'written' };
  const fallback = nameOfDirectory(directory);
  if (fallback !== '') return { name: fallback, nameOrigin: 'folder' };
  throw new RollbackError('usage', `the folder ${quoted(directory)} gives no name for the project`, {
    hint: 'name it with -p NAME, or with a top-level name: in the compose file',
  });
}

/** The name given by flag or environment, if one was. */
export function givenName({ projectName, env }: ProjectSelection): string | undefined {
  return projectName ?? (env['COMPOSE_PROJECT_NAME'] || undefined);
}

/** Throws `usage` for a name that compose refuses. */
function validName(name: string): string {
  if (name !== '' && normaliseName(name) === name) return name;
  throw new RollbackError('usage', `${quoted(name)} cannot be the name of a compose project`, {
    hint: 'lower-case letters, digits, "-" and "_", starting with a letter or digit',
  });
}

/** What compose makes of a folder's name when nothing else names the project. */
export function nameOfDirectory(directory: string): string {
  return normaliseName(basename(directory));
}

function normaliseName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
}

/** The profiles that flags or COMPOSE_PROFILES activate. */
export function profilesOf({ profiles }: Pick<ProjectSelection, 'profiles'>, lookup: Lookup): string[] {
  const named =
    profiles !== undefined && profiles.length > 0 ? profiles : (lookup('COMPOSE_PROFILES') ?? '').split(',');
  return [...new Set(named.map((profile) => profile.trim()).filter((profile) => profile !== ''))];
}

export function notFound(start: string): RollbackError {
  return new RollbackError('project-not-found', `no compose file in ${start} or a folder above it`, {
    hint: 'go to the project, or name it: -f FILE, --project-directory DIR, or -p NAME while its containers exist',
  });
}
