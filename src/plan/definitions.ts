import { canonicalText } from '../model/canonical.js';
import type { ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { Point } from '../model/point.js';
import { isSameRelease } from '../model/versions.js';

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
export function hadDrifted(point: Point, service: string): boolean {
  const [ran, files] = [recordedHash(point, service), recordedFilesHash(point, service)];
  return ran !== undefined && files !== undefined && compareHashes(ran, [files]) === 'other';
}

type Fields = Record<string, unknown>;

/** Compose leaves these out of its hash (`pkg/compose/hash.go` of 5.5.0): no container differs by them. */
const NOT_HASHED: ReadonlySet<string> = new Set(['build', 'pull_policy', 'scale', 'depends_on', 'profiles']);

/** Do both resolved models say the same of a service? Two versions of compose may print the same thing in two ways. */
export function isSameDefinition(
  one: ComposeService | undefined,
  other: ComposeService | undefined,
): boolean {
  return one !== undefined && other !== undefined && hashed(one) === hashed(other);
}

function hashed(service: ComposeService): string {
  const kept = Object.entries(service).filter(([key]) => !NOT_HASHED.has(key));
  const covered = {
    ...Object.fromEntries(kept),
    deploy: { ...service.deploy, replicas: undefined },
    configs: service.configs.map(withMode),
    secrets: service.secrets.map(withMode),
    networks: attached(fields(service['networks'])),
  };
  return canonicalText(withoutUnset(covered));
}

/** A network without settings is one all the same. */
function attached(networks: Fields): Fields {
  return Object.fromEntries(
    Object.entries(networks).map(([name, settings]) => [name, withoutUnset(settings) ?? 'attached']),
  );
}

/** 288 of compose 2.26 is "0440" of 2.40. */
function withMode(file: Fields): Fields {
  const { mode } = file;
  return { ...file, mode: typeof mode === 'string' ? Number.parseInt(mode, 8) : mode };
}

/** JSON has what is not set as null or as an empty map, YAML leaves it out. */
function withoutUnset(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUnset);
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const set = Object.entries(value)
    .map(([key, one]) => [key, withoutUnset(one)] as const)
    .filter(([, one]) => one !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
