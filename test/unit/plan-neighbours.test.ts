import { describe, expect, it } from 'vitest';
import type { Neighbour } from '../../src/model/plan.js';
import { normalReference } from '../../src/plan/images.js';
import { findNeighbours } from '../../src/runs/neighbours.js';
import { aPoint } from '../support/mirror.js';
import {
  aContainer,
  aPresent,
  imageId,
  outline,
  planned,
  type ServiceSpec,
  type Stack,
} from '../support/planning.js';

/** What a rollback does to containers that are not this project's. */

const then: Stack = { services: { api: {}, redis: {} } };
const now: Stack = { services: { api: { image: 'api-v2' }, redis: {} }, images: ['api-v1'] };
const other: Neighbour = {
  name: 'cart-web-1',
  project: 'cart',
  service: 'web',
  imageRef: 'docker.io/library/api:1',
  joins: [],
};
const risksOf = (present: Stack, neighbours: Neighbour[]) =>
  planned(aPresent(present), aPoint(then), { findings: { neighbours } }).risks;

describe('a tag that others use', () => {
  const remark = (users: string) => ({
    code: 'tag-used-by-others',
    message: `the tag api:1 moves to api-v1000000, and ${users} it too`,
    hint: 'the next `up` over there takes that image; rollback --leave-tags moves the tag back once this project runs',
  });

  it('is named before it moves, with those who use it', () => {
    expect(risksOf(now, [other])).toEqual([remark('container cart-web-1 (web of project cart) uses')]);
    const stray = { ...other, name: 'stray', project: undefined, service: undefined };
    expect(risksOf(now, [other, stray])).toEqual([
      remark('container cart-web-1 (web of project cart), container stray use'),
    ]);
  });

  it('is not worth a word when it stays, or when others use another one', () => {
    expect(risksOf(then, [other])).toEqual([]);
    expect(risksOf(now, [{ ...other, imageRef: 'api:2' }])).toEqual([]);
  });

  it('is back where it was once the services run, when that is asked for', () => {
    const options = { leaveTags: true };
    const plan = planned(aPresent(now), aPoint(then), { findings: { neighbours: [other] }, options });
    expect(plan.risks).toEqual([]);
    expect(outline(plan.operations)).toEqual([
      'stop api',
      'retag api:1',
      'up api',
      'retag api:1',
      'verify api',
    ]);
    expect(plan.operations[3]).toEqual({
      kind: 'retag',
      ref: 'api:1',
      image: imageId('api-v2'),
      previous: imageId('api-v1'),
      cause: 'it is left as it is today, as asked',
    });
  });

  it('goes back with the run that moved it', () => {
    const options = { leaveTags: true, kind: 'return' as const };
    expect(outline(planned(aPresent(now), aPoint(then), { options }).operations)).toEqual([
      'stop api',
      'retag api:1',
      'up api',
      'verify api',
    ]);
  });
});

describe('a container of somebody else in the namespaces of ours', () => {
  const inside: Neighbour = { ...other, imageRef: 'vpn:1', joins: ['api-1'] };
  const withApi = (api: ServiceSpec): Stack => ({ services: { api, redis: {} }, images: ['api-v1'] });
  const remark = (effect: string, hint: string) => ({
    code: 'neighbour-cut-off',
    message: `container cart-web-1 (web of project cart) lives in the namespaces of api, which ${effect}, and loses them`,
    hint,
  });

  it('is named when ours is made anew or started again', () => {
    expect(risksOf(withApi({ hash: 'other' }), [inside])).toEqual([
      remark('is made anew', 'afterwards, in its folder: docker compose -p cart up -d --force-recreate web'),
    ]);
    expect(risksOf(withApi({ states: ['restarting'] }), [inside])).toEqual([
      remark('is restarted', 'afterwards: docker restart cart-web-1'),
    ]);
  });

  it('is left alone when ours stays', () => {
    expect(risksOf(withApi({}), [inside])).toEqual([]);
    expect(risksOf(withApi({ hash: 'other' }), [{ ...inside, joins: ['redis-1'] }])).toEqual([]);
  });
});

it('containers count that share a reference or a namespace, and are not of a service of the project', () => {
  const { point } = aPoint(then);
  const strange = { project: 'cart', service: 'web', imageRef: 'cart:1' };
  const found = findNeighbours(
    [
      aContainer('api', 1),
      aContainer('redis', 1, { joins: ['api-1'] }),
      aContainer('api', 2, { name: 'one-off', oneOff: true, imageRef: 'cart:1', joins: ['api-1'] }),
      aContainer('web', 1, { ...strange, name: 'unrelated' }),
      aContainer('web', 2, { ...strange, name: 'inside', joins: ['redis-1'] }),
      aContainer('web', 3, { ...strange, name: 'same-tag', imageRef: 'docker.io/library/api:1' }),
      aContainer('web', 4, { ...strange, name: 'elsewhere', joins: ['web-1'] }),
    ],
    new Set(['api-1', 'redis-1']),
    point,
  );
  expect(found.map(({ name }) => name)).toEqual(['one-off', 'inside', 'same-tag']);
});

it.each([
  ['redis', 'redis:latest'],
  ['docker.io/library/redis:7', 'redis:7'],
  ['index.docker.io/team/api', 'team/api:latest'],
  ['localhost:5000/api', 'localhost:5000/api:latest'],
  ['library/redis@sha256:d1', 'redis@sha256:d1'],
])('%s is %s', (reference, normal) => {
  expect(normalReference(reference)).toBe(normal);
});
