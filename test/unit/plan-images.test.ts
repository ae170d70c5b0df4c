import { describe, expect, it } from 'vitest';
import { aPoint } from '../support/mirror.js';
import { anImage, aPlan, aPresent, imageId, outline, planned, type Stack } from '../support/planning.js';

/** Where tags point, during and after a rollback. */

const retag = (ref: string, image: string, previous: string | null, cause: string) => ({
  kind: 'retag',
  ref,
  image: imageId(image),
  previous: previous && imageId(previous),
  cause,
});

describe('two services that shared a tag with different images', () => {
  const shared = { ref: 'app:latest' };
  const then: Stack = {
    services: { blue: { ...shared, image: 'v1' }, green: { ...shared, image: 'v2' } },
    tags: { 'app:latest': 'v2' },
  };
  const now: Stack = {
    services: { blue: { ...shared, image: 'v3' }, green: { ...shared, image: 'v3' } },
    images: ['v1', 'v2'],
  };
  const remark = {
    code: 'shared-tag',
    message: 'blue and green share app:latest and ran different images of it',
    hint: 'the next plain `up` gives them the same one; pin them by tags of their own',
  };

  it('are made one after the other, the tag moving in between', () => {
    const { operations, risks } = planned(aPresent(now), aPoint(then));
    expect(operations.filter(({ kind }) => kind !== 'stop' && kind !== 'verify')).toEqual([
      retag('app:latest', 'v1', 'v3', 'the tag points to v30000000000 now'),
      {
        kind: 'up',
        services: ['blue'],
        scale: {},
        start: true,
        cause: 'it runs image v30000000000, the point has v10000000000',
      },
      retag('app:latest', 'v2', 'v1', 'the tag points to v10000000000 now'),
      {
        kind: 'up',
        services: ['green'],
        scale: {},
        start: true,
        cause: 'it runs image v30000000000, the point has v20000000000',
      },
    ]);
    expect(risks).toEqual([remark]);
  });

  it('leave the tag where it was at the point', () => {
    const target = aPoint({ ...then, tags: { 'app:latest': 'v1' } });
    const { operations } = planned(aPresent(now), target);
    expect(outline(operations)).toEqual([
      'stop blue green',
      'retag app:latest',
      'up blue',
      'retag app:latest',
      'up green',
      'retag app:latest',
      'verify blue',
      'verify green',
    ]);
    expect(operations[5]).toEqual(
      retag('app:latest', 'v1', 'v2', 'at the point the tag pointed to v10000000000'),
    );
  });

  it('are no risk while they stay as they are', () => {
    expect(planned(aPresent(then), aPoint(then))).toEqual(aPlan({ unchanged: ['blue', 'green'] }));
  });
});

describe('a tag that did not point to what ran', () => {
  it('points there again afterwards', () => {
    const present = aPresent({ services: { api: { image: 'api-v3' } }, images: ['api-v1', 'api-v2'] });
    const target = aPoint({ services: { api: {} }, tags: { 'api:1': 'api-v2' } });
    expect(planned(present, target).operations.filter(({ kind }) => kind === 'retag')).toEqual([
      retag('api:1', 'api-v1', 'api-v3', 'the tag points to api-v3000000 now'),
      retag('api:1', 'api-v2', 'api-v1', 'at the point the tag pointed to api-v2000000'),
    ]);
  });

  it('is all there is to do after a pull without an up', () => {
    const present = aPresent({ services: { api: {} }, tags: { 'api:1': 'api-v2' } });
    expect(planned(present, aPoint({ services: { api: {} } }))).toEqual({
      ...aPlan({ unchanged: ['api'] }),
      operations: [retag('api:1', 'api-v1', 'api-v2', 'at the point the tag pointed to api-v1000000')],
    });
  });

  it('stays when the service is not asked for, or only files are', () => {
    const present = aPresent({ services: { api: {}, web: {} }, tags: { 'api:1': 'api-v2' } });
    const target = aPoint({ services: { api: {}, web: {} } });
    for (const options of [{ services: ['web'] }, { configOnly: true }]) {
      expect(planned(present, target, { options }).operations).toEqual([]);
    }
  });
});

