import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';

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

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}
