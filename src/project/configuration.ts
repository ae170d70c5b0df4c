import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { ComposeModel } from '../model/compose.js';
import type { Config } from '../model/config.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Configuration, Project } from '../model/project.js';
import { bindMounts } from './binds.js';
import { Collector } from './collector.js';
import type { ComposeSources } from './compose-files.js';
import { filesMatching } from './globs.js';
import { DEFAULT_FILES, DEFAULT_OVERRIDES } from './locate.js';
import { migrationFiles } from './migration-files.js';
import { isSafePath } from './paths.js';

export interface ConfigurationInput {
  project: Project;
  /** Undefined when the files do not resolve: what they say themselves is used then. */
  model: ComposeModel | undefined;
  sources: ComposeSources;
  /** Of the project, for the mounts they really have. */
  containers: Container[];
  config: Pick<Config, 'config_files'>;
  /** Of a point to migrate from: globs of what belongs to it, beside the files that services are built by. */
  migrationFiles?: string[] | undefined;
  /** Absolute; never part of the configuration. */
  backupDir: string;
  /** Paths (relative) whose present state is wanted whatever it is: a point's entries. */
  alsoPaths?: string[];
  /** Those of them that a running service always writes. */
  unsteady?: string[];
  /** Directories (relative) whose present contents are wanted: a point's directories. */
  alsoDirectories?: string[];
  /** The same for paths outside the project (absolute). */
  alsoOutside?: string[];
  /** When the observation began, in milliseconds of the epoch: files that were written since are unsteady. None when absent. */
  began?: number;
}

/**
 * What DESIGN section 4 calls configuration, as it is on disk now. What cannot be recorded is explained under `skipped`. Throws `unsafe` for
 * a wanted path that no honest point has.
 */
export async function readConfiguration(input: ConfigurationInput): Promise<Configuration> {
  const { project, model, sources, containers, config, backupDir } = input;
  const binds = bindMounts(model, containers);
  const writable = binds.filter(({ readOnly }) => !readOnly).map(({ source }) => source);
  const collector = await Collector.open(project.directory, {
    backupDir,
    writable,
    began: input.began ?? Infinity,
  });

  const listed = [...sources.files, ...loadedByDefault(project), ...dotEnv(project), ...sources.envFiles];
  for (const file of listed) await collector.addFile(file, { listed: true });
  for (const file of resourceFiles(model, sources)) await collector.addFile(file, { listed: false });
  for (const file of await expand(config.config_files, project.directory, backupDir)) {
    await collector.addFile(file, { listed: true });
  }
  if (input.migrationFiles) {
    const place = { directory: project.directory, ignored: [backupDir, ...writable] };
    for (const file of await migrationFiles(input.migrationFiles, model, place)) {
      await collector.addFile(file, { listed: false });
    }
  }
  for (const { source, readOnly } of binds) await collector.addBind(source, readOnly);

  const unsteady = new Set(input.unsteady);
  for (const path of input.alsoPaths ?? []) collector.addExact(safe(path), { unsteady: unsteady.has(path) });
  for (const path of input.alsoDirectories ?? [])
    await collector.addContents(path === '.' ? path : safe(path));
  for (const path of input.alsoOutside ?? []) collector.addExactOutside(safeOutside(path));
  return collector.finish();
}

/** Files that compose would load by itself if they were there: those that would win over, or be laid over, the ones there are. */
function loadedByDefault({ origin, directory, files }: Project): string[] {
  if (origin !== 'default') return [];
  const upTo = (names: string[]) => {
    const there = names.findIndex((name) =>
      files.some((file) => dirname(file) === directory && basename(file) === name),
    );
    return there === -1 ? names : names.slice(0, there + 1);
  };
  return [...upTo(DEFAULT_FILES), ...upTo(DEFAULT_OVERRIDES)].map((name) => join(directory, name));
}

function dotEnv({ directory, envFiles }: Project): string[] {
  return envFiles.length > 0 ? envFiles : [join(directory, '.env')];
}

function resourceFiles(
  model: ComposeModel | undefined,
  { resourceFiles: written }: ComposeSources,
): string[] {
  if (model === undefined) return written;
  const resources = [...Object.values(model.configs), ...Object.values(model.secrets)];
  return resources.flatMap(({ file }) => file ?? []);
}

/** Globs into files; a plain path stays, there or not. */
async function expand(patterns: string[], directory: string, backupDir: string): Promise<string[]> {
  if (patterns.length === 0) return [];
  const { isDynamicPattern } = await import('tinyglobby');
  const plain = patterns.filter((pattern) => !isDynamicPattern(pattern) && !pattern.startsWith('!'));
  const found = await filesMatching(patterns, { directory, ignored: [backupDir] });
  const folders = plain.map((path) => resolve(directory, path));
  const missing = folders.filter(
    (path) => !found.some((file) => file === path || file.startsWith(`${path}/`)),
  );
  return [...found, ...missing];
}

function safe(path: string): string {
  if (isSafePath(path)) return path;
  throw new RollbackError('unsafe', `the path ${quoted(path)} does not stay inside the project`, {
    hint: 'the point is damaged or was tampered with: `compose-rollback verify` tells more',
  });
}

function safeOutside(path: string): string {
  if (isAbsolute(path) && isSafePath(path.slice(1))) return path;
  throw new RollbackError('unsafe', `the path ${quoted(path)} is no plain absolute path`, {
    hint: 'the point is damaged or was tampered with: `compose-rollback verify` tells more',
  });
}
