import { expect, it } from 'vitest';
import { pointOf } from '../../src/points/facts.js';
import { aPresent, imageId, POINT, type Stack } from '../support/planning.js';

/** What a point says of the present. */

const recorded = (stack: Stack) =>
  pointOf(aPresent(stack), POINT, {
    kind: 'manual',
    description: '',
    name: null,
    pinned: false,
    run: null,
    user: 'root',
    toolVersion: '0.1.0',
  });

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
