import { lstat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { isMigrationBackup } from '../model/names.js';
import type { Observation } from '../model/project.js';
import { hasCode, realOrSelf } from './paths.js';

/** A place where services of a project keep data, as points name it. */
export interface DataSource {
  kind: 'volume' | 'bind';
  /** The volume's name on the engine; of a directory its path, relative to the project when inside it, else absolute. */
  name: string;
  /** The services that mount it, writable or not. */
  services: string[];
}

export interface DataSources {
  sources: DataSource[];
  /** Mounts that could hold data and are left out, with the reason. */
  skipped: { path: string; reason: string }[];
}

interface Mount {
  service: string;
  kind: 'volume' | 'bind';
  /** Volume name, or absolute path. */
  source: string;
  /** The path as the mount names it, which may lead through links. */
  named: string;
  /** Where it is in the container. */
  target: string;
  readOnly: boolean;
}

interface Options {
  /** Only what these services mount. */
  services: string[] | undefined;
  /** Absolute; never data. */
  backupDir: string;
  /** Directories outside the project that count as data (absolute). */
  listed: string[];
}

const ANONYMOUS = /^[0-9a-f]{64}$/;

/**
 * Named volumes, and bind-mounted directories that somebody may write to: inside the project, or listed. The project's root, the backup directory and
 * what holds it are none. By the containers as they run, and by the files for services without any. A directory behind a link is named by the place
 * that the link leads to, which is the one that containers mount.
 */
export async function dataSources(observation: Observation, options: Options): Promise<DataSources> {
  const mounts = await withRealSources(mountsOf(observation), observation);
  const skipped = new Map<string, string>();
  const sources: DataSource[] = [];
  for (const key of new Set(mounts.map(({ kind, source }) => `${kind}:${source}`))) {
    const users = mounts.filter(({ kind, source }) => `${kind}:${source}` === key);
    const [first] = users;
    const services = [...new Set(users.map(({ service }) => service))].toSorted();
    const wanted =
      options.services === undefined || services.some((name) => options.services?.includes(name));
    if (!first || !wanted) continue;
    const { kind, source } = first;
    if (kind === 'volume') {
      if (ANONYMOUS.test(source))
        skipped.set(
          `${first.service}:${first.target}`,
          'is an anonymous volume, which goes with its container',
        );
      else sources.push({ kind, name: source, services });
      continue;
    }
    if (users.every(({ readOnly }) => readOnly)) continue;
    const listed = [
      ...options.listed,
      ...users.flatMap(({ named: given }) => (options.listed.includes(given) ? [source] : [])),
    ];
    const verdict = await judge(source, observation.project.directory, { ...options, listed });
    if (verdict === 'data')
      sources.push({ kind, name: named(source, observation.project.directory), services });
    else if (verdict !== 'other') skipped.set(named(source, observation.project.directory), verdict);
  }
  return {
    sources: sources.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    skipped: [...skipped].map(([path, reason]) => ({ path, reason })),
  };
}

function mountsOf({ services, model, project }: Observation): Omit<Mount, 'named'>[] {
  return Object.values(services).flatMap(({ name: service, containers }): Omit<Mount, 'named'>[] => {
    if (containers.length > 0) {
      return containers.flatMap(({ mounts }) =>
        mounts.flatMap(({ type, name, source, target, readOnly }): Omit<Mount, 'named'>[] => {
          if (type === 'volume' && name !== undefined)
            return [{ service, kind: type, source: name, target, readOnly }];
          return type === 'bind' ? [{ service, kind: type, source, target, readOnly }] : [];
        }),
      );
    }
    return (model?.services[service]?.volumes ?? []).flatMap(
      ({ type, source, target, read_only: readOnly = false }): Omit<Mount, 'named'>[] => {
        if (source === undefined) return [];
        if (type === 'bind')
          return [{ service, kind: type, source: resolve(project.directory, source), target, readOnly }];
        if (type !== 'volume') return [];
        const name = model?.volumes[source]?.name ?? `${project.name}_${source}`;
        return [{ service, kind: type, source: name, target, readOnly }];
      },
    );
  });
}

/** Paths of the project begin with its directory as it is called. Links of another machine nobody can follow. */
async function withRealSources(
  mounts: Omit<Mount, 'named'>[],
  { engine, project: { directory } }: Observation,
): Promise<Mount[]> {
  const root = await realOrSelf(directory);
  return await Promise.all(
    mounts.map(async (mount) => {
      const { kind, source } = mount;
      if (kind === 'volume' || !engine.local) return { ...mount, named: source };
      const real = await realOrSelf(source);
      const place = holds(root, real) ? join(directory, relative(root, real)) : real;
      return { ...mount, source: place, named: source };
    }),
  );
}

/** `data`; `other` for what is none by its nature; else why it is left out. */
async function judge(path: string, directory: string, { backupDir, listed }: Options): Promise<string> {
  if (holds(path, backupDir) || holds(backupDir, path)) return 'it holds the backup directory';
  if (/^\/(?:proc|sys|dev|run|var\/run)(?:\/|$)/.test(path) || path === '/') return 'other';
  if (holds(path, directory)) return 'it holds the project itself';
  if (isMigrationBackup(relative(directory, path))) return 'other';
  if (!holds(directory, path) && !listed.includes(path)) {
    return 'it is outside the project: list it as data_directories in rollback.yaml';
  }
  try {
    const found = await lstat(path);
    if (found.isDirectory()) return 'data';
    return found.isSymbolicLink() ? 'it is a symlink' : 'other';
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return 'other';
    // A dead mount (EIO, ESTALE, ENOTCONN) is left out like any other place that cannot be read.
    if (error instanceof Error && 'code' in error) return `it cannot be read (${String(error.code)})`;
    throw error;
  }
}

const holds = (outer: string, inner: string) => inner === outer || inner.startsWith(`${outer}/`);

function named(path: string, directory: string): string {
  return holds(directory, path) ? relative(directory, path) : path;
}
