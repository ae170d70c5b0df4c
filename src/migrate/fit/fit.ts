import type { ComposeModel, ComposeService } from '../../model/compose.js';
import { GRADES, type Check, type Grade } from '../../model/readiness.js';
import type { BindSources } from '../bind-sources.js';
import { DATA_RULES } from './data.js';
import { IMAGE_RULES } from './image.js';
import { LIFE_RULES } from './life.js';
import { NETWORK_RULES } from './network.js';
import { PROVIDER_RULES } from './provider.js';
import { RIGHTS_RULES } from './rights.js';

/** What a compose project meets on Podman that Docker does otherwise, told from its model. Pure. */

/** Where the project would run. */
export interface Surroundings {
  rootless: boolean;
  podmanVersion: string;
  provider: 'docker compose' | 'podman-compose';
  /** Of podman-compose, `1.0.3`. */
  providerVersion: string;
  systemd: boolean;
  selinux: boolean;
  apparmor: boolean;
  cgroups: 'v1' | 'v2';
  /** Registries that a short image name is looked for in; empty: none. */
  searched: readonly string[];
  networkDrivers: readonly string[];
  logDrivers: readonly string[];
  /** The lowest port that a user without root may publish. */
  lowestPort: number;
  sources: BindSources;
}

/** What a rule tells of a thing that differs. */
export interface Found {
  grade: Exclude<Grade, 'ok'>;
  finding: string;
  why: string;
  fix: string;
  rewrite?: string;
}

/** A rule looks for one thing in one service. */
export interface Rule {
  id: string;
  find(service: ComposeService, at: Place): Found | Found[] | undefined;
}

export interface Place extends Surroundings {
  model: ComposeModel;
}

const RULES: readonly Rule[] = [
  ...IMAGE_RULES,
  ...DATA_RULES,
  ...NETWORK_RULES,
  ...RIGHTS_RULES,
  ...LIFE_RULES,
  ...PROVIDER_RULES,
];

/** By the first word of a rule's id; `podman` for the others. */
const CATEGORIES: Readonly<Record<string, Check['category']>> = {
  port: 'network',
  network: 'network',
  mount: 'permissions',
  volume: 'permissions',
  user: 'security',
  rights: 'security',
};

/** Everything that differs, service by service, the gravest first within each. */
export function differencesOnPodman(model: ComposeModel, surroundings: Surroundings): Check[] {
  const place = { ...surroundings, model };
  return Object.entries(model.services)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, service]) =>
      RULES.flatMap((rule) =>
        [rule.find(service, place) ?? []].flat().map((found) => toCheck(rule, name, found)),
      ).toSorted(gravestFirst),
    );
}

function toCheck({ id }: Rule, service: string, { rewrite, ...found }: Found): Check {
  const category = CATEGORIES[id.split('.')[0] ?? ''] ?? 'podman';
  return { id, category, service, ...found, rewrite: rewrite ?? null };
}

export function gravestFirst(a: Check, b: Check): number {
  return GRADES.indexOf(b.grade) - GRADES.indexOf(a.grade);
}
