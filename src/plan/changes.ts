import type { Json } from '../model/facts.js';
import type { Findings } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import { hasDrifted } from './definitions.js';
import { compareProject, compareService, type FactDifference } from './facts.js';
import { changedByHand } from './by-hand.js';
import { driftedNetworks } from './network-definition.js';
import type { Target } from './target.js';

/** What the recorded facts mean for a plan. Pure. */

/** Differences of a service's containers that making them anew can remove. None for a point without facts. */
export function serviceDifferences(
  { facts: present }: Observation,
  { facts: recorded }: Target,
  findings: Findings,
  service: string,
): FactDifference[] {
  if (!recorded) return [];
  const { differences } = compareService(recorded, present, service);
  return differences.filter((one) => isWithinReach(one, findings));
}

/** What is gone from the engine cannot be taken again: an anonymous volume, somebody else's network. */
export function isWithinReach(
  { key, was, is }: Pick<FactDifference, 'key' | 'was' | 'is'>,
  { lostVolumes, lostNetworks }: Pick<Findings, 'lostVolumes' | 'lostNetworks'>,
): boolean {
  if (key.startsWith('network.')) return !lostNetworks.includes(key.slice('network.'.length));
  const volume = anonymousVolume(was);
  if (volume === undefined || !lostVolumes.includes(volume)) return true;
  return is !== null && anonymousVolume(is) === undefined;
}

/** The name of the volume when it has none but its digits: such a volume comes from a container, not from files. */
export function anonymousVolume(mount: Json): string | undefined {
  if (typeof mount !== 'object' || mount === null || Array.isArray(mount)) return undefined;
  const { volume } = mount;
  return typeof volume === 'string' && isAnonymous(volume) ? volume : undefined;
}

/** The engine gives volumes without a name the digits of a hash. */
export function isAnonymous(volume: string): boolean {
  return /^[0-9a-f]{64}$/.test(volume);
}

/** Does the service have to be made by its facts, because its recorded files do not give them? */
export function needsFacts(
  observation: Observation,
  target: Target,
  findings: Findings,
  service: string,
): boolean {
  const { facts, model, point } = target;
  const [own] = facts?.services[service]?.slice(-1) ?? [];
  if (!own) return false;
  if (model && !model.services[service]) return true;
  if (point.containers[service]?.matches_files === false || hasDrifted(point, service)) return true;
  if (changedByHand(own, model?.services[service])) return true;
  if (driftedNetworks(target).some((network) => own[`network.${network}`] !== undefined)) return true;
  // A new container takes over the anonymous volumes of the one before it, whichever those are.
  return serviceDifferences(observation, target, findings, service).some(
    ({ was }) => anonymousVolume(was) !== undefined,
  );
}

/** How many recorded facts of these services, of networks and of volumes are equal today, images included. */
export function countEqual(
  { facts: present }: Observation,
  { facts, point }: Target,
  services: string[],
): number {
  const images = services.filter((service) => point.images[service] !== undefined);
  return facts ? compareProject(facts, present, services).equal + images.length : 0;
}

/** `image and restart`, for a person: kinds of settings, each once. */
export function summarise(differences: FactDifference[]): string {
  const keys = [...new Set(differences.map(({ key }) => key))];
  const shown = keys.slice(0, MAX_KEYS).join(', ');
  return keys.length > MAX_KEYS ? `${shown} and ${keys.length - MAX_KEYS} more` : shown;
}

const MAX_KEYS = 4;
