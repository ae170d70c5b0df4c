import type { ComposeModel } from '../model/compose.js';
import { isAtLeast } from '../model/versions.js';
import type { Lookup } from './interpolation.js';

/** Differences between versions of podman-compose, by its sources from 1.0.3 to 1.6.0. */
export interface Dialect {
  /** From 1.1 on: profiles, env files, and the shell before `.env`. */
  modern: boolean;
  /** From 1.4 on: `scale`, and `deploy.replicas` only with the mode `replicated`. */
  scales: boolean;
  /** From 1.5 on: settings of names, see `nameSettings`. */
  settings: boolean;
}

export function dialectOf(version: string): Dialect {
  const since = (wanted: string) => isAtLeast(version, wanted);
  return { modern: since('1.1'), scales: since('1.4'), settings: since('1.5') };
}

const SECTION = 'x-podman';
const SEPARATOR = 'name_separator_compat';
const COMPATIBLE = 'docker_compose_compat';

/**
 * How podman-compose joins names, as a section of the model: as `x-podman` of the compose files says, or variables, which win. Empty for underscores.
 */
export function nameSettings(section: Record<string, unknown>, lookup: Lookup): Record<string, unknown> {
  const set = (key: string) => lookup(`PODMAN_COMPOSE_${key.toUpperCase()}`) ?? section[key];
  return joinsByHyphen({ [SEPARATOR]: set(SEPARATOR), [COMPATIBLE]: set(COMPATIBLE) })
    ? { [SECTION]: { [SEPARATOR]: true } }
    : {};
}

/** The separator between the parts of a name: `shop_api_1`, or `shop-api-1` where the model has it. */
export function separatorOf(model: ComposeModel | undefined): '_' | '-' {
  const section = model?.[SECTION];
  return typeof section === 'object' && section !== null && joinsByHyphen({ ...section }) ? '-' : '_';
}

/** Compatibility with docker compose brings hyphens, unless they are set themselves. */
function joinsByHyphen({ [SEPARATOR]: own, [COMPATIBLE]: all }: Record<string, unknown>): boolean {
  if (own === undefined) return Boolean(all);
  return own === true || own === 1 || (typeof own === 'string' && /^(?:true|1)$/i.test(own));
}
