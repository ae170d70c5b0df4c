import { change, look } from './access.js';
import type { Sides } from './migrate/move/look.js';
import type { EngineKind } from './model/engine.js';
import { RollbackError } from './model/errors.js';
import type { MoveKind, MovePlan } from './model/move.js';
import type { ManagerOptions } from './options.js';
import type { Workspace } from './run/workspace.js';
import { openWorkspace } from './wiring.js';

/** The ways into a project on two engines, as `access.ts` on one: to look, and to change under its lock on both. */

/** What each side is opened with. */
export interface Ends {
  source: ManagerOptions;
  target: ManagerOptions;
}

const ENDS: Record<MoveKind, { source: EngineKind; target: EngineKind }> = {
  'to-podman': { source: 'docker', target: 'podman' },
  'to-docker': { source: 'podman', target: 'docker' },
};

/** The engines of such a move; where no address is named, where they usually are. */
export function endsOf(
  options: ManagerOptions,
  kind: MoveKind,
  { source, target }: { source?: string | undefined; target?: string | undefined },
): Ends {
  const { context, host: named, ...rest } = options;
  const host = source ?? named;
  return {
    source: { ...rest, engine: ENDS[kind].source, host, ...(host === undefined && { context }) },
    target: { ...rest, engine: ENDS[kind].target, host: target },
  };
}

/** The engines of a move, where it found them. */
export function endsOfMove(
  options: ManagerOptions,
  { kind, source, target }: Pick<MovePlan, 'kind' | 'source' | 'target'>,
): Ends {
  return endsOf({ ...options, host: undefined, context: undefined }, kind, {
    source: source.host ?? undefined,
    target: target.host ?? undefined,
  });
}

export function lookAtBoth<T>(ends: Ends, act: (sides: Sides) => Promise<T>): Promise<T> {
  return look(ends.source, (source) => withTarget(source, ends.target, act));
}

/** Under the project's lock on both engines. `subjects` are the ids for the audit trail. */
export async function changeBoth<T>(
  ends: Ends,
  action: string,
  subjects: (result: T) => string[],
  act: (sides: Sides) => Promise<T>,
): Promise<T> {
  const { acquireLock, releaseDeadHolds } = await import('./work.js');
  return await change(ends.source, action, subjects, (source) =>
    withTarget(source, ends.target, async (sides) => {
      const { identity, project } = sides.target;
      const lock = await acquireLock({ engineId: identity.id, project: project.name, command: action });
      try {
        await releaseDeadHolds(sides.target);
        return await act(sides);
      } finally {
        await lock.release();
      }
    }),
  );
}

/** Other engines of the same kind have other containers and volumes of the same names. */
export function assertEngines({ source, target }: Sides, plan: Pick<MovePlan, 'source' | 'target'>): void {
  for (const [side, found] of [
    [plan.source, source.identity],
    [plan.target, target.identity],
  ] as const) {
    if (side.id === found.id) continue;
    throw new RollbackError(
      'blocked',
      `this is not the ${side.kind} of the move: it was ${side.id}, and here is ${found.id}`,
      {
        hint: 'call it as the same user, on the same machine',
      },
    );
  }
}

/** Has the engine anything of the project? One that is not there has not. */
export async function isThere(options: ManagerOptions): Promise<boolean> {
  try {
    const { onEvent: _, ...quiet } = options;
    return await look(quiet, async ({ engine, project }) => {
      return (await engine.containers({ project: project.name })).length > 0;
    });
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'engine-unreachable') return false;
    throw error;
  }
}

/** The project of one engine on another one too, with one store for both. */
async function withTarget<T>(
  source: Workspace,
  options: ManagerOptions,
  act: (sides: Sides) => Promise<T>,
): Promise<T> {
  const { project, store } = source;
  const target = await openWorkspace(options, project.name);
  try {
    if (target.identity.id === source.identity.id) {
      throw new RollbackError('usage', 'the project would move to the engine where it is', {
        hint: 'name the other one with --target-host',
      });
    }
    return await act({ source, target: { ...target, project, store } });
  } finally {
    target.begun?.early?.cancel();
    target.store.close();
  }
}
