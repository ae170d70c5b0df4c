import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Plan, VolumeFinding } from '../../src/model/plan.js';
import type { VolumeData } from '../../src/model/point.js';
import { aPoint } from '../support/mirror.js';
import { sha256 } from '../support/file-specs.js';
import {
  aPresent,
  aVolumeFinding,
  outline,
  planned,
  traitsOf,
  type Circumstances,
  type Stack,
} from '../support/planning.js';
import { simulate } from '../support/simulator.js';
import { changes } from '../support/stacks.js';

/** Data of `shop_VOLUME`, used by these services, as the point has it. */
function someData(volume: string, services: string[], overrides: Partial<VolumeData> = {}): VolumeData {
  return {
    name: `shop_${volume}`,
    kind: 'volume',
    services,
    driver: 'host',
    consistency: 'pause',
    stored: `volumes/shop_${volume}.tar.zst`,
    size: 1000,
    sha256: sha256(volume),
    compression: 'zstd',
    entries: 3,
    bytes: 5_000_000,
    listing: null,
    skipped: [],
    ...overrides,
  };
}

const stack: Stack = {
  services: { api: { needs: { redis: 'service_started' } }, redis: { volumes: ['data'] } },
};
const present = aPresent(stack);
const target = aPoint(stack);
const withData = {
  ...target,
  point: { ...target.point, volumes: ['shop_data'], volume_data: [someData('data', ['redis'])] },
};

function plan(finding: Partial<VolumeFinding> = {}, circumstances: Circumstances = {}): Plan {
  const volumes = { shop_data: aVolumeFinding(present, 'data', finding) };
  return planned(present, withData, {
    traits: { redis: traitsOf('redis', { prepares: true }) },
    ...circumstances,
    findings: { volumes },
  });
}

describe('a volume whose data the point has', () => {
  it('is unpacked beside while services run, exchanged while its own are down, and archived once they run again', () => {
    const { operations, unchanged, risks } = plan();
    expect(outline(operations)).toEqual([
      'stage-volume shop_data',
      'prepare redis',
      'stop redis',
      'restore-volume shop_data',
      'start redis',
      'verify redis',
      'keep-volume shop_data',
    ]);
    expect(unchanged).toEqual(['api']);
    expect(operations[2]).toMatchObject({
      cause: 'the data in shop_data is exchanged',
      containers: ['redis-1'],
    });
    expect(operations[3]).toMatchObject({ driver: 'host', from: 'point' });
    expect(risks).toEqual([
      {
        code: 'data-replaced',
        message: 'the data in shop_data is replaced by that of the point (5.0 MB, 2 hours old)',
        hint: 'the safety point keeps it: undo brings it back',
      },
    ]);
  });

  it('is archived before it is emptied, where the engine has to copy', () => {
    const { operations, risks } = plan({ driver: 'api' });
    expect(outline(operations)).toEqual([
      'prepare redis',
      'stop redis',
      'archive-volume shop_data',
      'restore-volume shop_data',
      'start redis',
      'verify redis',
    ]);
    expect(risks.map(({ code }) => code)).toEqual(['data-replaced', 'slow-copy']);
  });

  it('is left alone when data is to be left alone', () => {
    expect(plan({}, { options: { volumes: false } }).operations).toEqual([]);
    expect(plan({}, { options: { configOnly: true } }).operations).toEqual([]);
    expect(plan({}, { options: { services: ['api'] } }).operations).toEqual([]);
  });

  it('takes no archive of what a failed run left, on the way back', () => {
    expect(outline(plan({}, { options: { kind: 'return' } }).operations)).toEqual([
      'stage-volume shop_data',
      'stop redis',
      'restore-volume shop_data',
      'start redis',
      'verify redis',
    ]);
  });

  it('is only archived when a killed run had exchanged it', () => {
    expect(outline(plan({ restored: true, aside: true }).operations)).toEqual(['keep-volume shop_data']);
    expect(plan({ restored: true }).operations).toEqual([]);
  });

  it.each<[string, Partial<VolumeFinding>, string, string]>([
    [
      'nothing can write to it',
      { driver: null, problem: 'it is on NFS' },
      'volume-unfit',
      'the data of shop_data cannot be restored: it is on NFS',
    ],
    [
      'a container of another project uses it',
      { users: [{ id: 'x', name: 'blog-web-1', project: 'blog', service: 'web' }] },
      'volume-shared',
      'shop_data is in use by container blog-web-1 of project blog',
    ],
    [
      'a one-off container uses it',
      { users: [{ id: 'x', name: 'shop-redis-run-1', project: 'shop', service: undefined }] },
      'volume-shared',
      'shop_data is in use by container shop-redis-run-1',
    ],
    [
      'there is no space beside it',
      { missingBytes: 1_500_000 },
      'disk-full',
      '1.5 MB are missing beside shop_data to unpack its data',
    ],
  ])('is blocked when %s', (_, finding, code, message) => {
    expect(plan(finding).blockers).toEqual([expect.objectContaining({ code, message })]);
  });

  it('of a service that is stopped anyway does not stop anything more', () => {
    const stopped = aPresent({ services: { redis: { volumes: ['data'], states: ['exited'] } } });
    const volumes = { shop_data: aVolumeFinding(stopped, 'data') };
    expect(outline(planned(stopped, withData, { findings: { volumes } }).operations)).toContain(
      'start redis',
    );
  });
});

describe('data that a run put aside', () => {
  const safety = {
    ...target,
    point: {
      ...target.point,
      kind: 'safety' as const,
      replaced: [
        { name: 'shop_data', kind: 'volume' as const, services: ['redis'], path: '/volumes/shop_data/_data' },
      ],
    },
  };
  const back = (finding: Partial<VolumeFinding>, kind: Plan['kind']) =>
    planned(present, safety, {
      findings: { volumes: { shop_data: aVolumeFinding(present, 'data', finding) } },
      options: { kind },
    });

  it('comes back by itself', () => {
    const { operations } = back({ aside: true }, 'return');
    expect(outline(operations)).toEqual([
      'stop redis',
      'restore-volume shop_data',
      'start redis',
      'verify redis',
    ]);
    expect(operations[1]).toMatchObject({ from: 'aside' });
  });

  it('is where it was when the run never exchanged it', () => {
    expect(back({ aside: false }, 'return').operations).toEqual([]);
  });

  it('has to be archived before an undo, which would put something else aside', () => {
    expect(back({ aside: true }, 'undo').blockers).toEqual([
      expect.objectContaining({ code: 'not-archived' }),
    ]);
  });
});

it('whatever else changes, nothing runs on a volume while its data is exchanged', () => {
  const journeys = fc.record({ stacks: changes, driver: fc.constantFrom('host' as const, 'api' as const) });
  fc.assert(
    fc.property(journeys, ({ stacks: { now, recorded }, driver }) => {
      const before = aPresent(now);
      const point = aPoint(recorded);
      const names = new Set(Object.values(now.services ?? {}).flatMap(({ volumes = [] }) => volumes));
      const volume_data = [...names].map((name) => someData(name, Object.keys(now.services ?? {})));
      const volumes = Object.fromEntries(
        [...names].map((name) => [`shop_${name}`, aVolumeFinding(before, name, { driver })]),
      );
      const data = { ...point, point: { ...point.point, volume_data } };
      const { operations } = planned(before, data, { findings: { volumes }, options: { outside: true } });
      simulate(before, data, operations);
      const restored = operations.filter(({ kind }) => kind === 'restore-volume');
      expect(restored).toHaveLength(names.size);
    }),
    { numRuns: 1000 },
  );
});
