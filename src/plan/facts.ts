import { canonicalText } from '../model/canonical.js';
import {
  CONTAINER_FACTS,
  type Fact,
  type FactRule,
  type Facts,
  type Json,
  type Membership,
  NETWORK_FACTS,
  OWN_NAME,
  parseMembership,
  type ProjectFacts,
  ruleOf,
  VOLUME_FACTS,
} from '../model/facts.js';
import { inCommonTerms } from './across.js';

/** Recorded facts against present ones. Pure. */

export interface FactDifference {
  what: 'service' | 'network' | 'volume';
  /** Of the service, network or volume. */
  name: string;
  key: string;
  /** Null where there was or is no such setting. */
  was: Json;
  is: Json;
  /** A run that ends with it has failed. */
  isEssential: boolean;
  /** The values may hold passwords. */
  isSecret: boolean;
}

export interface Comparison {
  /** How many facts were compared and are equal. */
  equal: number;
  differences: FactDifference[];
  /** Defaults of the engine that changed: of no consequence for what was asked for. */
  defaults: FactDifference[];
}

/** Were both sides read from engines of the same kind? */
export type Engines = 'same' | 'other';

const TABLES = { service: CONTAINER_FACTS, network: NETWORK_FACTS, volume: VOLUME_FACTS } as const;

const NOTHING: Comparison = { equal: 0, differences: [], defaults: [] };

/**
 * Only what files, people and images set is compared. Values that the engine generated are of no interest, and its defaults are reported apart.
 * @param engines between engines of two kinds, facts are compared as their `across` says; `same` when absent
 */
export function compareFacts(
  what: FactDifference['what'],
  name: string,
  recorded: Facts,
  present: Facts,
  engines: Engines = 'same',
): Comparison {
  if (engines === 'other') return compareTranslated(what, name, recorded, present);
  const result: Comparison = { equal: 0, differences: [], defaults: [] };
  const keys = [...new Set([...Object.keys(recorded), ...Object.keys(present)])].toSorted();
  for (const key of keys) {
    const rule = ruleOf(TABLES[what], key);
    const [was, is] = [recorded[key], present[key]];
    // What only the present image gives is no difference of its own: images are compared by their ids.
    const comesWithImage = was === undefined && is?.origin === 'image';
    if (!rule || comesWithImage || isOneOf(['generated'], was, is)) continue;
    if (was && is && isEqual(key, was.value, is.value)) {
      if (was.origin !== 'daemon') result.equal += 1;
      continue;
    }
    const list = isOneOf(['daemon', 'generated'], was, is) ? result.defaults : result.differences;
    list.push(toDifference(what, name, key, rule, was, is));
  }
  return result;
}

/** By the facts that engines of both kinds tell. Defaults of two engines always differ, so that they say nothing. */
function compareTranslated(
  what: FactDifference['what'],
  name: string,
  recorded: Facts,
  present: Facts,
): Comparison {
  const [then, now] = [inCommonTerms(recorded), inCommonTerms(present)];
  const isTold = (key: string) => {
    const how = ruleOf(TABLES[what], key)?.across?.how;
    return how !== 'never' && (how !== 'when-asked' || then[key]?.origin === 'set');
  };
  const told = (facts: Facts): Facts =>
    Object.fromEntries(Object.entries(facts).filter(([key]) => isTold(key)));
  return { ...compareFacts(what, name, told(then), told(now)), defaults: [] };
}

function isEqual(key: string, was: Json, is: Json): boolean {
  const comparable = (value: Json) =>
    canonicalText(key.startsWith('network.') ? withoutOwnName(parseMembership(value)) : value);
  return comparable(was) === comparable(is);
}

/** Not every release of compose gives a container its name as an alias; it is known by it in any case. */
export function withoutOwnName({ aliases, ...membership }: Membership): Membership {
  return { ...membership, aliases: aliases.filter((alias) => alias !== OWN_NAME) };
}

