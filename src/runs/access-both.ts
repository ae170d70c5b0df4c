import type { EngineKind } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { allOwn, readContainers } from '../project/containers.js';
import type { ManagerOptions } from '../session/options.js';
import type { Workspace } from '../session/workspace.js';
import type { Access } from './access.js';

/** The ways into a project on two engines, as `Access` on one: to look, and to change under its lock on both. */

/** The same project, opened on two engines: where it runs, and where it goes. */
export interface Sides {
  source: Workspace;
  target: Workspace;
}

/** The options that each side is opened with. */
export interface Ends {
  source: ManagerOptions;
  target: ManagerOptions;
}

/** An engine, as options name it. */
export interface EngineAddress {
  kind: EngineKind;
  /** Where it usually is when absent. */
  host?: string | undefined;
}

export function endsOf(options: ManagerOptions, source: EngineAddress, target: EngineAddress): Ends {
  const { context, host: named, ...rest } = options;
  const host = source.host ?? named;
  return {
    source: { ...rest, engine: source.kind, host, ...(host === undefined && { context }) },
    target: { ...rest, engine: target.kind, host: target.host },
  };
}

export function lookAtBoth<T>(access: Access, ends: Ends, act: (sides: Sides) => Promise<T>): Promise<T> {
  return access.at(ends.source).look((source) => withTarget(access, source, ends.target, act));
}

/**
 * Under the project's lock on both engines.
 * @param subjects ids of points and runs for the audit trail
 * @param settings as for `Access.change`
 */
export async function changeBoth<T>(
  access: Access,
  ends: Ends,
  action: string,
  subjects: (result: T) => string[],
  act: (sides: Sides) => Promise<T>,
  settings: { observes?: boolean } = {},
): Promise<T> {
  return await access
    .at(ends.source)
    .locking(action, (under) =>
      access
        .at(ends.source)
        .open({}, (source) =>
          withTarget(access, source, ends.target, (sides) =>
            under([sides.source, sides.target], subjects, () => act(sides), settings),
          ),
        ),
    );
}

/** The project of one engine on another one too, with one store for both. */
async function withTarget<T>(
  access: Access,
  source: Workspace,
  options: ManagerOptions,
  act: (sides: Sides) => Promise<T>,
): Promise<T> {
  const { project, store } = source;
  const { openWorkspace } = await import('../session/open.js');
  const target = await openWorkspace(options, access.runFacts, { fallbackName: project.name });
  try {
    if (target.identity.id === source.identity.id) {
      throw new RollbackError('usage', 'the project would move to the engine where it is', {
        hint: 'name the other one with --target-host',
      });
    }
    return await act({ source, target: { ...target, project, store } });
  } finally {
    target.store.close();
  }
}

/** True if the engine has containers of the project. An unreachable engine counts as no. */
export async function hasContainers(access: Access, options: ManagerOptions): Promise<boolean> {
  try {
    const { onEvent: _, ...quiet } = options;
    return await access.at(quiet).look(async ({ engine, project }) => {
      return allOwn(await readContainers(engine, project)).length > 0;
    });
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'engine-unreachable') return false;
    throw error;
  }
}
