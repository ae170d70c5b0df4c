import type { MoveOperation, MovePlan } from '../../model/move.js';

export function operation<K extends MoveOperation['kind']>(
  kind: K,
  rest: Omit<Extract<MoveOperation, { kind: K }>, 'kind' | 'cause'>,
  cause: string,
) {
  return { kind, ...rest, cause };
}

/** New volumes are exchanged against empty directories. */
export function discardParked(volumes: MovePlan['volumes']): MoveOperation[] {
  return volumes
    .filter(({ existing, to }) => !existing && to === 'host')
    .map(({ name }) => operation('discard-parked', { volume: name }, 'it was empty'));
}
