import { describe, expect, it } from 'vitest';
import { aPoint } from '../support/mirror.js';
import { aPresent, outline, planned, type ServiceSpec } from '../support/planning.js';

/** Services that cannot stay as they are because another does not. */

const changed = { hash: 'other' };

/** What happens to `now` on the way to the same services without `now`'s differences. */
function operations(services: Record<string, ServiceSpec>, now: Record<string, ServiceSpec>) {
  const present = Object.fromEntries(
    Object.entries(services).map(([name, spec]) => [name, { ...spec, ...now[name] }]),
  );
  return planned(aPresent({ services: present }), aPoint({ services })).operations;
}

describe('a service in a namespace of a container, by its name or id', () => {
  const named = { more: { container_name: 'the-vpn' } };
  const inside = (mode: string, reference: string): ServiceSpec => ({
    more: { [mode]: `container:${reference}` },
  });

  it.each([
    ['network_mode', 'the-vpn'],
    ['pid', 'the-vpn'],
    ['ipc', 'shop-vpn-1'],
  ])('%s: container:%s is made anew with it, even though its definition stays', (mode, reference) => {
    const plan = operations({ vpn: named, app: inside(mode, reference), web: {} }, { vpn: changed });
    expect(outline(plan)).toEqual(['stop app', 'stop vpn', 'up vpn', 'up app', 'verify app', 'verify vpn']);
    expect(plan[3]).toMatchObject({ kind: 'up', services: ['app'], recreate: true });
    expect(plan[0]?.cause).toBe('it lives in vpn, which is made anew');
  });

  it('an id, or the beginning of one', () => {
    const id = 'b75a44c0cb7f5438e8fb652aa516702da77300fc5fbcc68c3a1b9a8739e27411';
    const services = { vpn: {}, app: inside('network_mode', id.slice(0, 12)) };
    const present = aPresent({ services: { ...services, vpn: changed } });
    Object.assign(present.services['vpn']?.containers[0] ?? {}, { id });
    expect(outline(planned(present, aPoint({ services })).operations)).toContain('up app');
  });

  it('is restarted with it', () => {
    const plan = operations(
      { vpn: named, app: inside('network_mode', 'the-vpn') },
      { vpn: { states: ['exited'] } },
    );
    expect(outline(plan)).toEqual(['stop app', 'start vpn', 'start app', 'verify app', 'verify vpn']);
  });

  it("stays when the container is somebody else's", () => {
    expect(outline(operations({ vpn: {}, app: inside('pid', 'other-vpn-1') }, { vpn: changed }))).toEqual([
      'stop vpn',
      'up vpn',
      'verify vpn',
    ]);
  });
});

describe('a service in the network of another', () => {
  const services = { vpn: {}, app: { lender: 'vpn' }, web: {} };

  it('is made anew with it', () => {
    const plan = operations(services, { vpn: changed });
    expect(outline(plan)).toEqual(['stop app', 'stop vpn', 'up vpn', 'up app', 'verify app', 'verify vpn']);
    expect(plan[0]?.cause).toBe('it lives in vpn, which is made anew');
  });

  it('is made anew, not started again, when it is stopped', () => {
    const plan = operations(services, { vpn: changed, app: { states: ['exited'] } });
    expect(outline(plan)).toEqual(['stop vpn', 'up vpn', 'up app', 'verify app', 'verify vpn']);
  });

  it('is restarted with it', () => {
    const plan = operations(services, { vpn: { states: ['exited'] } });
    expect(outline(plan)).toEqual(['stop app', 'start vpn', 'start app', 'verify app', 'verify vpn']);
    expect(plan[0]?.cause).toBe('it follows vpn');
  });

  it('is made anew when a run was interrupted before it was', () => {
    const present = aPresent({
      services: { ...services, app: { lender: 'vpn', ...changed, states: ['exited'] } },
    });
    expect(outline(planned(present, aPoint({ services })).operations)).toEqual(['up app', 'verify app']);
  });

  it('stays while it runs and its definition is the same: its hash changes with the id of the other', () => {
    expect(operations(services, { app: changed })).toEqual([]);
  });

  it('has followers of its own, whatever their names', () => {
    const chain = { a: { lender: 'b' }, b: { lender: 'c' }, c: {} };
    expect(outline(operations(chain, { c: changed })).filter((line) => line.startsWith('up'))).toEqual([
      'up c',
      'up b',
      'up a',
    ]);
  });

  it('that did not run at the point does not follow', () => {
    const stopped = { ...services, app: { lender: 'vpn', states: ['exited' as const] } };
    expect(outline(operations(stopped, { vpn: changed }))).toEqual(['stop vpn', 'up vpn', 'verify vpn']);
  });
});