/** Does everything that gives a value come from these origins? */
function isOneOf(origins: Fact['origin'][], ...facts: (Fact | undefined)[]): boolean {
  return facts.every((fact) => fact === undefined || origins.includes(fact.origin));
}

function toDifference(
  what: FactDifference['what'],
  name: string,
  key: string,
  { essential, secret }: FactRule,
  was: Fact | undefined,
  is: Fact | undefined,
): FactDifference {
  return {
    what,
    name,
    key,
    was: was?.value ?? null,
    is: is?.value ?? null,
    isEssential: essential ?? false,
    isSecret: secret ?? false,
  };
}

/** The containers of a service. One more than there were is compared with the last of those. */
export function compareService(
  recorded: ProjectFacts,
  present: ProjectFacts,
  service: string,
  engines: Engines = 'same',
): Comparison {
  const [then, now] = [recorded.services[service] ?? [], present.services[service] ?? []];
  const compared = now.flatMap((facts, index) => {
    const counterpart = then[index] ?? then.at(-1);
    return counterpart ? [compareFacts('service', service, counterpart, facts, engines)] : [];
  });
  return merge(compared);
}

/** A network or volume that is not there now is no difference: it is made when it is needed. */
export function compareNetwork(
  recorded: ProjectFacts,
  present: ProjectFacts,
  network: string,
  engines: Engines = 'same',
): Comparison {
  const [then, now] = [recorded.networks[network], present.networks[network]];
  return then && now ? compareFacts('network', network, then.facts, now.facts, engines) : NOTHING;
}

/** Networks that are not the project's. One that is gone is missed by what needs it. */
export function compareExternalNetworks(recorded: ProjectFacts, present: ProjectFacts): Comparison {
  const compared = Object.entries(recorded.external_networks).flatMap(([name, then]) => {
    const now = present.external_networks[name];
    return now ? [compareFacts('network', name, then, now)] : [];
  });
  return merge(compared);
}

export function compareVolume(
  recorded: ProjectFacts,
  present: ProjectFacts,
  volume: string,
  engines: Engines = 'same',
): Comparison {
  const [then, now] = [recorded.volumes[volume], present.volumes[volume]];
  return then && now ? compareFacts('volume', volume, then, now, engines) : NOTHING;
}

/** Everything of these services, and all networks and volumes. */
export function compareProject(
  recorded: ProjectFacts,
  present: ProjectFacts,
  services: string[],
  engines: Engines = 'same',
): Comparison {
  return merge([
    ...services.map((name) => compareService(recorded, present, name, engines)),
    ...Object.keys(recorded.networks).map((name) => compareNetwork(recorded, present, name, engines)),
    // Each engine has networks of others of its own.
    engines === 'same' ? compareExternalNetworks(recorded, present) : NOTHING,
    ...Object.keys(recorded.volumes).map((name) => compareVolume(recorded, present, name, engines)),
  ]);
}

function merge(comparisons: Comparison[]): Comparison {
  return {
    equal: comparisons.reduce((sum, { equal }) => sum + equal, 0),
    differences: unique(comparisons.flatMap(({ differences }) => differences)),
    defaults: unique(comparisons.flatMap(({ defaults }) => defaults)),
  };
}

/** Replicas mostly differ in the same. */
function unique(differences: FactDifference[]): FactDifference[] {
  return [...new Map(differences.map((one) => [canonicalText(one), one])).values()];
}

/** `web: restart was always, is no`. Values that may be secret are left out. */
export function describeDifference(difference: FactDifference): string {
  const { what, name } = difference;
  return `${what === 'service' ? name : `${what} ${name}`}: ${describeChange(difference)}`;
}

/** `restart was always, is no`. */
export function describeChange({ key, was, is, isSecret }: FactDifference): string {
  if (!isSecret) return `${key} was ${show(was)}, is ${show(is)}`;
  if (was === null) return `${key} was not set`;
  return is === null ? `${key} is not set any more` : `${key} differs`;
}

function show(value: Json): string {
  if (value === null) return 'not set';
  return typeof value === 'string' ? value : canonicalText(value);
}
