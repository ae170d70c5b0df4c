import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Container } from '../../src/model/engine.js';
import { isSeenByCompose, standingOf, type Origin } from '../../src/model/ownership.js';
import { containerOf } from '../support/folder.js';

const SHOP = { name: 'shop', isNamed: false };
const NAMED = { name: 'shop', isNamed: true };
const RENAMED = { name: 'shop', alias: 'webshop', isNamed: false };

const PLACES: Origin['place'][] = ['here', 'elsewhere', 'gone'];
const from = (place: Origin['place'], isNamed = false): Origin => ({ place, isNamed });
const standing = (
  more: Partial<Container>,
  claim = SHOP,
  origin = from('here'),
  siblings: Container[] = [],
) => standingOf(containerOf('web', more), claim, origin, siblings);

describe('standingOf', () => {
  it.each([
    ['made by compose from this folder', {}, SHOP, from('here'), 'replica'],
    ['made from a release that is gone', {}, SHOP, from('gone'), 'replica'],
    ['made from another folder of the same name', {}, SHOP, from('elsewhere'), 'namesake'],
    ['named on purpose there alone', {}, SHOP, from('elsewhere', true), 'namesake'],
    ['named on purpose here alone', {}, NAMED, from('elsewhere'), 'namesake'],
    ['named on purpose on both sides', {}, NAMED, from('elsewhere', true), 'replica'],
    ['made by docker run of a built image', { configHash: undefined }, SHOP, from('here'), 'copy'],
    ['made so in another folder', { configHash: undefined }, SHOP, from('elsewhere'), 'copy'],
    ['made by compose run', { oneOff: true }, SHOP, from('here'), 'one-off'],
    ['made by compose run in another folder', { oneOff: true }, SHOP, from('elsewhere'), 'unrelated'],
    [
      'made for a hook, without a hash',
      { oneOff: true, configHash: undefined, labels: { 'com.docker.compose.hook': 'pre_start' } },
      SHOP,
      from('here'),
      'one-off',
    ],
    ['of another project', { project: 'blog' }, SHOP, from('here'), 'unrelated'],
    ['of no project', { project: undefined, service: undefined }, SHOP, from('here'), 'unrelated'],
    ['of no service', { service: undefined }, SHOP, from('here'), 'unrelated'],
    ['under the other name of this folder', { project: 'webshop' }, RENAMED, from('here'), 'replica'],
    ['under that name from another folder', { project: 'webshop' }, RENAMED, from('elsewhere'), 'unrelated'],
    [
      'under that name from a folder that is gone',
      { project: 'webshop' },
      RENAMED,
      from('gone'),
      'unrelated',
    ],
    [
      'under that name, of a project without another',
      { project: 'webshop' },
      SHOP,
      from('here'),
      'unrelated',
    ],
  ])('%s: %#', (_what, more, claim, origin, expected) => {
    expect(standing(more, claim, origin)).toBe(expected);
  });

  it('tells what a killed compose left', () => {
    const old = containerOf('web', { id: `${'a'.repeat(12)}bcd` });
    const left = { state: 'created', name: `${'a'.repeat(12)}_shop-web-1` } as const;
    expect(standing(left, SHOP, from('here'), [old])).toBe('half-made');
    expect(standing(left, SHOP, from('elsewhere'), [old])).toBe('namesake');
  });

  it('never takes what the provider did not make, nor what runs from another folder under a name that is only the folder’s', () => {
    const container = fc.record({
      project: fc.constantFrom('shop', 'webshop', 'blog', undefined),
      service: fc.constantFrom('web', undefined),
      configHash: fc.constantFrom('made', undefined),
      oneOff: fc.boolean(),
    });
    const claims = fc.record({
      name: fc.constant('shop'),
      alias: fc.constantFrom('webshop', undefined),
      isNamed: fc.boolean(),
    });
    const origins = fc.record({ place: fc.constantFrom(...PLACES), isNamed: fc.boolean() });
    fc.assert(
      fc.property(container, claims, origins, (more, claim, origin) => {
        const found = standing(more, claim, origin);
        const isTaken = ['replica', 'one-off', 'half-made'].includes(found);
        if (more.configHash === undefined) expect(isTaken).toBe(false);
        if (origin.place === 'elsewhere' && !(claim.isNamed && origin.isNamed)) expect(isTaken).toBe(false);
        if (found !== 'unrelated') expect([claim.name, claim.alias]).toContain(more.project);
      }),
    );
  });
});

describe('isSeenByCompose', () => {
  it.each([
    ['a replica', { 'com.docker.compose.config-hash': 'h' }, false, true],
    ['a replica of podman-compose', { 'io.podman.compose.project': 'shop' }, false, true],
    ['docker run of a built image', { 'com.docker.compose.project': 'shop' }, false, false],
    ['compose run', { 'com.docker.compose.config-hash': 'h' }, true, false],
  ])('%s', (_what, labels, oneOff, expected) => {
    expect(isSeenByCompose(containerOf('web', { labels, oneOff }))).toBe(expected);
  });
});
