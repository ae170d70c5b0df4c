import { describe, expect, it } from 'vitest';
import type { Point } from '../../src/model/point.js';
import { notCoveredBy } from '../../src/plan/coverage.js';
import { renderPlan } from '../../src/plan/render.js';
import { rollbackWords } from '../../src/rollback/words.js';
import { aPoint } from '../support/mirror.js';
import { aPresent, NOW, planned, type Stack } from '../support/planning.js';

/** What a point does not hold is named, and nothing is claimed of it. */

const then: Stack = { services: { web: {}, db: {} } };
const LEFT = {
  without_data: [
    { name: 'shop_data', kind: 'volume', services: ['db'] },
    { name: 'nginx', kind: 'bind', services: ['web'] },
  ],
  skipped: [{ path: 'app.db', reason: 'is a database: data, not configuration' }],
} satisfies Partial<Point>;
const VOLUME = { what: 'volume shop_data', reason: 'its data was not recorded' };
const DIRECTORY = { what: 'nginx/', reason: 'services write to it, and its data was not recorded' };
const DATABASE = { what: 'app.db', reason: 'is a database: data, not configuration' };

const data = (name: string): Point['volume_data'][number] => ({
  name,
  kind: 'volume',
  services: ['db'],
  driver: 'host',
  consistency: 'pause',
  stored: 'volumes/1',
  size: 1,
  sha256: `sha256:${'0'.repeat(64)}`,
  compression: 'zstd',
  entries: 1,
  bytes: 1,
  listing: null,
  skipped: [],
});

describe('a plan', () => {
  const notCovered = (overrides: Partial<Point>, options: object = {}) =>
    planned(aPresent(then), aPoint(then, overrides), { options }).not_covered;

  it('names data and files that the point does not have', () => {
    expect(notCovered(LEFT)).toEqual([VOLUME, DIRECTORY, DATABASE]);
    expect(notCovered({})).toEqual([]);
  });

  it('of some services names the data of these', () => {
    expect(notCovered(LEFT, { services: ['web'] })).toEqual([DIRECTORY, DATABASE]);
  });

  it('names data of the point that is left alone, as asked', () => {
    const held = { volume_data: [data('shop_data')] };
    const left = [{ what: 'shop_data', reason: 'its data is left alone, as asked' }];
    expect(notCovered(held, { volumes: false })).toEqual(left);
    expect(notCovered(held, { configOnly: true })).toEqual(left);
    expect(notCovered(held, { volumes: false, services: ['web'] })).toEqual([]);
  });

  it('does not name data that a run added to its safety point later', () => {
    const { point } = aPoint(then, { ...LEFT, volume_data: [data('shop_data')] });
    expect(notCoveredBy(point)).toEqual([DIRECTORY, DATABASE]);
  });
});

describe('what a person reads', () => {
  const plan = planned(aPresent(then), aPoint(then, LEFT));

  it('in a plan: at most ten lines, and no claim about the rest', () => {
    expect(renderPlan(plan, NOW)).toBe(
      `
Rollback plan: Before v2 (rb-a1b2c3d4e5f6, 2 hours old)
  Nothing to do: everything that was compared is as it was at the point
Untouched: db, web
Not covered by the point, and left as it is today:
  - volume shop_data: its data was not recorded
  - nginx/: services write to it, and its data was not recorded
  - app.db: is a database: data, not configuration`.trimStart(),
    );
    const many = Array.from({ length: 30 }, (_, index) => ({ path: `${index}.db`, reason: 'is a database' }));
    const lines = renderPlan(planned(aPresent(then), aPoint(then, { skipped: many })), NOW).split('\n');
    expect([lines.length, lines.at(-1)]).toEqual([14, '  - and 21 more things']);
  });

  it('in a result', () => {
    const outcome = { kind: 'rollback' as const, plan, run: null, safety: null, warnings: [], proof: null };
    expect(rollbackWords.result({ ...outcome, result: 'nothing-to-do' }, 'rollback')).toEqual({
      title: 'Nothing to do: everything that was compared is as it was at rb-a1b2c3d4e5f6 (Before v2)',
      next: [
        'Not covered, left as it is: volume shop_data: its data was not recorded',
        'Not covered, left as it is: nginx/: services write to it, and its data was not recorded',
        'Not covered, left as it is: app.db: is a database: data, not configuration',
      ],
    });
    const done = rollbackWords.result({ ...outcome, result: 'done', run: 'run-1' }, 'rollback');
    expect(done.next.at(-1)).toBe('To take this rollback back: compose-rollback undo run-1');
    expect(done.next).toHaveLength(4);
    expect(rollbackWords.document({ ...outcome, result: 'done' })).toMatchObject({
      not_covered: [VOLUME, DIRECTORY, DATABASE],
    });
  });
});

describe('a point of a failing service', () => {
  const evidence = { status: 'fail', by: 'state', reason: 'it keeps restarting' } as const;
  const failing = (options: object = {}) => {
    const target = aPoint(then, { failing: ['web'] });
    Object.assign(target.point.containers['web'] ?? {}, { evidence });
    return planned(aPresent(then), target, { options });
  };

  it('is a risk, and no difference', () => {
    const plan = failing();
    expect(plan.risks).toEqual([
      {
        code: 'point-failing',
        message: 'web was failing when the point was made: it keeps restarting',
        hint: 'compose-rollback list shows points that were not',
      },
    ]);
    expect(renderPlan(plan, NOW)).toContain(
      'Nothing to do: everything that was compared is as it was at the point',
    );
  });

  it('concerns neither other services nor a run that goes back', () => {
    expect(failing({ services: ['db'] }).risks).toEqual([]);
    expect(failing({ kind: 'undo' }).risks).toEqual([]);
  });
});
