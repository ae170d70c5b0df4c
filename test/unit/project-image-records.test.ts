import { expect, it } from 'vitest';
import { withKnownImages } from '../../src/project/image-records.js';
import { containerOf } from '../support/folder.js';
import { anImage, imageId } from '../support/planning.js';

/** What a container runs, where the engine has lost the record of its image. */

const MANIFEST = 'sha256:m';
const lost = containerOf('web', { imageId: imageId('old'), imageManifest: MANIFEST, imageRef: 'web:1' });

const known = async (
  container: typeof lost,
  { same = [] as string[], tag = undefined as string | undefined, preferred = [] as string[] },
) => {
  const engine = {
    imagesWithManifest: (digest: string) => Promise.resolve(digest === MANIFEST ? same.map(imageId) : []),
  };
  const images = { [imageId('there')]: anImage('there'), 'web:1': tag === undefined ? null : anImage(tag) };
  const [found] = await withKnownImages(engine, [container], images, preferred.map(imageId));
  return found?.imageId;
};

it('an image that the engine knows stays the one that runs', async () => {
  const there = { ...lost, imageId: imageId('there') };
  expect(await known(there, { same: ['other'] })).toBe(imageId('there'));
});

it('a lost image is one with the same manifest: of the point first, then of the tag', async () => {
  expect(await known(lost, { same: ['b', 'a'] })).toBe(imageId('a'));
  expect(await known(lost, { same: ['a', 'b'], tag: 'b' })).toBe(imageId('b'));
  expect(await known(lost, { same: ['a', 'b', 'c'], tag: 'b', preferred: ['x', 'c'] })).toBe(imageId('c'));
});

it('a lost image that no other image runs like stays lost, whatever its tag points to', async () => {
  expect(await known(lost, { tag: 'b' })).toBe(imageId('old'));
  const classic = { ...lost, imageManifest: undefined };
  expect(await known(classic, { same: ['a'] })).toBe(imageId('old'));
});
