import { canonicalText } from '../model/canonical.js';
import { type Facts, splitKey } from '../model/facts.js';
import { dropUnset, fields, type Fields, keyOf, optional } from './definition-values.js';
import type { Target } from './target.js';

/** Definitions of networks made of facts, and networks whose files say otherwise. Pure. */

/** Recorded networks that the recorded files define otherwise: somebody edited these before the point, and made nothing by them. */
export function driftedNetworks({
  model,
  point,
  facts,
}: Pick<Target, 'model' | 'point' | 'facts'>): string[] {
  if (!model || !facts) return [];
  return Object.entries(facts.networks).flatMap(([name, network]) => {
    const key = keyOf(model.networks, name, point.project.name);
    if (key === undefined || model.networks[key]?.external) return [];
    return isDefinition(networkFromFacts(network.facts), { ...model.networks[key] }) ? [] : [name];
  });
}

function isDefinition(found: Fields, defined: Fields): boolean {
  const keys = ['internal', 'attachable', 'enable_ipv6', 'driver_opts', 'labels', 'driver'];
  const isSame = keys.every((key) => normalised(found[key]) === normalised(defined[key]));
  const [was, is] = [fields(found['ipam']), fields(defined['ipam'])];
  return (
    isSame && ['driver', 'options', 'config'].every((key) => normalised(was[key]) === normalised(is[key]))
  );
}

/** What is not set, and what is so by itself, are the same. */
function normalised(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    return Object.keys(value).length === 0 ? '' : canonicalText(value);
  }
  const isDefault = [undefined, null, false, 'bridge', 'default', ''].some((one) => one === value);
  return isDefault ? '' : canonicalText(value);
}

/** A network of a compose file. */
export function networkFromFacts(facts: Facts): Fields {
  const group = (kind: string) =>
    Object.fromEntries(
      Object.entries(facts).flatMap(([key, { origin, value }]) => {
        const [first, rest] = splitKey(key);
        return first === kind && rest !== undefined && origin === 'set' ? [[rest, value]] : [];
      }),
    );
  const set = (key: string) => (facts[key]?.origin === 'set' ? facts[key].value : undefined);
  const subnets = set('subnets');
  const ipam = {
    driver: set('ipam_driver'),
    options: optional(group('ipam_option')),
    config: subnets,
  };
  const definition: Fields = {
    driver: set('driver'),
    internal: set('internal'),
    attachable: set('attachable'),
    enable_ipv6: set('ipv6'),
    enable_ipv4: set('without_ipv4') === true ? false : undefined,
    ipam: Object.values(ipam).every((value) => value === undefined) ? undefined : dropUnset(ipam),
    driver_opts: optional(group('option')),
    labels: optional(group('label')),
  };
  return dropUnset(definition);
}
