import { numbers } from '../support/random.js';
import { changedKeys, type Yaml } from './keys.js';
import { FACETS } from './facets.js';
import type { Facet, Fragment, Mapping } from './fragments.js';

/** Generated compose projects, and the change that a case makes to one. The same seed and number give the same case. */

/** What happens around the point: see `run-case.ts`. */
const STORIES = [
  'edited',
  'edited',
  'edited',
  'edited but not applied',
  'in .env',
  'in .env',
  'in the shell',
  'in the shell',
  'by hand before the point',
  'by hand after the point',
] as const;
type Story = (typeof STORIES)[number];

/** Arguments of `docker` that change a running container; `%WEB%` is its id. */
export const BY_HAND: Readonly<Record<string, readonly string[]>> = {
  'update cpu-shares': ['update', '--cpu-shares', '700', '%WEB%'],
  'update memory': ['update', '--memory', '210m', '--memory-swap', '420m', '%WEB%'],
  'update pids-limit': ['update', '--pids-limit', '77', '%WEB%'],
  'update restart': ['update', '--restart', 'unless-stopped', '%WEB%'],
  'update cpuset': ['update', '--cpuset-cpus', '1', '%WEB%'],
  connect: ['network', 'connect', '--alias', 'handmade', '%NAME%-hand', '%WEB%'],
  'connect with an address': ['network', 'connect', '--ip', '%NET%.200', '%NAME%-hand', '%WEB%'],
  disconnect: ['network', 'disconnect', '%NAME%_default', '%WEB%'],
};

/** The network of that. */
export const HAND_NETWORK = [
  'network',
  'create',
  '--label',
  'property=%NAME%',
  '--subnet',
  '%NET%.192/26',
  '%NAME%-hand',
];

export interface Project {
  file: Mapping;
  files: Record<string, string>;
  outside: string[][];
}

interface Change {
  facet: Facet;
  from: number;
  to: number;
}

export interface Case {
  seed: number;
  number: number;
  story: Story;
  /** The facets that change, and which of their values come before and after. */
  changes: Change[];
  /** A name out of `BY_HAND`, in stories by hand. */
  hand?: string;
  before: Project;
  after: Project;
  /** Keys of the compose file that differ. */
  keys: string[];
  environment: Record<string, string>;
}

/** Every facet and every one of its values, as the change that leads there or away from there. */
const CHANGES: readonly Change[] = FACETS.flatMap((facet) =>
  facet.values.slice(1).map((_, index) => ({ facet, from: index, to: index + 1 })),
);

/** The numbered case of a seed. Cases with successive numbers go through all changes of all facets. */
export function generateCase(seed: number, number: number): Case {
  const chance = numbers(seed * 1_000_003 + number * 7919);
  const below = (limit: number) => Math.floor((chance.next().value / 2147483648) * limit);
  for (let warm = 0; warm < 5; warm += 1) below(1);

  const first = pick(CHANGES, pick(shuffle(CHANGES.length, seed), number % CHANGES.length));
  const changes = [below(2) === 0 ? first : { ...first, from: first.to, to: first.from }];
  const constant: { facet: Facet; value: number }[] = [];
  const others = first.facet.alone ? 0 : below(6);
  for (let more = 0; more < others; more += 1) {
    const facet = pick(FACETS, below(FACETS.length));
    const taken = [...changes, ...constant].map((one) => one.facet);
    if (facet.alone || taken.some((other) => doClash(facet, other))) continue;
    const value = below(facet.values.length);
    if (more === 0 && below(2) === 0) changes.push({ facet, from: value, to: below(facet.values.length) });
    else constant.push({ facet, value });
  }

  const fixed = constant.map(({ facet, value }) => pick(facet.values, value));
  const before = assemble([...changes.map((one) => pick(one.facet.values, one.from)), ...fixed]);
  const after = assemble([...changes.map((one) => pick(one.facet.values, one.to)), ...fixed]);
  const facets = [...changes, ...constant].map((one) => one.facet);
  const hands = first.facet.alone ? [] : Object.keys(BY_HAND).filter((hand) => isPossible(hand, before.file));
  const isVariable = scalarDifference(before.file, after.file) !== undefined;
  const stories = STORIES.filter(
    (story) => (hands.length > 0 || !story.startsWith('by hand')) && (isVariable || !story.startsWith('in ')),
  );
  const story = pick(stories, below(stories.length));
  return {
    seed,
    number,
    story,
    changes,
    ...(story.startsWith('by hand') && { hand: pick(hands, below(hands.length)) }),
    before,
    after,
    keys: changedKeys(before.file, after.file),
    environment: Object.assign({}, ...facets.map((facet) => facet.environment)),
  };
}

