import { expect, it } from 'vitest';
import { withOwnHash } from '../../src/engine/inherited.js';
import { containerOf } from '../support/folder.js';

const HASH = 'com.docker.compose.config-hash';
const IMAGE = 'com.docker.compose.image';
const ID = 'sha256:new';

/** What is left of the hash of a container with these labels, made of an image with those. */
async function hashOf(labels: Record<string, string>, inherited: Record<string, string> | undefined) {
  const asked: string[] = [];
  const container = containerOf('web', { labels, imageId: ID, configHash: labels[HASH] });
  const { configHash } = await withOwnHash(container, async (id) => {
    asked.push(id);
    return inherited && { Config: { Labels: inherited } };
  });
  return { configHash, asked };
}

it.each([
  [
    'made by version 2: the image is not even asked for',
    { [HASH]: 'h', [IMAGE]: ID },
    { [HASH]: 'h' },
    'h',
    [],
  ],
  [
    'docker run of a committed image',
    { [HASH]: 'h', [IMAGE]: 'old' },
    { [HASH]: 'h', [IMAGE]: 'old' },
    undefined,
    [ID],
  ],
  [
    'version 2, of an image that was committed',
    { [HASH]: 'h2', [IMAGE]: 'x' },
    { [HASH]: 'h', [IMAGE]: 'old' },
    'h2',
    [ID],
  ],
  ['made by version 1', { [HASH]: 'h' }, {}, 'h', [ID]],
  ['docker run of what was committed of version 1', { [HASH]: 'h' }, { [HASH]: 'h' }, undefined, [ID]],
  ['of an image that the engine has lost', { [HASH]: 'h' }, undefined, 'h', [ID]],
  ['without a hash', {}, {}, undefined, []],
])('%s', async (_what, labels, inherited, configHash, asked) => {
  expect(await hashOf(labels, inherited)).toEqual({ configHash, asked });
});
