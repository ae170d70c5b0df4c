import { canonicalText } from '../model/canonical.js';
import type { ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { Point } from '../model/point.js';
import { isAtLeast, isSameRelease } from '../model/versions.js';

/**
 * Whether two definitions of a service are the same. Compose's hashes of one release answer that. Those of two releases may differ for an
 * unchanged service: `depends_on` left the hash in 2.29.3, `profiles` in 2.30.2.
 */

/** The hash of a definition, and the version of the program that made it. */
export interface DefinitionHash {
  hash: string;
  by: string | null | undefined;
}

/** `unknown`: the hashes differ, and no two of them are of one release. */
export type Comparison = 'same' | 'other' | 'unknown';

export function compareHashes(one: DefinitionHash, others: DefinitionHash[]): Comparison {
  if (others.some(({ hash }) => hash === one.hash)) return 'same';
  return others.some(({ by }) => isSameRelease(by, one.by)) ? 'other' : 'unknown';
}

export function hashOf({ configHash, composeVersion }: Container): DefinitionHash | undefined {
  return configHash === undefined ? undefined : { hash: configHash, by: composeVersion };
}

/** The hash that the service's recorded containers carried. Earlier points do not say who made them: then it was who recorded them. */
export function recordedHash({ containers, metadata }: Point, service: string): DefinitionHash | undefined {
  const { config_hash: hash = null, compose_version: by = null } = containers[service] ?? {};
  return hash === null ? undefined : { hash, by: by ?? metadata.provider.version };
}

/** The hash that the recorded files gave the service. */
export function recordedFilesHash(
  { containers, metadata }: Point,
  service: string,
): DefinitionHash | undefined {
  const hash = containers[service]?.files_hash ?? null;
  return hash === null ? undefined : { hash, by: metadata.provider.version };
}

/** Did the service run with other settings than its recorded files give? */
export function hasDrifted(point: Point, service: string): boolean {
  const [ran, files] = [recordedHash(point, service), recordedFilesHash(point, service)];
  return ran !== undefined && files !== undefined && compareHashes(ran, [files]) === 'other';
}

/**
 * Does compose of this version read a recorded model as the program meant it that printed it? Models of other programs are our own reading of
 * files. An earlier compose may not: 2.26 takes mode "0440" of 2.40 for 440, and before 5.0.2 it takes a bind of 5.0 for another (measured).
 */
export function canReadModelOf({ name, version }: Point['metadata']['provider'], today: string): boolean {
  if (name === 'podman-compose' || !isAtLeast(version, '2') || !isAtLeast(today, version)) return false;
  return isAtLeast(today, '5.0.2') || !isAtLeast(version, '5.0');
}

type Fields = Record<string, unknown>;

/** Compose leaves these out of its hash (`pkg/compose/hash.go` of 5.5.0): no container differs by them. */
const NOT_HASHED: ReadonlySet<string> = new Set(['build', 'pull_policy', 'scale', 'depends_on', 'profiles']);

/** Do both resolved models say the same of a service? Two versions of compose may print the same thing in two ways. */
export function isSameDefinition(
  one: ComposeService | undefined,
  other: ComposeService | undefined,
): boolean {
  return one !== undefined && other !== undefined && canonicalDefinition(one) === canonicalDefinition(other);
}

function canonicalDefinition(service: ComposeService): string {
  const kept = Object.entries(service).filter(([key]) => !NOT_HASHED.has(key));
  const covered = {
    ...Object.fromEntries(kept),
    deploy: { ...service.deploy, replicas: undefined },
    configs: service.configs.map(normaliseMode),
    secrets: service.secrets.map(normaliseMode),
    volumes: service.volumes.map(normaliseBind),
    networks: markNetworks(fields(service['networks'])),
  };
  return canonicalText(dropUnset(covered));
}

/** A network without settings is one all the same. */
function markNetworks(networks: Fields): Fields {
  return Object.fromEntries(
    Object.entries(networks).map(([name, settings]) => [name, dropUnset(settings) ?? 'attached']),
  );
}

/** 288 of compose 2.26 is "0440" of 2.40. */
function normaliseMode(file: Fields): Fields {
  const { mode } = file;
  return { ...file, mode: typeof mode === 'string' ? Number.parseInt(mode, 8) : mode };
}

/** Compose 5 leaves out what is so by default. */
function normaliseBind(volume: Fields): Fields {
  const { create_host_path: creates, ...bind } = fields(volume['bind']);
  return { ...volume, bind: creates === false ? { ...bind, create_host_path: false } : bind };
}

/** JSON has what is not set as null or as an empty map, YAML leaves it out. */
function dropUnset(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropUnset);
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const set = Object.entries(value)
    .map(([key, one]) => [key, dropUnset(one)] as const)
    .filter(([, one]) => one !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
