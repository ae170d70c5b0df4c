import { MOVE_FORMAT, type MoveOperation, type MovePlan, type MoveReturn } from '../../model/move.js';
import { engineName } from './facts.js';
import { discardParked, operation } from './operations.js';

/** Plans the rest, or the way back, of a move that was interrupted. Pure. */

/**
 * The plan with which a move whose process died goes on.
 * @param started the target had begun to start: its data may have been written since, so nothing is copied any more
 */
export function planRest(plan: MovePlan, started: boolean): MovePlan {
  const whole = plan.operations.filter(({ kind }) => kind !== 'discard-parked');
  const first = whole.findIndex(({ kind }) => kind === 'release-target' || kind === 'start-target');
  const remaining = started ? whole.slice(first) : [...unswap(plan), ...whole];
  return { ...plan, operations: [...remaining, ...discardParked(plan.volumes)] };
}

function unswap({ volumes }: MovePlan): MoveOperation[] {
  return volumes
    .filter(({ to }) => to === 'host')
    .map(({ name }) =>
      operation('unswap-volume', { volume: name }, 'the source may have run since it was copied'),
    );
}

/**
 * The way back: the services run at the source again, and the target has no containers of them.
 * @param started the target had begun to start: its data may have been written since, and stays there
 */
export function planReturn(plan: MovePlan, started: boolean): MoveReturn {
  const { held, volumes, target } = plan;
  const start = startSource(plan);
  const hold =
    held.length > 0
      ? [operation('hold-target', { containers: held.map(({ id }) => id) }, 'an earlier move took them')]
      : [];
  const operations = started
    ? [
        operation('return-target', { data: false }, 'it has what was written since'),
        start,
        ...hold,
        ...volumes
          .filter(({ existing, to }) => existing && to === 'host')
          .map(({ name }) => operation('keep-replaced', { volume: name }, 'so that it is not lost')),
        ...discardParked(volumes),
      ]
    : [
        start,
        operation('return-target', { data: true }, 'nothing was started there'),
        ...hold,
        ...volumes
          .filter(({ existing }) => !existing)
          .map(({ name }) => operation('remove-volume', { volume: name }, 'the move made it')),
      ];
  const names = volumes.map(({ name }) => name);
  const dataRisks =
    started && names.length > 0
      ? [
          {
            code: 'data-stays',
            message: `what was written on ${engineName(target)} since stays there, in ${names.join(', ')}`,
            hint: null,
          },
        ]
      : [];
  return { format: MOVE_FORMAT, kind: 'return', operations, risks: dataRisks, blockers: [] };
}

/** Starts the source while the target engine does not answer and nothing can have started there. */
export function planRescue(plan: MovePlan): MoveReturn {
  return { format: MOVE_FORMAT, kind: 'return', operations: [startSource(plan)], risks: [], blockers: [] };
}

function startSource({ running, source }: MovePlan): MoveOperation {
  const services = [...new Set(running.map(({ service }) => service))];
  const containers = running.map(({ id }) => id);
  return operation('start-source', { services, containers }, `they ran on ${engineName(source)}`);
}
