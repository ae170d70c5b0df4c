import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { Observation } from '../model/project.js';
import { throughLinks } from '../model/links.js';

/** A host path that is mounted into containers. */
export interface Bind {
  /** Absolute. */
  source: string;
  /** True when nobody may write to it. */
  readOnly: boolean;
}

/** Bind mounts of the model and of the containers as they really run, each source once. */
export function bindMounts(model: ComposeModel | undefined, containers: Container[]): Bind[] {
  const binds = new Map<string, boolean>();
  const add = (source: string, readOnly: boolean) =>
    binds.set(trimmed(source), (binds.get(trimmed(source)) ?? true) && readOnly);
  for (const { volumes } of Object.values(model?.services ?? {})) {
    for (const { type, source, read_only } of volumes) {
      if (type === 'bind' && source !== undefined) add(source, read_only ?? false);
    }
  }
  for (const { mounts } of containers) {
    for (const { type, source, readOnly } of mounts) if (type === 'bind') add(source, readOnly);
  }
  return [...binds].map(([source, readOnly]) => ({ source, readOnly }));
}

/**
 * Recorded files that running containers may write, because they are mounted by themselves: their content is the service's own, and may change at
 * any time. Relative to the project.
 */
export function filesOfServices({ project, services, configuration }: Observation): Set<string> {
  const at = (path: string) => `${project.directory}/${path}`;
  const links = new Map(
    configuration.entries.flatMap((entry) =>
      entry.type === 'symlink' ? [[at(entry.path), entry.target] as const] : [],
    ),
  );
  const running = Object.values(services)
    .flatMap(({ containers }) => containers)
    .filter(({ state }) => state === 'running' || state === 'restarting');
  const writable = running
    .flatMap(({ mounts }) => mounts)
    .filter(({ type, readOnly }) => type === 'bind' && !readOnly)
    .map(({ source }) => throughLinks(source, links));
  const files = configuration.entries.filter(({ type }) => type === 'file').map(({ path }) => path);
  return new Set(files.filter((path) => writable.includes(at(path))));
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}
