import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { ComposeModel } from '../../src/model/compose.js';
import { parsePlan, type Operation, type OperationKind, type Plan } from '../../src/model/plan.js';
import type { Observation } from '../../src/model/project.js';
import type { Target } from '../../src/plan/target.js';
import { aPoint, mirror } from '../support/mirror.js';
import { aPresent, planned } from '../support/planning.js';
import {
  changes,
  reversed,
  SERVICES as ALL,
  settledStacks,
  someServices,
  someTraits,
} from '../support/stacks.js';

/** What holds for every plan, whatever the stack. Plans that are carried out: plan-convergence.test.ts. */

const RUNS = { numRuns: 1000 };
// half a second each; more on a machine that is busy with engines
vi.setConfig({ testTimeout: 60_000 });

/** A present and a point, and how they meet. */
const meetings = fc
  .record({
    stacks: changes,
    traits: someTraits,
    services: someServices,
    outside: fc.boolean(),
    git: fc.boolean(),
    configOnly: fc.constantFrom(false, false, false, true),
  })
  .map(({ stacks, traits, ...options }) => ({ ...stacks, circumstances: { traits, options } }));

function everyPlan(check: (plan: Plan, present: Observation, target: Target) => void, runs = RUNS) {
  fc.assert(
    fc.property(meetings, ({ now, recorded, circumstances }) => {
      const present = aPresent(now);
      const target = aPoint(recorded);
      check(planned(present, target, circumstances), present, target);
    }),
    runs,
  );
}

type Kinds = readonly OperationKind[];

const STARTS: Kinds = ['up', 'start'];
const STOPS: Kinds = ['stop', 'remove'];
const FILES: Kinds = ['restore-file', 'restore-link', 'restore-directory', 'remove-file', 'checkout'];

function concerns(operation: Operation, service: string): boolean {
  if ('services' in operation) return operation.services.includes(service);
  return 'service' in operation && operation.service === service;
}

/** Where operations of these kinds stand, for one service or for all. */
function positions(operations: Operation[], kinds: Kinds, service?: string): number[] {
  return operations.flatMap((operation, index) =>
    kinds.includes(operation.kind) && (service === undefined || concerns(operation, service)) ? [index] : [],
  );
}

/** Do all of the first stand before all of the second? */
const before = (first: number[], second: number[]) =>
  Math.max(-1, ...first) < Math.min(Number.MAX_SAFE_INTEGER, ...second);

function starts(operations: Operation[], service: string): boolean {
  return operations.some(
    (operation) =>
      concerns(operation, service) &&
      (operation.kind === 'start' || (operation.kind === 'up' && operation.start)),
  );
}

/** Every `depends_on` of a model, as pairs. */
function dependencies({ model }: { model: ComposeModel | undefined }) {
  return Object.entries(model?.services ?? {}).flatMap(([service, { depends_on }]) =>
    Object.entries(depends_on).map(([needed, { condition, restart }]) => ({
      service,
      needed,
      condition,
      restart,
    })),
  );
}

describe('the point that records exactly this present', () => {
  it('needs nothing and is blocked by nothing', () => {
    fc.assert(
      fc.property(settledStacks, someTraits, fc.boolean(), (stack, traits, git) => {
        const present = aPresent(stack);
        const plan = planned(present, mirror(present), { traits, options: { outside: true, git } });
        expect(plan).toMatchObject({ operations: [], blockers: [] });
      }),
      RUNS,
    );
  });
});