/** Projects that together have the last form of each of these facets; what clashes is in different projects. */
export function bundle(facets: readonly Facet[]): { facets: Facet[]; project: Project }[] {
  const bundles: Facet[][] = [];
  for (const facet of facets) {
    const fits = bundles.find((others) => !others.some((other) => doClash(facet, other)));
    if (fits) fits.push(facet);
    else bundles.push([facet]);
  }
  return bundles.map((together) => ({
    facets: together,
    project: assemble(together.map(({ values }) => pick(values, values.length - 1))),
  }));
}

function isPossible(hand: string, { services }: Mapping): boolean {
  const { network_mode: mode, networks, deploy, scale, cpuset } = mapping(mapping(services)['web']);
  if (deploy !== undefined || scale !== undefined) return false;
  if (hand.includes('connect'))
    return mode === undefined && (hand !== 'disconnect' || networks === undefined);
  return hand !== 'update cpuset' || cpuset === undefined;
}

function doClash(a: Facet, b: Facet): boolean {
  if (a.name === b.name || (a.single && b.multiple) || (a.multiple && b.single)) return true;
  const [mine, theirs] = [keysOf(a), keysOf(b)];
  return (
    mine.some((key) => theirs.includes(key)) ||
    (a.clash ?? []).some((key) => theirs.includes(key)) ||
    (b.clash ?? []).some((key) => mine.includes(key))
  );
}

function keysOf(facet: Facet): string[] {
  return facet.values.flatMap((value) => [
    ...Object.keys(value.web ?? {}),
    ...Object.keys(value.peer ?? {}).map((key) => `peer.${key}`),
  ]);
}

const SLEEPER = { image: 'busybox:latest', init: true, command: ['sleep', 'infinity'] };

/** A project of fragments that do not clash. */
export function assemble(fragments: Fragment[]): Project {
  const web = Object.assign({ ...SLEEPER }, ...fragments.map((fragment) => fragment.web));
  const peer = Object.assign({ ...SLEEPER }, ...fragments.map((fragment) => fragment.peer));
  const top: Mapping = {};
  for (const fragment of fragments) {
    for (const [section, things] of Object.entries(fragment.top ?? {})) {
      top[section] = { ...mapping(top[section]), ...mapping(things) };
    }
  }
  return {
    file: { name: '%NAME%', services: { web, peer }, ...top },
    files: Object.assign({}, ...fragments.map((fragment) => fragment.files)),
    outside: fragments.flatMap((fragment) => fragment.outside ?? []),
  };
}

/** The one text or number that differs between two values, as its path; undefined when more than that differs. */
export function scalarDifference(before: Yaml, after: Yaml): (string | number)[] | undefined {
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null) {
    const isText = (value: Yaml) => typeof value === 'string' || typeof value === 'number';
    return isText(before) && isText(after) ? [] : undefined;
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = keys.filter((key) => JSON.stringify(at(before, key)) !== JSON.stringify(at(after, key)));
  const [key] = differing;
  if (differing.length !== 1 || key === undefined) return undefined;
  const [a, b] = [at(before, key), at(after, key)];
  const below = a === undefined || b === undefined ? undefined : scalarDifference(a, b);
  return below && [Array.isArray(before) ? Number(key) : key, ...below];
}

/** The value at a path of `scalarDifference`. */
export function valueAt(value: Yaml, path: (string | number)[]): string {
  const found = path.reduce<Yaml>((part, key) => at(part, `${key}`) ?? null, value);
  return typeof found === 'string' || typeof found === 'number' ? `${found}` : '';
}

function at(value: Yaml, key: string): Yaml | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function mapping(value: Yaml | undefined): Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

function shuffle(size: number, seed: number): number[] {
  const random = numbers(seed);
  return Array.from({ length: size }, (_, index) => ({ index, rank: random.next().value }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ index }) => index);
}

function pick<T>(all: readonly T[], index: number): T {
  const one = all[index];
  if (one === undefined) throw new Error(`there is no item ${index}`);
  return one;
}
