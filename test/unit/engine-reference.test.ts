import { describe, expect, it } from 'vitest';
import { parseReference, parseTag } from '../../src/engine/reference.js';

const digest = `sha256:${'a'.repeat(64)}`;

describe('parseReference', () => {
  it.each([
    ['redis', 'redis', undefined, undefined],
    ['redis:7-alpine', 'redis', '7-alpine', undefined],
    ['prom/prometheus:latest', 'prom/prometheus', 'latest', undefined],
    ['registry:5000/api', 'registry:5000/api', undefined, undefined],
    ['registry:5000/team/api:v1', 'registry:5000/team/api', 'v1', undefined],
    ['localhost/api:v1', 'localhost/api', 'v1', undefined],
    ['ghcr.io/a/b__c-d.e:V_1.0', 'ghcr.io/a/b__c-d.e', 'V_1.0', undefined],
    ['127.0.0.1:5000/x:1', '127.0.0.1:5000/x', '1', undefined],
    [`redis@${digest}`, 'redis', undefined, digest],
    [`registry:5000/redis:7@${digest}`, 'registry:5000/redis', '7', digest],
  ])('%s', (text, repository, tag, digestPart) => {
    expect(parseReference(text)).toEqual({ repository, tag, digest: digestPart });
  });

  it.each([
    '',
    '-x',
    'Redis',
    '../containers/x',
    'a/../b',
    'a//b',
    'a:b:c',
    'a b',
    'a\n',
    'a:',
    'a?x=1',
    '/a',
    digest,
    'a'.repeat(64),
  ])('%j is none', (text) => {
    expect(parseReference(text)).toBeUndefined();
  });
});

describe('parseTag', () => {
  it('gives latest to a name without a tag, and does not take a port for one', () => {
    expect(parseTag('registry:5000/api')).toEqual({ repository: 'registry:5000/api', tag: 'latest' });
  });

  it('refuses a digest and an image id', () => {
    expect(() => parseTag(`redis@${digest}`)).toThrow('a digest cannot be moved');
    expect(() => parseTag(digest)).toThrow('is not an image reference');
  });
});
