import { describe, expect, it } from 'vitest';
import { aPoint, mirror } from '../support/mirror.js';
import { aPlan, aPresent, outline, planned, traitsOf } from '../support/planning.js';

/** Which services a plan is about. */

describe('a service that the point does not know', () => {
  const present = aPresent({ services: { api: {}, debug: { needs: { api: 'service_started' } } } });
  const removed = aPlan({
    operations: [
      {
        kind: 'remove',
        services: ['debug'],
        containers: ['debug-1'],
        cause: 'it had no containers at the point',
      },
    ],
    unchanged: ['api'],
    risks: [
      {
        code: 'service-removed',
        message: 'debug was not there at the point: its containers are removed, its volumes stay',
        hint: null,
      },
    ],
  });

  it('is removed, without hooks', () => {
    const traits = { debug: traitsOf('generic', { after: ['warm'] }) };
    expect(planned(present, aPoint({ services: { api: {} } }), { traits })).toEqual(removed);
  });

  it('is removed on the way to a safety point of a present without any container', () => {
    const plan = planned(present, mirror(aPresent(), { kind: 'safety' }));
    expect(outline(plan.operations)).toEqual(['remove debug', 'remove api']);
  });

  it('is left alone by a point that recorded files only', () => {
    const { operations, unchanged, risks } = planned(present, aPoint({ services: { api: { states: [] } } }));
    expect({ operations, unchanged }).toEqual({ operations: [], unchanged: [] });
    expect(risks).toEqual([
      {
        code: 'no-containers',
        message: 'the point recorded files only: containers are left alone',
        hint: null,
      },
    ]);
  });

  it('is left alone by a point of chosen services', () => {
    const target = mirror(aPresent({ services: { api: {} } }), { partial: true });
    expect(planned(present, target)).toEqual(aPlan({ unchanged: ['api'] }));
  });
});

describe('an orphan', () => {
  it('that changed cannot be made again, and is left as it is', () => {
    const old = { orphan: true };
    const present = aPresent({ services: { old: { ...old, image: 'old-v2' } }, images: ['old-v1'] });
    const plan = planned(present, aPoint({ services: { old } }), { options: { services: ['old'] } });
    expect(plan.operations.filter(({ kind }) => kind !== 'retag')).toEqual([]);
    expect({ unchanged: plan.unchanged, risks: plan.risks, blockers: plan.blockers }).toEqual({
      unchanged: [],
      risks: [
        {
          code: 'cannot-make',
          message:
            'old is left as it is: it runs image old-v2000000, the point has old-v1000000, and the files of the point do not define it',
          hint: null,
        },
      ],
      blockers: [],
    });
  });

  it('that is stopped is started: that needs no files', () => {
    const present = aPresent({ services: { old: { orphan: true, states: ['exited'] } } });
    const plan = planned(present, aPoint({ services: { old: { orphan: true } } }));
    expect(outline(plan.operations)).toEqual(['start old', 'verify old']);
  });
});

describe('only some services', () => {
  it('are touched when only they are asked for', () => {
    const services = { api: { hash: 'other' }, redis: { hash: 'other' }, web: {} };
    const target = aPoint({ services: { api: {}, redis: {}, web: {} } });
    const plan = planned(aPresent({ services }), target, { options: { services: ['api', 'web'] } });
    expect(outline(plan.operations)).toEqual(['stop api', 'up api', 'verify api']);
    expect(plan.unchanged).toEqual(['web']);
  });
});
