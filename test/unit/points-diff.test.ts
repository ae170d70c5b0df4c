import { expect, it } from 'vitest';
import type { Point } from '../../src/model/point.js';
import { differences, type State } from '../../src/points/diff.js';
import { aPoint } from '../support/mirror.js';
import type { ServiceSpec } from '../support/planning.js';

const recorded = (compose: string, api: ServiceSpec, overrides: Partial<Point> = {}): State =>
  aPoint({ compose, services: { api } }, overrides);

const changes = (from: State, to: State) =>
  differences(from, to).map(({ name, change }) => `${name} ${change}`);

const OLD = recorded('2.26.1-4', { hash: 'a' });
const CHANGED = ['api definition changed'];

it('hashes of one release differ where the definition does', () => {
  expect(changes(OLD, recorded('2.26.1', { hash: 'b' }))).toEqual(CHANGED);
  expect(changes(OLD, recorded('2.26.1', { hash: 'a' }))).toEqual([]);
  // Made by the older compose still.
  expect(changes(OLD, recorded('2.40.3', { hash: 'b', madeBy: '2.26.1' }))).toEqual(CHANGED);
});

it('the models decide for a service that lives in another one, whose id is hashed', () => {
  const living = (hash: string, user = 'www') =>
    recorded('2.26.1', { hash, more: { network_mode: 'service:db', user } });
  expect(changes(living('a'), living('b'))).toEqual([]);
  expect(changes(living('a'), living('b', 'root'))).toEqual(CHANGED);
});

it('after an upgrade of compose the models decide', () => {
  expect(changes(OLD, recorded('2.40.3', { hash: 'b' }))).toEqual([]);
  expect(changes(OLD, recorded('2.40.3', { hash: 'b', more: { user: 'root' } }))).toEqual(CHANGED);
});

it('but not where a service ran otherwise than its files said', () => {
  expect(changes(OLD, recorded('2.40.3', { hash: 'b', filesHash: 'c' }))).toEqual(CHANGED);
  const drifted = recorded('2.26.1', { hash: 'a', filesHash: 'c' });
  expect(changes(drifted, recorded('2.40.3', { hash: 'b' }))).toEqual(CHANGED);
});

it('without a model nobody knows, and it counts as changed', () => {
  const { point } = recorded('2.40.3', { hash: 'b' });
  expect(changes(OLD, { point, model: undefined, facts: undefined })).toEqual(CHANGED);
});

it('facts are compared between engines of one kind alone', () => {
  const facts = (value: string) => ({
    key: 'k',
    services: { api: [{ user: { value, origin: 'set' as const } }] },
    networks: {},
    external_networks: {},
    volumes: {},
  });
  const [was, is] = [
    { ...OLD, facts: facts('root') },
    { ...OLD, facts: facts('www') },
  ];
  expect(changes(was, is)).toEqual(['api user was root, is www']);
  const { metadata } = OLD.point;
  const onPodman = { ...metadata, engine: { ...metadata.engine, kind: 'podman' as const } };
  expect(changes(was, { ...is, point: { ...OLD.point, metadata: onPodman } })).toEqual([]);
});
