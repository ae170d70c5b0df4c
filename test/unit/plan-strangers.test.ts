import { describe, expect, it } from 'vitest';
import type { Container } from '../../src/model/engine.js';
import type { Stranger } from '../../src/model/ownership.js';
import type { Observation } from '../../src/model/project.js';
import { aPoint } from '../support/mirror.js';
import { aContainer, aPresent, outline, planned, type Stack } from '../support/planning.js';

/** Containers that carry the project's name and are not its own, names that others have, and folders that were moved or renamed. */

const then: Stack = { services: { api: {}, redis: {} } };
/** The api is to be made anew, redis is as it was. */
const now: Stack = { services: { api: { hash: 'other' }, redis: {} } };

const stranger = (
  standing: Stranger['standing'],
  service: string,
  more: Partial<Container> = {},
): Stranger => ({
  container: aContainer(service, 9, more),
  standing,
  directory: '/other/shop',
});
const withStrangers = (...strangers: Stranger[]): Observation => ({ ...aPresent(now), strangers });
const codes = (present: Observation, more = {}) =>
  planned(present, aPoint(then), more).blockers.map(({ code }) => code);

describe('strangers', () => {
  it('of another folder block, whatever the plan would touch', () => {
    const present = { ...aPresent(then), strangers: [stranger('namesake', 'db')] };
    expect(planned(present, aPoint(then)).blockers).toEqual([
      {
        code: 'other-folder',
        message:
          'shop-db-9 is of another project that is called shop too and runs from /other/shop: compose would take it for its own',
        hint: 'give one of the two a name of its own, with a top-level name: in its compose file, or take the other one down first',
      },
    ]);
  });

  it('do not block files alone', () => {
    expect(codes(withStrangers(stranger('namesake', 'db')), { options: { configOnly: true } })).toEqual([]);
  });

  it('made by hand block only where compose would take them for its own', () => {
    const labels = { 'com.docker.compose.config-hash': 'h' };
    expect(codes(withStrangers(stranger('copy', 'api', { labels })))).toEqual(['copy']);
    expect(codes(withStrangers(stranger('copy', 'redis', { labels })))).toEqual([]);
    expect(codes(withStrangers(stranger('copy', 'api')))).toEqual([]);
  });
});

it('a name that another container has blocks the services that need it', () => {
  const taken = (service: string, holder: string) => ({
    findings: { takenNames: [{ service, name: 'shop_web', holder, project: 'blog' }] },
  });
  expect(codes(aPresent(now), taken('api', 'x'))).toEqual(['name-taken']);
  expect(codes(aPresent(now), taken('api', 'api-1'))).toEqual([]);
  expect(codes(aPresent(now), taken('redis', 'x'))).toEqual([]);
});

it('containers under another name of the project go before those of the point are made', () => {
  const present = aPresent(then);
  const renamed = present.services.api?.containers.map((one) => ({ ...one, project: 'webshop' })) ?? [];
  if (present.services.api) present.services.api.containers = renamed;
  const { operations } = planned(present, aPoint(then));
  expect(outline(operations)).toEqual(['remove api', 'up api', 'verify api']);
  expect(operations[0]?.cause).toBe('it runs as project webshop');
});

it.each([
  ['is stopped', { states: ['exited'] as const }, {}, ['up api', 'verify api']],
  ['runs on', {}, {}, []],
  [
    'reads a file that changes',
    { binds: ['app.conf'] },
    { files: { 'app.conf': 'new' } },
    ['stop api', 'restore-file', 'up api', 'verify api'],
  ],
])('a container whose folder was moved and that %s', (_what, api, files, expected) => {
  const spec = { ...api, states: 'states' in api ? [...api.states] : undefined };
  const present = aPresent({ services: { api: { ...spec, states: spec.states ?? ['running'] } }, ...files });
  for (const container of present.services.api?.containers ?? []) container.movedFrom = '/old/shop';
  const point = aPoint({
    services: { api: 'binds' in api ? { binds: api.binds } : {} },
    ...('files' in files ? { files: { 'app.conf': 'old' } } : {}),
  });
  expect(outline(planned(present, point).operations).map((line) => line.replace(/ app.*/, ''))).toEqual(
    expected,
  );
});
