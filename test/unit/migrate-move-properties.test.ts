import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Container } from '../../src/model/engine.js';
import {
  parseMovePlan,
  type MoveOperation,
  type MoveOperationOf,
  type MovePlan,
} from '../../src/model/move.js';
import type { Observation } from '../../src/model/project.js';
import { dependenciesOf, needs } from '../../src/plan/order.js';
import { isUp } from '../../src/plan/services.js';
import type { MoveFacts, VolumeFacts } from '../../src/migrate/move/facts.js';
import { planMove } from '../../src/migrate/move/plan.js';
import { aPoint } from '../support/mirror.js';
import { atPodman } from '../support/moves.js';
import { aPresent } from '../support/planning.js';
import { changes } from '../support/stacks.js';

/** What holds for every plan of a move, whatever is at both sides. Each kind of finding: migrate-move-plan.test.ts. */

const RUNS = { numRuns: 1000 };
// As plan-properties: more on a machine that is busy with engines.
vi.setConfig({ testTimeout: 60_000 });

const access = fc.oneof(
  { weight: 4, arbitrary: fc.record({ driver: fc.constant('host' as const), problem: fc.constant(null) }) },
  { weight: 2, arbitrary: fc.record({ driver: fc.constant('api' as const), problem: fc.constant(null) }) },
  { weight: 1, arbitrary: fc.record({ driver: fc.constant(null), problem: fc.constant('it is on NFS') }) },
);

const volume = (name: string): fc.Arbitrary<VolumeFacts> =>
  fc.record({
    name: fc.constant(name),
    services: fc.constant(['api']),
    existing: fc.boolean(),
    from: access,
    to: access,
    users: fc.constantFrom([], [], [], ['blog-web-1']),
    bytes: fc.nat(),
  });

/** Two stacks of one project, at two engines, and all that could be found of them. */
const meetings: fc.Arbitrary<MoveFacts> = fc
  .record({
    stacks: changes,
    back: fc.boolean(),
    policies: fc.array(fc.constantFrom('no', 'always', 'unless-stopped'), { minLength: 1 }),
    volumes: fc.subarray(['data', 'files']).chain((names) => fc.tuple(...names.map(volume))),
    held: fc.boolean(),
    toGoal: fc.boolean(),
    data: fc.boolean(),
    taken: fc.boolean(),
    storage: fc.option(fc.record({ directory: fc.constant('/var/lib/containers'), free: fc.nat() })),
  })
  .map(({ stacks: { now, recorded }, back, policies, volumes, held, toGoal, data, taken, storage }) => {
    const [here, there] = back
      ? [atPodman(now), aPresent({ ...recorded, services: {} })]
      : [aPresent(now), atPodman({ ...recorded, services: {} })];
    const source = withPolicies(here, policies);
    return {
      kind: back ? 'to-docker' : 'to-podman',
      source,
      target: there,
      volumes,
      left: [],
      shared: [],
      obstacles: [],
      directories: [],
      hosts: { source: null, target: null },
      held: held ? [{ id: 'old-1', restart: 'always' }] : [],
      goal: toGoal ? aPoint(recorded) : undefined,
      data,
      files: [],
      names: {},
      undoes: null,
      storage,
      findings: {
        takenPorts: taken ? [{ service: 'web', port: '*:80/tcp', holder: 'nginx' }] : [],
        missingExternal: [],
      },
    };
  });

function withPolicies(present: Observation, policies: string[]): Observation {
  for (const [index, container] of containersOf(present).entries()) {
    container.restart = policies[index % policies.length] ?? 'no';
  }
  return present;
}

const containersOf = ({ services }: Observation): Container[] =>
  Object.values(services).flatMap(({ containers }) => containers);

function everyPlan(check: (plan: MovePlan, facts: MoveFacts) => void) {
  fc.assert(
    fc.property(meetings, (facts) => check(planMove(facts), facts)),
    RUNS,
  );
}

function of<K extends MoveOperation['kind']>({ operations }: MovePlan, kind: K): MoveOperationOf<K>[] {
  return operations.filter((operation): operation is MoveOperationOf<K> => operation.kind === kind);
}

/** Where operations of these kinds stand. */
const positions = ({ operations }: MovePlan, ...kinds: MoveOperation['kind'][]) =>
  operations.flatMap(({ kind }, index) => (kinds.includes(kind) ? [index] : []));

/** All of the first stand before all of the second. */
const inTurn = (first: number[], second: number[]) =>
  expect(Math.max(-1, ...first)).toBeLessThan(Math.min(Number.MAX_SAFE_INTEGER, ...second));

