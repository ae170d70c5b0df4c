import { describe, expect, it, test } from 'vitest';
import { composeModelSchema } from '../../src/model/compose.js';
import { pointSchema } from '../../src/model/point.js';
import {
  canReadModelOf,
  compareHashes,
  hasDrifted,
  isSameDefinition,
  recordedHash,
} from '../../src/plan/definitions.js';
import { aPoint } from '../support/mirror.js';

const made = (text: string) => {
  const [hash = '', by] = text.split(' by ');
  return { hash, by };
};

test.each([
  ['a by 2.26.1', ['a by 2.26.1'], 'same'],
  ['a by 2.40.3', ['a by 2.26.1'], 'same'],
  ['a', ['a'], 'same'],
  ['b by 2.26.1', ['a by 2.26.1-4'], 'other'],
  ['b by 2.40.3', ['a by 2.26.1-4'], 'unknown'],
  ['b', ['a by 2.26.1'], 'unknown'],
  ['b by 2.26.1', ['a'], 'unknown'],
  // The same definition, hashed by two releases: either may be the one that a container carries.
  ['b by 2.40.3', ['a by 2.26.1', 'b by 2.40.3-3'], 'same'],
  ['c by 2.40.3', ['a by 2.26.1', 'b by 2.40.3-3'], 'other'],
  ['c by 5.5.0', ['a by 2.26.1', 'b by 2.40.3-3'], 'unknown'],
  ['c by 5.5.0', [], 'unknown'],
])('hash %s beside %j is %s', (one, others, expected) => {
  expect(compareHashes(made(one), others.map(made))).toBe(expected);
});

test.each([
  ['docker compose 2.26.1-4', '2.40.3-3', true],
  ['docker compose 2.26.1-4', '2.26.1-4', true],
  ['docker compose 2.40.3-3', '2.26.1-4', false],
  ['docker-compose 2.40.3', '5.0.0', true],
  ['docker compose 2.26.1', '5.5.0', true],
  ['docker compose 5.0.0', '5.0.0', false],
  ['docker compose 5.5.0', '2.40.3-3', false],
  ['docker compose 5.0.0', '5.0.2', true],
  ['docker compose 5.1.0', '5.5.0', true],
  ['docker-compose 1.29.2', '2.40.3', false],
  ['podman-compose 2.0.0', '2.40.3', false],
])('a model of %s is what compose %s takes it for: %s', (recordedBy, today, expected) => {
  const at = recordedBy.lastIndexOf(' ');
  const provider = { name: recordedBy.slice(0, at), version: recordedBy.slice(at + 1) };
  expect(canReadModelOf(provider, today)).toBe(expected);
});

/** A service as `config --format json` of 2.26.1 prints it. */
const SERVICE = {
  command: null,
  configs: [{ source: 'conf', mode: 288 }],
  deploy: { placement: {}, replicas: 2, resources: { limits: { cpus: 0.5 } } },
  entrypoint: null,
  environment: { A: '1', UNSET: null },
  image: 'api:1',
  networks: { back: { aliases: ['api'] }, default: null },
  volumes: [{ type: 'bind', source: '/a', target: '/a', bind: { create_host_path: true } }],
};

const serviceOf = (service: Record<string, unknown>) =>
  composeModelSchema.parse({ services: { api: service } }).services['api'];
const without = (...keys: string[]) =>
  Object.fromEntries(Object.entries(SERVICE).filter(([key]) => !keys.includes(key)));

describe('two models of a service say the same', () => {
  it.each([
    ['the mode of a file as 2.40 writes it', { ...SERVICE, configs: [{ source: 'conf', mode: '0440' }] }],
    [
      'as YAML has it, without what is not set',
      { ...without('command', 'entrypoint'), deploy: { replicas: 2, resources: { limits: { cpus: 0.5 } } } },
    ],
    [
      'a bind as 5.0 writes it',
      { ...SERVICE, volumes: [{ type: 'bind', source: '/a', target: '/a', bind: {} }] },
    ],
    ['in another order', Object.fromEntries(Object.entries(SERVICE).toReversed())],
    ['with other replicas', { ...SERVICE, deploy: { ...SERVICE.deploy, replicas: 3 }, scale: 4 }],
    [
      'with dependencies and profiles',
      { ...SERVICE, depends_on: { db: { condition: 'service_started' } }, profiles: ['a'] },
    ],
    ['built and pulled otherwise', { ...SERVICE, build: { context: '.' }, pull_policy: 'always' }],
    ['a network without settings', { ...SERVICE, networks: { back: { aliases: ['api'] }, default: {} } }],
  ])('%s', (_name, other) => {
    expect(isSameDefinition(serviceOf(SERVICE), serviceOf(other))).toBe(true);
    expect(isSameDefinition(serviceOf(other), serviceOf(SERVICE))).toBe(true);
  });
});

describe('two models of a service differ', () => {
  it.each([
    ['in the image', { ...SERVICE, image: 'api:2' }],
    ['in a command', { ...SERVICE, command: ['serve'] }],
    ['in no command at all', { ...SERVICE, command: [] }],
    ['in a variable', { ...SERVICE, environment: { A: '2' } }],
    ['in an empty variable', { ...SERVICE, environment: { A: '1', B: '' } }],
    ['in a network less', { ...SERVICE, networks: { back: { aliases: ['api'] } } }],
    ['in a network more', { ...SERVICE, networks: { ...SERVICE.networks, front: null } }],
    ['in the mode of a file', { ...SERVICE, configs: [{ source: 'conf', mode: '0400' }] }],
    ['in a mount', { ...SERVICE, volumes: [{ type: 'bind', source: '/b', target: '/a' }] }],
    [
      'in what becomes of a missing source',
      {
        ...SERVICE,
        volumes: [{ type: 'bind', source: '/a', target: '/a', bind: { create_host_path: false } }],
      },
    ],
    ['in a limit', { ...SERVICE, deploy: { ...SERVICE.deploy, resources: { limits: { cpus: 1 } } } }],
  ])('%s', (_name, other) => {
    expect(isSameDefinition(serviceOf(SERVICE), serviceOf(other))).toBe(false);
    expect(isSameDefinition(serviceOf(other), serviceOf(SERVICE))).toBe(false);
  });

  it('where one of them has no such service', () => {
    expect(isSameDefinition(serviceOf(SERVICE), undefined)).toBe(false);
    expect(isSameDefinition(undefined, undefined)).toBe(false);
  });
});

describe('what a point recorded', () => {
  const { point } = aPoint({ compose: '2.40.3-3', services: { api: { hash: 'a', madeBy: '2.26.1' } } });

  it('was made by the compose that its containers name', () => {
    expect(recordedHash(point, 'api')).toEqual({ hash: 'a', by: '2.26.1' });
    expect(recordedHash(point, 'db')).toBeUndefined();
  });

  it('was made by the compose that recorded it, where an earlier version of us did not ask', () => {
    const { compose_version: _, ...facts } = point.containers['api'] ?? {};
    const earlier = pointSchema.parse({ ...point, containers: { api: facts } });
    expect(recordedHash(earlier, 'api')).toEqual({ hash: 'a', by: '2.40.3-3' });
  });

  it.each([
    [{ hash: 'a', filesHash: 'a' }, false],
    [{ hash: 'a', filesHash: 'b' }, true],
    [{ hash: 'a', filesHash: 'b', madeBy: '2.26.1' }, false],
  ])('%j had drifted: %s', (spec, expected) => {
    expect(hasDrifted(aPoint({ compose: '2.40.3-3', services: { api: spec } }).point, 'api')).toBe(expected);
  });
});