describe('a digest reference', () => {
  const ref = 'redis@sha256:d1';
  const target = aPoint({ services: { redis: { ref, image: 'redis-v1' } } });
  const now: Stack = { services: { redis: { ref: 'redis:8', image: 'redis-v2', hash: 'other' } } };

  it('is not tagged: the image is there under it', () => {
    const present = aPresent({ ...now, tags: { [ref]: 'redis-v1' } });
    expect(outline(planned(present, target).operations)).toEqual(['stop redis', 'up redis', 'verify redis']);
  });

  it('without its image under it blocks: nothing can point there', () => {
    const { blockers, operations } = planned(aPresent({ ...now, images: ['redis-v1'] }), target);
    expect(outline(operations)).toEqual(['stop redis', 'up redis', 'verify redis']);
    expect(blockers).toEqual([
      {
        code: 'digest-missing',
        message:
          'redis: the image is here, but no longer under redis@sha256:d1, which its definition asks for',
        hint: 'try: docker pull redis@sha256:d1',
      },
    ]);
  });
});

describe('an image of a point from another store, where it had another id', () => {
  const then = aPoint({ services: { api: {} } });
  then.point.metadata.engine.storage_driver = 'overlayfs';

  it('is found by its kept tag and its layers', () => {
    const present = aPresent({ services: { api: { image: 'api-v2' } } });
    const loaded = anImage('loaded', { diffIds: ['layer-api-v1'] });
    const kept = then.point.images.api?.kept_tag ?? '';
    const found = { ...present, images: { ...present.images, [loaded.id]: loaded, [kept]: loaded } };
    expect(planned(found, then).operations[1]).toMatchObject({ kind: 'retag', image: loaded.id });
    expect(planned(found, then).blockers).toEqual([]);
  });

  it('is the recorded one when it runs', () => {
    const present = aPresent({ services: { api: { image: 'loaded' } } });
    const loaded = anImage('loaded', { diffIds: ['layer-api-v1'] });
    const same = { ...present, images: { [loaded.id]: loaded, 'api:1': loaded } };
    expect(planned(same, then)).toEqual(aPlan({ unchanged: ['api'] }));
  });

  it('is another one while the recorded one is here too, whatever its layers', () => {
    const present = aPresent({ services: { api: { image: 'rebuilt' } }, images: ['api-v1'] });
    const rebuilt = anImage('rebuilt', { diffIds: ['layer-api-v1'] });
    const both = { ...present, images: { ...present.images, [rebuilt.id]: rebuilt, 'api:1': rebuilt } };
    expect(outline(planned(both, then).operations)).toEqual([
      'stop api',
      'retag api:1',
      'up api',
      'verify api',
    ]);
  });

  it('is another one when its layers differ', () => {
    const present = aPresent({ services: { api: { image: 'api-v2' } } });
    expect(planned(present, then).blockers).toMatchObject([{ code: 'image-missing' }]);
  });

  it('is another one when the digest of its configuration differs, though its layers are the same', () => {
    const elsewhere = aPoint({ services: { api: {} } });
    const { metadata, images } = elsewhere.point;
    metadata.engine.id = 'engine-2';
    const image = images['api'];
    if (image) image.config_digest = imageId('api-v1');
    const present = aPresent({ services: { api: { image: 'rebuilt' } } });
    const rebuilt = anImage('rebuilt', { diffIds: ['layer-api-v1'] });
    const seen = { ...present, images: { [rebuilt.id]: rebuilt, 'api:1': rebuilt } };
    expect(planned(seen, elsewhere).blockers).toMatchObject([{ code: 'image-missing' }]);
    // A store whose ids are other digests cannot tell.
    const engine = { ...present.engine, imageIdIsConfigDigest: false };
    expect(planned({ ...seen, engine }, elsewhere).blockers).toEqual([]);
  });

  it('never matches by having no layers', () => {
    const bare = aPoint({ services: { api: {} } });
    const image = bare.point.images.api;
    if (image) image.diff_ids = [];
    const present = aPresent({ services: { api: { image: 'api-v2' } } });
    const other = anImage('api-v2', { diffIds: [] });
    const seen = { ...present, images: { [other.id]: other, 'api:1': other } };
    expect(planned(seen, bare).blockers).toMatchObject([{ code: 'image-missing' }]);
  });

  it('is no other one with the same layers, when the store is the same: only its settings may differ', () => {
    const here = aPoint({ services: { api: {} } });
    const present = aPresent({ services: { api: { image: 'rebuilt' } } });
    const rebuilt = anImage('rebuilt', { diffIds: ['layer-api-v1'] });
    const seen = { ...present, images: { [rebuilt.id]: rebuilt, 'api:1': rebuilt } };
    expect(planned(seen, here).blockers).toMatchObject([{ code: 'image-missing' }]);
  });
});