describe('every move', () => {
  it('is what its published schema says, after a journey through JSON, with a cause for each operation', () => {
    everyPlan((plan) => {
      expect(parseMovePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
      for (const { cause } of plan.operations) expect(cause).toMatch(/\S/);
    });
  });

  it('depends on its facts alone, and leaves them as they were', () => {
    fc.assert(
      fc.property(meetings, (facts) => {
        const before = structuredClone(facts);
        const plan = planMove(facts);
        expect(facts).toEqual(before);
        expect(planMove(before)).toEqual(plan);
      }),
      RUNS,
    );
  });

  it('stages everything before the first stop: images, and each volume of the plan', () => {
    everyPlan((plan) => {
      const staged = positions(plan, 'carry-image', 'carry-volume');
      inTurn(staged, positions(plan, 'hold-source', 'stop-source'));
      expect(of(plan, 'carry-volume').map((operation) => operation.volume)).toEqual(
        plan.volumes.map(({ name }) => name),
      );
    });
  });

  it('compares each volume once the source is down, before the target starts', () => {
    everyPlan((plan) => {
      const compared = positions(plan, 'sync-volume');
      inTurn(positions(plan, 'stop-source'), compared);
      inTurn(compared, positions(plan, 'start-target'));
      expect(of(plan, 'sync-volume').map((operation) => operation.volume)).toEqual(
        plan.volumes.map(({ name }) => name),
      );
    });
  });

  it('carries all data that can be carried, or is blocked; and none when none is to go', () => {
    everyPlan((plan, { data, volumes }) => {
      const names = plan.volumes.map(({ name }) => name);
      if (!data) expect(names).toEqual([]);
      else if (plan.blockers.length === 0) expect(names).toEqual(volumes.map(({ name }) => name));
    });
  });

  it('is blocked by data that does not fit, and by images never', () => {
    everyPlan((plan, { data, volumes, storage }) => {
      const needed = data ? volumes.reduce((sum, { bytes }) => sum + bytes, 0) : 0;
      const fits = storage === null || needed <= storage.free;
      expect(plan.blockers.some(({ code }) => code === 'disk-full')).toBe(!fits);
    });
  });

  it('takes restart policies away before it stops, of all that the engine would start again', () => {
    everyPlan((plan, { source }) => {
      inTurn(positions(plan, 'hold-source'), positions(plan, 'stop-source'));
      const held = of(plan, 'hold-source').flatMap(({ containers }) => containers);
      const again = containersOf(source).filter(({ restart }) => restart !== 'no');
      expect(held.toSorted()).toEqual(
        source.engine.changesRestart ? again.map(({ id }) => id).toSorted() : [],
      );
      expect(plan.policies.map(({ id }) => id)).toEqual(held);
    });
  });

  it('stops what runs at the source, each container once, and removes nothing anywhere', () => {
    everyPlan((plan, { source }) => {
      const stopped = of(plan, 'stop-source').flatMap(({ containers }) => containers);
      const up = containersOf(source)
        .filter(isUp)
        .map(({ id }) => id);
      expect(stopped.toSorted()).toEqual(up.toSorted());
      expect(plan.running.map(({ id }) => id).toSorted()).toEqual(up.toSorted());
      for (const { kind } of plan.operations) expect(kind).not.toMatch(/remove|delete|prune/);
    });
  });

  it('stops those first that need others, and remembers to start them last', () => {
    everyPlan((plan, { source: { model } }) => {
      if (!model) return;
      const stops = of(plan, 'stop-source').map(({ services }) => services);
      const wave = (service: string) => stops.findIndex((services) => services.includes(service));
      const start = (service: string) => plan.running.findIndex((one) => one.service === service);
      const dependencies = dependenciesOf(model);
      for (const one of stops.flat()) {
        for (const other of stops.flat()) {
          const [there, back] = [needs(one, other, dependencies), needs(other, one, dependencies)];
          if (one === other || !there || back) continue;
          expect(wave(one)).toBeLessThan(wave(other));
          expect(start(one)).toBeGreaterThan(start(other));
        }
      }
    });
  });

  it('starts the target once, after all of it, and archives only what was there and was exchanged', () => {
    everyPlan((plan, { held }) => {
      expect(of(plan, 'start-target')).toHaveLength(1);
      inTurn(
        positions(
          plan,
          'carry-image',
          'carry-volume',
          'hold-source',
          'stop-source',
          'sync-volume',
          'release-target',
        ),
        positions(plan, 'start-target'),
      );
      inTurn(positions(plan, 'start-target'), positions(plan, 'keep-replaced'));
      expect(of(plan, 'keep-replaced').map((operation) => operation.volume)).toEqual(
        plan.volumes.filter(({ existing, to }) => existing && to === 'host').map(({ name }) => name),
      );
      expect(of(plan, 'release-target').flatMap(({ containers }) => containers)).toEqual(
        held.map(({ id }) => id),
      );
    });
  });

  it('leaves the target with every image that ran, under its name, or is blocked', () => {
    everyPlan((plan, { source, target, goal }) => {
      if (plan.blockers.length > 0 || goal) return;
      const carried = new Set(of(plan, 'carry-image').map(({ image, ref }) => `${image} ${ref}`));
      for (const { imageId, imageRef } of containersOf(source)) {
        const layers = source.images[imageId]?.diffIds.join();
        const there = layers !== undefined && target.images[imageRef]?.diffIds.join() === layers;
        expect(there || carried.has(`${imageId} ${imageRef}`)).toBe(true);
      }
    });
  });

  it('starts what ran, or what ran at its point, and nothing that the files do not define', () => {
    everyPlan((plan, { source, goal }) => {
      const [start] = of(plan, 'start-target');
      if (goal) {
        for (const name of start?.services ?? []) {
          expect(goal.point.containers[name]?.running).toBeGreaterThan(0);
        }
        return;
      }
      expect(start?.services).toEqual([...new Set(plan.running.map(({ service }) => service))].toSorted());
      if (plan.blockers.length > 0) return;
      for (const name of start?.services ?? []) expect(source.model?.services[name]).toBeDefined();
    });
  });
});
