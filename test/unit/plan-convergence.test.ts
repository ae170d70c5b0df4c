import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Observation } from '../../src/model/project.js';
import { isUp, recordsContainers } from '../../src/plan/services.js';
import type { Target } from '../../src/plan/target.js';
import { aPoint, mirror } from '../support/mirror.js';
import { aPresent, planned, type Circumstances } from '../support/planning.js';
import { simulate } from '../support/simulator.js';
import { changes, someTraits } from '../support/stacks.js';

/** Plans that are carried out on a simulated engine: they arrive, from wherever they were interrupted, and lead back. */

const RUNS = { numRuns: 1000 };
// half a second each; more on a machine that is busy with engines
vi.setConfig({ testTimeout: 60_000 });
const everything = { outside: true, git: true };

const journeys = fc.record({ stacks: changes, traits: someTraits });

/** The whole plan carried out, and what the files then say. */
function follow(present: Observation, target: Target, circumstances: Circumstances): Observation {
  const arrived = simulate(present, target, planned(present, target, circumstances).operations);
  const services = Object.values(arrived.services).map((service) => {
    const filesHash = target.point.containers[service.name]?.files_hash ?? undefined;
    return [service.name, { ...service, filesHash }];
  });
  return { ...arrived, model: target.model, services: Object.fromEntries(services) };
}

describe('a plan that was carried out', () => {
  it('leaves nothing to do', () => {
    fc.assert(
      fc.property(journeys, ({ stacks: { now, recorded }, traits }) => {
        const target = aPoint(recorded);
        const circumstances = { traits, options: everything };
        const arrived = follow(aPresent(now), target, circumstances);
        expect(planned(arrived, target, circumstances)).toMatchObject({ operations: [], blockers: [] });
      }),
      RUNS,
    );
  });

  it('has brought back what the point recorded', () => {
    fc.assert(
      fc.property(journeys, ({ stacks: { now, recorded }, traits }) => {
        const target = aPoint(recorded);
        const arrived = follow(aPresent(now), target, { traits, options: everything });
        expect(essence(arrived, target)).toEqual(essence(aPresent(recorded), target));
      }),
      RUNS,
    );
  });

  it('arrives from wherever it was killed', () => {
    fc.assert(
      fc.property(journeys, fc.nat(), ({ stacks: { now, recorded }, traits }, moment) => {
        const present = aPresent(now);
        const target = aPoint(recorded);
        const circumstances = { traits, options: everything };
        const { operations } = planned(present, target, circumstances);
        const killed = simulate(present, target, operations.slice(0, moment % (operations.length + 1)));
        const arrived = follow(killed, target, circumstances);
        expect(planned(arrived, target, circumstances).operations).toEqual([]);
        expect(essence(arrived, target)).toEqual(essence(aPresent(recorded), target));
      }),
      RUNS,
    );
  });

  it('can be undone, and undone again', () => {
    fc.assert(
      fc.property(journeys, ({ stacks: { now, recorded }, traits }) => {
        const before = aPresent(now);
        const target = aPoint(recorded);
        const safety = mirror(before, { kind: 'safety' });
        const circumstances = { traits, options: { ...everything, kind: 'undo' as const } };
        const arrived = follow(before, target, { traits, options: everything });
        const returned = follow(arrived, safety, circumstances);
        expect(essence(returned, safety)).toEqual(essence(before, safety));
        const forth = mirror(arrived, { kind: 'safety' });
        const redone = follow(returned, forth, circumstances);
        expect(essence(redone, forth)).toEqual(essence(arrived, forth));
      }),
      RUNS,
    );
  });

  it('can be taken back from wherever it failed', () => {
    fc.assert(
      fc.property(journeys, fc.nat(), ({ stacks: { now, recorded }, traits }, moment) => {
        const before = aPresent(now);
        const target = aPoint(recorded);
        const safety = mirror(before, { kind: 'safety' });
        const { operations } = planned(before, target, { traits, options: everything });
        const failed = simulate(before, target, operations.slice(0, moment % (operations.length + 1)));
        const returned = follow(failed, safety, { traits, options: { ...everything, kind: 'return' } });
        expect(essence(returned, safety)).toEqual(essence(before, safety));
      }),
      RUNS,
    );
  });
});

/** What has to come back: what the point knows, and files can make again. */
function essence(now: Observation, { model, point }: Target) {
  const services = Object.values(now.services).filter(
    ({ name, containers }) => containers.length > 0 && model?.services[name],
  );
  const entries = [...now.configuration.entries, ...now.configuration.outside].filter(
    ({ type, path }) =>
      type !== 'absent' && [...point.entries, ...point.outside].some((entry) => entry.path === path),
  );
  const tags = Object.values(point.images).filter(({ tag_id }) => tag_id !== null);
  const accepted = (name: string) => [
    point.containers[name]?.config_hash,
    point.containers[name]?.files_hash,
  ];
  return {
    services:
      recordsContainers(point) &&
      Object.fromEntries(
        services.map(({ name, containers }) => [
          name,
          {
            images: containers.map(({ imageId }) => imageId),
            // one that lives in another's network and does not run cannot be told from its like (services.ts)
            defined:
              (model?.services[name]?.network_mode !== undefined && !containers.some(isUp)) ||
              containers.every(({ configHash }) => accepted(name).includes(configHash)),
            up: containers.some(isUp),
          },
        ]),
      ),
    entries: Object.fromEntries(entries.map((entry) => [entry.path, bare(entry)])),
    tags: Object.fromEntries(tags.map(({ ref }) => [ref, now.images[ref]?.id])),
  };
}

function bare(entry: Observation['configuration']['entries'][number]) {
  const { path, type } = entry;
  return { path, type, mode: 'mode' in entry && entry.mode, bytes: 'sha256' in entry && entry.sha256 };
}
