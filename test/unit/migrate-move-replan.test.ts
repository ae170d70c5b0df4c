import { describe, expect, it } from 'vitest';
import { moveReturnSchema, movePlanSchema, type MovePlan } from '../../src/model/move.js';
import { planRescue, planRest, planReturn } from '../../src/migrate/move/replan.js';
import { aMove, atDocker, atPodman, data, outlineOf, someVolume } from '../support/moves.js';

/** What is left to do of a move that was interrupted, by how far it came. */

const replaced = { ...someVolume('files', ['api']), existing: true };
const copied = { ...someVolume('cache', ['api']), to: { driver: 'api', problem: null } as const };
const held = [{ id: 'web-1', restart: 'always' }];
const plan = aMove(atDocker(), { volumes: [data, replaced, copied], held, target: atPodman() });

const outline = (operations: MovePlan['operations']) => outlineOf({ ...plan, operations });

describe('a move that goes on', () => {
  it('copies everything again while nothing was started at the target', () => {
    expect(outline(planRest(plan, false).operations)).toEqual([
      'unswap-volume shop_data',
      'unswap-volume shop_files',
      ...outlineOf(plan),
    ]);
  });

  it('copies nothing any more once the target began to start', () => {
    expect(outline(planRest(plan, true).operations)).toEqual([
      'release-target web-1',
      'start-target api redis',
      'keep-replaced shop_files',
      'discard-parked shop_data',
    ]);
  });

  it('removes what is left beside new volumes, also for a plan of an earlier version', () => {
    const operations = plan.operations.filter(({ kind }) => kind !== 'discard-parked');
    expect(outline(planRest({ ...plan, operations }, true).operations).at(-1)).toBe(
      'discard-parked shop_data',
    );
  });

  it.each([false, true])('has a plan that a journal keeps', (started) => {
    const rest = planRest(plan, started);
    expect(movePlanSchema.parse(rest)).toEqual(rest);
  });
});

describe('a move that goes back', () => {
  it('starts the source first, and takes away what it made, while nothing was started at the target', () => {
    const way = planReturn(plan, false);
    expect(outline(way.operations)).toEqual([
      'start-source redis api',
      'return-target',
      'hold-target web-1',
      'remove-volume shop_data',
      'remove-volume shop_cache',
    ]);
    expect(way.operations[1]).toMatchObject({ data: true });
    expect(way.risks).toEqual([]);
    expect(moveReturnSchema.parse(way)).toEqual(way);
  });

  it('stops the target first, and leaves its data, once that began to start', () => {
    const way = planReturn(plan, true);
    expect(outline(way.operations)).toEqual([
      'return-target',
      'start-source redis api',
      'hold-target web-1',
      'keep-replaced shop_files',
      'discard-parked shop_data',
    ]);
    expect(way.operations[0]).toMatchObject({ data: false });
    expect(way.risks).toEqual([
      {
        code: 'data-stays',
        message: 'what was written on Podman since stays there, in shop_data, shop_files, shop_cache',
        hint: null,
      },
    ]);
  });

  it('reaches only the source when the target does not answer', () => {
    expect(outline(planRescue(plan).operations)).toEqual(['start-source redis api']);
  });
});
