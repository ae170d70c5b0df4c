import * as fc from 'fast-check';
import type { ContainerState } from '../../src/model/engine.js';
import type { HandlerTraits } from '../../src/model/plan.js';
import type { Traits } from '../../src/plan/target.js';
import { type FileSpec } from './file-specs.js';
import { traitsOf, type ServiceSpec, type Stack } from './planning.js';

/** Random small stacks for properties of the planner. Names are few, so that two stacks meet often. */

export const SERVICES = ['api', 'cache', 'db', 'job', 'web'];
const IMAGES = ['v1', 'v2', 'v3'];
const TAGS = ['app:latest', 'tool:1'];
/** What a digest names never changes. */
const DIGEST = { ref: 'app@sha256:d1', image: 'v1' };

const SETTLED: ContainerState[] = ['running', 'exited', 'created'];
const ANY_STATE: ContainerState[] = [...SETTLED, 'paused', 'restarting', 'dead'];

const conditions = fc.constantFrom('service_started', 'service_healthy', 'service_completed_successfully');

function someService(name: string, states: ContainerState[]): fc.Arbitrary<ServiceSpec> {
  const earlier = SERVICES.slice(0, SERVICES.indexOf(name));
  return fc
    .record({
      image: fc.oneof(
        fc.record({ ref: fc.constantFrom(...TAGS), image: fc.constantFrom(...IMAGES) }),
        fc.constant(DIGEST),
      ),
      version: fc.constantFrom('1', '2'),
      drift: fc.option(fc.constantFrom('1', '2'), { freq: 8 }),
      states: fc.array(fc.constantFrom('running' as const, ...states), { maxLength: 3 }),
      scale: fc.constantFrom(1, 1, 2),
      needs: earlier.length === 0 ? fc.constant({}) : fc.dictionary(fc.constantFrom(...earlier), conditions),
      follows: fc.subarray(earlier.slice(0, 1)),
      lender: fc.constantFrom(undefined, undefined, undefined, earlier.at(-1)),
      binds: fc.subarray(['app.conf', 'conf.d', '.'], { maxLength: 1 }),
      volumes: fc.subarray(['data', 'files'], { maxLength: 1 }),
      orphan: fc.constantFrom(false, false, false, false, false, false, true),
    })
    .map(({ image, version, drift, lender, ...rest }) => {
      // the hash of one that lives in another's network does not tell whether it drifted (isOtherDefinition in services.ts)
      const said = lender === undefined ? (drift ?? version) : version;
      return {
        ...rest,
        ...(lender !== undefined && { lender }),
        ...image,
        hash: `${name} of ${image.ref} ${version}`,
        filesHash: `${name} of ${image.ref} ${said}`,
        more: { environment: { VERSION: said } },
      };
    });
}

const file: fc.Arbitrary<FileSpec> = fc.oneof(
  fc.record({ content: fc.constantFrom('one', 'two'), mode: fc.constantFrom(0o600, 0o644) }),
  fc.record({ link: fc.constantFrom('here', 'there') }),
  fc.constant(null),
);

const directory: fc.Arbitrary<FileSpec> = fc.record({ directory: fc.constantFrom(0o700, 0o755) });

const FILES = ['compose.yaml', '.env', 'app.conf', 'compose.override.yaml', 'conf.d', 'conf.d/a', 'conf.d/b'];

const files = someOf<FileSpec>(
  Object.fromEntries(FILES.map((path) => [path, path === 'conf.d' ? directory : file])),
);

/** Records with any of these keys. */
function someOf<T>(values: Record<string, fc.Arbitrary<T>>): fc.Arbitrary<Record<string, T>> {
  return fc
    .subarray(Object.keys(values))
    .chain((keys) =>
      fc.record(Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)))),
    );
}

/** Values that occur nowhere else, so that they are found wherever they leak. */
const secrets = fc.dictionary(
  fc.constantFrom('TAG', 'PASSWORD', 'DEBUG'),
  fc.option(fc.integer().map((n) => `s3cr3t${n}`)),
);

function stacks(states: ContainerState[]): fc.Arbitrary<Stack> {
  return fc
    .record({
      services: someOf(Object.fromEntries(SERVICES.map((name) => [name, someService(name, states)]))),
      files,
      outside: fc.record({ '/etc/shop.conf': file }),
      tags: fc.dictionary(fc.constantFrom(...TAGS), fc.option(fc.constantFrom(...IMAGES))),
      variables: secrets,
      git: fc.record({
        commit: fc.constantFrom('c0ffee01', 'c0ffee02'),
        branch: fc.constant('main'),
        dirty: fc.boolean(),
      }),
    })
    .map((stack) => ({
      ...stack,
      images: IMAGES,
      tags: {
        ...Object.fromEntries(TAGS.map((tag) => [tag, 'v3'])),
        ...stack.tags,
        [DIGEST.ref]: DIGEST.image,
      },
      directories: ['conf.d'],
    }));
}

/** A stack in which nothing is paused, crash-looping or dead: what a point can record in full. */
export const settledStacks = stacks(SETTLED);

const anyStacks = stacks(ANY_STATE);

/** Two stacks of one project: the second is the first, with anything from nothing to everything of a third instead. */
export const changes = fc
  .record({
    recorded: settledStacks,
    other: anyStacks,
    services: fc.subarray(SERVICES),
    /** Services of which only the containers' number and state change. */
    states: fc.subarray(SERVICES),
    files: fc.subarray(FILES),
    rest: fc.boolean(),
  })
  .map(({ recorded, other, ...taken }) => {
    const stack = taken.rest ? other : recorded;
    const services = blend(recorded.services, other.services, taken.services);
    for (const name of taken.states) {
      const [service, states] = [services[name], other.services?.[name]?.states];
      if (service && states) services[name] = { ...service, states };
    }
    return { recorded, now: { ...stack, services, files: blend(recorded.files, other.files, taken.files) } };
  });

function blend<T>(
  one: Record<string, T> = {},
  other: Record<string, T> = {},
  taken: string[],
): Record<string, T> {
  const kept = Object.entries(one).filter(([key]) => !taken.includes(key));
  return Object.fromEntries([...kept, ...Object.entries(other).filter(([key]) => taken.includes(key))]);
}

const handler: fc.Arbitrary<HandlerTraits> = fc
  .record({
    prepares: fc.boolean(),
    reloads: fc.boolean(),
    settles: fc.boolean(),
    before: fc.subarray(['notify']),
    after: fc.subarray(['warm', 'notify']),
  })
  .map((traits) => traitsOf('special', traits));

export const someTraits: fc.Arbitrary<Traits> = fc.dictionary(fc.constantFrom(...SERVICES), handler);

export const someServices = fc.option(fc.subarray(SERVICES, { minLength: 1 }), { nil: undefined, freq: 3 });

/** The same stack with everything that has no order of its own told the other way round. */
export function reversed(stack: Stack): Stack {
  return {
    ...stack,
    services: backwards(stack.services),
    files: backwards(stack.files),
    tags: backwards(stack.tags),
    variables: backwards(stack.variables),
    images: (stack.images ?? []).toReversed(),
  };
}

function backwards<T>(record: Record<string, T> = {}): Record<string, T> {
  return Object.fromEntries(Object.entries(record).toReversed());
}