describe('a service in a namespace of a container that was started after it', () => {
  const services = { app: { lender: 'vpn' }, vpn: {}, web: {} };
  const id = 'b75a44c0cb7f5438e8fb652aa516702da77300fc5fbcc68c3a1b9a8739e27411';
  const times = { early: '2026-01-01T00:00:00.6Z', late: '2026-01-01T00:00:00.65+00:00' };

  /** `joins` is what the engine says about app, whatever the files say. */
  function restarted(joins: string[], app: string, vpn: string) {
    const present = aPresent({ services });
    Object.assign(present.services['app']?.containers[0] ?? {}, { joins, startedAt: app });
    Object.assign(present.services['vpn']?.containers[0] ?? {}, { id, startedAt: vpn });
    return planned(present, aPoint({ services })).operations;
  }

  it.each([id, 'shop-vpn-1'])('is restarted: its namespace is gone (%s)', (reference) => {
    const plan = restarted([reference], times.early, times.late);
    expect(outline(plan)).toEqual(['stop app', 'start app', 'verify app']);
    expect(plan[0]?.cause).toBe('vpn was started after it and has new namespaces');
  });

  it('stays when it was started last, or lives in none of its containers', () => {
    expect(outline(restarted([id], times.late, times.early))).toEqual([]);
    expect(outline(restarted([id], times.early, times.early))).toEqual([]);
    expect(outline(restarted(['shop-web-1'], times.early, times.late))).toEqual([]);
  });
});

describe('a service that asked to be restarted with another', () => {
  const services = { redis: {}, api: { follows: ['redis'] }, web: { follows: ['api'] } };

  it('is restarted with it, and so are its followers', () => {
    expect(outline(operations(services, { redis: changed }))).toEqual([
      'stop web',
      'stop api',
      'stop redis',
      'up redis',
      'start api',
      'start web',
      'verify api',
      'verify redis',
      'verify web',
    ]);
  });

  it('is not one that only needs it', () => {
    const plain = { redis: {}, api: { needs: { redis: 'service_healthy' } } };
    expect(outline(operations(plain, { redis: changed }))).toEqual([
      'stop redis',
      'up redis',
      'verify redis',
    ]);
  });

  it('stays as it is when the other does', () => {
    expect(outline(operations(services, { web: changed }))).toEqual(['stop web', 'up web', 'verify web']);
  });
});

describe('a service whose container the engine ties to that of another', () => {
  const services = { db: {}, api: { tied: ['db'] }, web: {} };

  it('is made anew with it, and both go first: the one that is tied before the other', () => {
    const plan = operations(services, { db: changed });
    expect(outline(plan)).toEqual(['remove api', 'remove db', 'up api db', 'verify api', 'verify db']);
    expect(plan[0]?.cause).toBe('the engine ties it to db, which is made anew');
  });

  it('goes with it when it did not run at the point, and is not started', () => {
    const stopped = { ...services, api: { tied: ['db'], states: ['exited' as const] } };
    const plan = operations(stopped, { db: changed });
    expect(outline(plan)).toEqual(['remove api', 'remove db', 'up api', 'up db', 'verify db']);
    expect(plan[2]).toMatchObject({ kind: 'up', services: ['api'], start: false });
  });

  it('is in the way when it was left out', () => {
    const present = aPresent({ services: { ...services, db: { ...changed } } });
    expect(planned(present, aPoint({ services }), { options: { services: ['db'] } }).blockers).toEqual([
      {
        code: 'tied',
        message: 'db cannot go while api is there: the engine ties them',
        hint: 'take both: --services db,api',
      },
    ]);
  });

  it('goes alone when it alone differs', () => {
    expect(outline(operations(services, { api: changed }))).toEqual(['remove api', 'up api', 'verify api']);
  });
});

it('a provider that replaces nothing makes as many as the files say', () => {
  const services = { api: { states: ['running' as const, 'running' as const] } };
  const present = aPresent({ services: { api: {} }, replaces: false });
  expect(planned(present, aPoint({ services })).blockers).toMatchObject([{ code: 'replicas' }]);
});

it('a provider that replaces nothing finds nothing in its way', () => {
  const services = { api: {}, web: {} };
  const present = aPresent({ services: { ...services, api: changed }, replaces: false });
  const { operations: found } = planned(present, aPoint({ services }));
  expect(outline(found)).toEqual(['remove api', 'up api', 'verify api']);
});

describe('names of containers that were exchanged between services', () => {
  const called = (container_name: string): ServiceSpec => ({ more: { container_name } });

  it('those that have them go before the others are made', () => {
    const services = { blue: called('live'), green: called('spare') };
    const present = aPresent({
      services: { blue: { ...services.blue, ...changed }, green: { ...services.green, ...changed } },
    });
    const [blue, green] = ['blue', 'green'].map((name) => present.services[name]?.containers[0]);
    Object.assign(blue ?? {}, { name: 'spare' });
    Object.assign(green ?? {}, { name: 'live' });
    const plan = planned(present, aPoint({ services })).operations;
    expect(outline(plan).slice(0, 2)).toEqual(['remove blue green', 'up blue green']);
  });

  it('one that keeps its own is replaced by the provider', () => {
    const services = { blue: called('live'), green: called('spare') };
    const plan = operations(services, { blue: changed });
    expect(outline(plan)).toEqual(['stop blue', 'up blue', 'verify blue']);
  });
});
