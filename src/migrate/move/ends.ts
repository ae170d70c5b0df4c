import { RollbackError } from '../../model/errors.js';
import type { MoveKind, MovePlan } from '../../model/move.js';
import { endsOf, type Ends, type EngineAddress, type Sides } from '../../runs/access-both.js';
import type { ManagerOptions } from '../../session/options.js';

/** The two engines of a move. */

const ENDS = {
  'to-podman': { source: 'docker', target: 'podman' },
  'to-docker': { source: 'podman', target: 'docker' },
} as const;

/** The engines of a move of this kind; where no address is given, where they usually are. */
export function endsOfKind(options: ManagerOptions, kind: MoveKind, targetHost: string | undefined): Ends {
  const { source, target } = ENDS[kind];
  return endsOf(options, { kind: source }, { kind: target, host: targetHost });
}

type Engines = Pick<MovePlan, 'source' | 'target'>;

/** The engines of a move, where it found them. */
export function endsOfMove(options: ManagerOptions, { source, target }: Engines): Ends {
  const addressOf = ({ kind, host }: MovePlan['source']): EngineAddress => ({
    kind,
    host: host ?? undefined,
  });
  return endsOf({ ...options, host: undefined, context: undefined }, addressOf(source), addressOf(target));
}

/**
 * Other engines of the same kind have other containers and volumes of the same names.
 * @throws RollbackError `blocked`
 */
export function assertEngines({ source, target }: Sides, plan: Engines): void {
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
