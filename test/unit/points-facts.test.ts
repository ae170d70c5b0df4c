import { expect, it } from 'vitest';
import type { Container } from '../../src/model/engine.js';
import type { Observation } from '../../src/model/project.js';
import { pointOf } from '../../src/points/facts.js';
import { aPresent, imageId, POINT, type Stack } from '../support/planning.js';

/** What a point records of the present. */

const pointFrom = (present: Observation) =>
  pointOf(present, POINT, {
    kind: 'manual',
    description: '',
    name: null,
    pinned: false,
    run: null,
    user: 'root',
    toolVersion: '0.1.0',
  });

const recorded = (stack: Stack) => pointFrom(aPresent(stack));

/** The point of a service with two replicas, of which the newer one is made differently. */
function pointWith(newer: Partial<Container>) {
  const present = aPresent({ services: { web: { states: ['running', 'running'], scale: 2 } } });
  const [, second] = present.services['web']?.containers ?? [];
  Object.assign(second ?? {}, newer);
  return pointFrom(present);
}

it('an image that the engine has lost is not kept, and a warning names its service', () => {
  const { images, warnings } = recorded({
    services: { api: {}, redis: {} },
    tags: { [imageId('api-v1')]: null, 'api:1': 'api-v2' },
  });
  expect(images['api']).toEqual({
    ref: 'api:1',
    id: imageId('api-v1'),
    digests: [],
    platform: '',
    diff_ids: [],
    config_digest: imageId('api-v1'),
    tag_id: imageId('api-v2'),
    kept_tag: null,
  });
  expect(images['redis']?.kept_tag).toBe(`compose-rollback/kept:${POINT}-redis-v10000`);
  expect(warnings).toEqual([
    'api runs image api-v1000000 (api:1), which the engine no longer has: this point cannot make api again. Make another one once it runs an image that is there',
  ]);
});

it('a service without containers is recorded with the image that it would be made from', () => {
  const { images, warnings } = recorded({
    services: { api: { states: [] } },
    tags: { 'api:1': 'api-v2' },
  });
  expect([images['api']?.id, warnings]).toEqual([imageId('api-v2'), []]);
});

const WARNING = 'the containers of web differ from each other; the newest one stands for all';

it('replicas that differ are told of, and the newest one is recorded', () => {
  const { warnings, containers } = pointWith({ configHash: 'other' });
  expect(warnings).toEqual([WARNING]);
  expect(containers['web']).toMatchObject({ config_hash: 'other', compose_version: '2.26.1' });
});

it('replicas that two releases of compose made do not differ by their hashes', () => {
  const { warnings, containers } = pointWith({ configHash: 'other', composeVersion: '2.40.3' });
  expect(warnings).toEqual([]);
  expect(containers['web']).toMatchObject({ config_hash: 'other', compose_version: '2.40.3' });
});