describe('every plan', () => {
  it('comes to an end, 10,000 times, with operations or blockers that say why there are none', () => {
    everyPlan(
      ({ operations, blockers }) => {
        expect(operations.length).toBeLessThan(200);
        for (const { message } of blockers) expect(message).not.toBe('');
      },
      { numRuns: 10_000 },
    );
  });

  it('is what its published schema says, after a journey through JSON', () => {
    everyPlan((plan) => {
      const read: unknown = JSON.parse(JSON.stringify(plan));
      expect(parsePlan(read)).toEqual(plan);
    });
  });

  it('depends on its arguments alone, and leaves them as they were', () => {
    fc.assert(
      fc.property(meetings, ({ now, recorded, circumstances }) => {
        const present = frozen(aPresent(now));
        const target = frozen(aPoint(recorded));
        frozen(circumstances);
        expect(planned(present, target, circumstances)).toEqual(planned(present, target, circumstances));
      }),
      RUNS,
    );
  });

  it('does not depend on the order in which anything was listed', () => {
    fc.assert(
      fc.property(meetings, ({ now, recorded, circumstances }) => {
        const plan = planned(aPresent(now), aPoint(recorded), circumstances);
        const other = planned(aPresent(reversed(now)), aPoint(reversed(recorded)), circumstances);
        expect(other).toEqual(plan);
      }),
      RUNS,
    );
  });

  it('gives every operation a cause', () => {
    everyPlan(({ operations }) => {
      for (const { cause } of operations) expect(cause).toMatch(/\S/);
    });
  });

  it('never tells the value of a variable', () => {
    everyPlan((plan) => expect(JSON.stringify(plan)).not.toContain('s3cr3t'));
  });

  it('names a service as unchanged, or does something to it, never both', () => {
    everyPlan(({ operations, unchanged }) => {
      for (const service of unchanged) {
        expect(operations.filter((operation) => concerns(operation, service))).toEqual([]);
      }
    });
  });

  it('starts or reloads a service at most once', () => {
    everyPlan(({ operations }) => {
      for (const service of ALL) {
        expect(positions(operations, [...STARTS, 'reload'], service).length).toBeLessThan(2);
      }
    });
  });

  it('starts again what it stops, unless that did not run at the point', () => {
    everyPlan(({ operations }, _present, { point }) => {
      const stopped = operations.flatMap((one) =>
        one.kind === 'stop' || one.kind === 'remove' ? one.services : [],
      );
      for (const service of stopped) {
        const ran = (point.containers[service]?.running ?? 0) > 0;
        expect(starts(operations, service)).toBe(ran);
      }
    });
  });

  it('prepares before it stops, stops before it restores, restores before it starts', () => {
    everyPlan(({ operations }) => {
      const stages = [['prepare'], STOPS, FILES, [...STARTS, 'reload', 'verify']] as const;
      for (const [index, stage] of stages.entries()) {
        const later = stages.slice(index + 1).flat();
        expect(before(positions(operations, stage), positions(operations, later))).toBe(true);
      }
    });
  });

  it('stops dependants before what they need now, and starts them after what they needed then', () => {
    everyPlan(({ operations }, present, target) => {
      const stops = dependencies(present).filter(
        ({ service, needed }) =>
          !before(positions(operations, STOPS, service), positions(operations, STOPS, needed)),
      );
      const starting = dependencies(target).filter(
        ({ service, needed }) =>
          !before(positions(operations, STARTS, needed), positions(operations, STARTS, service)),
      );
      expect({ stops, starting }).toEqual({ stops: [], starting: [] });
    });
  });

  it('verifies what it starts before it starts what waits for its health', () => {
    everyPlan(({ operations }, _present, target) => {
      const awaited = dependencies(target).filter(
        ({ needed, condition }) => condition === 'service_healthy' && starts(operations, needed),
      );
      for (const { service, needed } of awaited) {
        const verified = positions(operations, ['verify'], needed);
        expect(verified).toHaveLength(1);
        expect(before(verified, positions(operations, STARTS, service))).toBe(true);
      }
    });
  });

  it('makes anew what lives in the network of what it makes anew', () => {
    everyPlan(({ operations, unchanged }, _present, target) => {
      const tenants = Object.entries(target.model?.services ?? {}).flatMap(([name, { network_mode }]) => {
        const lender = network_mode?.replace(/^service:/, '');
        return lender !== undefined && (target.point.containers[name]?.running ?? 0) > 0
          ? [{ name, lender }]
          : [];
      });
      const left = tenants.filter(
        ({ name, lender }) => positions(operations, ['up'], lender).length > 0 && unchanged.includes(name),
      );
      expect(left).toEqual([]);
    });
  });

  it('stops nothing whose image, definition, files, number and state are right, and that follows nobody', () => {
    everyPlan(({ operations }, present, target) => {
      const paths = operations.flatMap((operation) => ('path' in operation ? operation.path : []));
      const right = ALL.filter((service) => isRight(service, paths, present, target));
      expect(right.flatMap((service) => positions(operations, STOPS, service))).toEqual([]);
    });
  });

  it('touches no container when only files are asked for', () => {
    everyPlan((_plan, present, target) => {
      const { operations } = planned(present, target, { options: { configOnly: true, outside: true } });
      expect(operations.filter(({ kind }) => !FILES.includes(kind))).toEqual([]);
    });
  });

  it('touches only the services it was asked for', () => {
    fc.assert(
      fc.property(meetings, ({ now, recorded, circumstances }) => {
        const { operations } = planned(aPresent(now), aPoint(recorded), circumstances);
        const only = circumstances.options.services ?? ALL;
        const others = ALL.filter((service) => !only.includes(service));
        expect(operations.filter((one) => others.some((other) => concerns(one, other)))).toEqual([]);
      }),
      RUNS,
    );
  });
});

/** Judged by the facts, not through the planner's own eyes. */
function isRight(service: string, paths: string[], present: Observation, target: Target): boolean {
  const recorded = target.point.containers[service];
  const containers = present.services[service]?.containers ?? [];
  const mounts = containers.flatMap((container) => container.mounts.map(({ source }) => source));
  const seen = paths.map((path) => `${present.project.directory}/${path}`);
  return (
    recorded !== undefined &&
    recorded.running > 0 &&
    dependencies(target).every((one) => one.service !== service || !one.restart) &&
    containers.every(
      ({ state, imageId, configHash }) =>
        state === 'running' &&
        imageId === target.point.images[service]?.id &&
        configHash === (recorded.files_hash ?? recorded.config_hash),
    ) &&
    !seen.some((path) => mounts.some((mount) => path.startsWith(mount)))
  );
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) frozen(inner);
  }
  return value;
}
