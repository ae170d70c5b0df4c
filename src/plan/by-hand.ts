import { canonicalText } from '../model/canonical.js';
import type { ComposeService } from '../model/compose.js';
import type { Facts, Json } from '../model/facts.js';
import { fields, number, text } from './definition-values.js';

/** Settings that people change while a container runs, so that no hash tells. Pure. */

/** What the recorded resources of a service are by its definition: they can be changed while a container runs (`docker update`). */
export function changedByHand(facts: Facts, service: ComposeService | undefined): boolean {
  if (!service) return false;
  const expected = expectedResources(service);
  return Object.entries(expected).some(
    ([key, value]) =>
      canonicalText(facts[key]?.origin === 'set' ? facts[key].value : null) !== canonicalText(value),
  );
}

/** By the keys of the facts; null for what is not set. */
export function expectedResources(service: ComposeService): Record<string, Json> {
  const resources = fields(fields(service.deploy)['resources']);
  const [limits, reservations] = [fields(resources['limits']), fields(resources['reservations'])];
  const cpus = Number(service['cpus'] ?? limits['cpus'] ?? 0);
  return {
    mem_limit: number(service['mem_limit'] ?? limits['memory']),
    mem_reservation: number(service['mem_reservation'] ?? reservations['memory']),
    cpus: cpus === 0 ? null : Math.round(cpus * 1e9),
    cpu_shares: number(service['cpu_shares']),
    cpu_period: number(service['cpu_period']),
    cpu_quota: number(service['cpu_quota']),
    cpuset: text(service['cpuset']) || null,
    cpuset_mems: null,
    pids_limit: number(service['pids_limit'] ?? limits['pids']),
    'blkio.weight': number(fields(service['blkio_config'])['weight']),
    restart: expectedRestart(service),
  };
}

function expectedRestart({ restart, deploy }: ComposeService): Json {
  const policy = fields(fields(deploy)['restart_policy']);
  if (restart !== undefined) return restart === 'no' ? null : restart;
  const attempts = policy['max_attempts'];
  switch (policy['condition']) {
    case undefined:
      return Object.keys(policy).length === 0 ? null : withAttempts('always', undefined);
    case 'none':
      return null;
    case 'on-failure':
      return withAttempts('on-failure', attempts);
    default:
      return 'always';
  }
}

const withAttempts = (name: string, attempts: unknown) =>
  typeof attempts === 'number' && attempts > 0 ? `${name}:${attempts}` : name;
