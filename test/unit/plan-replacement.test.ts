import { describe, expect, it } from 'vitest';
import type { ComposeModel } from '../../src/model/compose.js';
import { parseComposeService } from '../../src/model/compose.js';
import type { Facts, Json, Origin } from '../../src/model/facts.js';
import { definitionChanges, findReplacements } from '../../src/plan/replacement.js';
import { describeReplacement } from '../../src/plan/text.js';
import { PROJECT } from '../support/planning.js';

function factsOf(values: Record<string, Json>, origin: Origin = 'set'): Facts {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value, origin }]));
}

/** What files that define `web` so give otherwise. */
function replacements(definition: Record<string, unknown>, facts: Facts, image = 'web:1') {
  const model: ComposeModel = {
    services: { web: parseComposeService({ image: 'web:1', ...definition }) },
    networks: {},
    volumes: { data: { name: 'shop_data' } },
    configs: {},
    secrets: {},
  };
  return findReplacements('web', facts, image, { model, project: 'shop', directory: PROJECT });
}

describe('the files say the same', () => {
  it.each<[string, Record<string, unknown>, Record<string, Json>]>([
    ['nothing', {}, {}],
    ['times', { stop_grace_period: '1m30s' }, { stop_grace_period: 90 }],
    ['limits', { mem_limit: '67108864', cpus: 0.5 }, { mem_limit: 67_108_864, cpus: 500_000_000 }],
    ['ports', { ports: [{ target: 80, published: '8080' }] }, { 'port.80/tcp': [':8080'] }],
    [
      'a bind',
      { volumes: [{ type: 'bind', source: `${PROJECT}/x`, target: '/x' }] },
      { 'mount./x': { type: 'bind', source: './x' } },
    ],
    [
      'a volume',
      { volumes: [{ type: 'volume', source: 'data', target: '/d' }] },
      { 'mount./d': { type: 'volume', volume: 'shop_data' } },
    ],
    [
      'a health check',
      { healthcheck: { test: ['CMD', 'x'], interval: '30s' } },
      { healthcheck: { Test: ['CMD', 'x'], Interval: 30_000_000_000 } },
    ],
  ])('%s', (_, definition, facts) => {
    expect(replacements(definition, factsOf(facts))).toEqual([]);
  });

  it('what the image gives by itself is no difference, and what the files repeat of it neither', () => {
    const facts = factsOf({ 'environment.PATH': '/bin', user: '1000', 'label.maker': 'us' }, 'image');
    expect(replacements({}, facts)).toEqual([]);
    expect(replacements({ user: '1000', environment: { PATH: '/bin' } }, facts)).toEqual([]);
  });
});

describe('the files say otherwise', () => {
  it.each<[Record<string, unknown>, Record<string, Json>, { key: string; change: string }]>([
    [
      { restart: 'no' },
      { restart: 'always' },
      { key: 'restart', change: 'is always, the files say not set' },
    ],
    [{ user: '5' }, { user: '1000' }, { key: 'user', change: 'is 1000, the files say 5' }],
    [
      { environment: { TOKEN: 'new' } },
      { 'environment.TOKEN': 'old' },
      { key: 'environment.TOKEN', change: 'differs' },
    ],
    [{}, { 'label.role': 'first' }, { key: 'labels.role', change: 'differs' }],
    [{ command: ['b'] }, { command: ['a'] }, { key: 'command', change: 'differs' }],
    [
      {},
      { 'port.80/tcp': ['127.0.0.1:80'] },
      { key: 'ports.80/tcp', change: 'is 127.0.0.1:80, the files say not set' },
    ],
    [
      { volumes: [{ type: 'bind', source: `${PROJECT}/new`, target: '/x', read_only: true }] },
      { 'mount./x': { type: 'bind', source: './old' } },
      { key: 'volumes./x', change: 'is ./old, the files say ./new:ro' },
    ],
    [{}, { mem_limit: 64 }, { key: 'mem_limit', change: 'is 64, the files say not set' }],
    [{ networks: { back: null } }, {}, { key: 'networks.shop_back', change: 'differs' }],
  ])('%j of %j', (definition, facts, expected) => {
    expect(replacements(definition, factsOf(facts))).toEqual([expected]);
  });

  it('names the image', () => {
    expect(replacements({}, {}, 'web:0')).toEqual([
      { key: 'image', change: 'is web:0, the files say web:1' },
    ]);
  });

  it('is one sentence, and not too long', () => {
    const two = [
      { key: 'user', change: 'is 1, the files say 5' },
      { key: 'command', change: 'differs' },
    ];
    expect(describeReplacement('web', two)).toBe(
      'the next docker compose up replaces web, because its files say otherwise: user is 1, the files say 5; command differs',
    );
    const many = Array.from({ length: 10 }, (_, index) => ({ key: `k${index}`, change: 'differs' }));
    expect(describeReplacement('web', many)).toContain('k7 differs; and 2 more');
    expect(describeReplacement('web', [])).toBe(
      'the next docker compose up replaces web, because its files say otherwise',
    );
  });
});

it('two definitions differ in keys, without values', () => {
  const [one, other] = ['old', 'new'].map((value) =>
    parseComposeService({ user: value, environment: { A: value, B: 'same' }, init: value === 'new' }),
  );
  if (!one || !other) throw new Error('no definitions');
  expect(definitionChanges(one, other).map(({ key }) => key)).toEqual(['environment.A', 'init', 'user']);
  expect(JSON.stringify(definitionChanges(one, other))).not.toContain('old');
});
