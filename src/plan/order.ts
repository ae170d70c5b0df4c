import type { ComposeModel } from '../model/compose.js';

/** Service to the services it needs. */
export type Dependencies = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Groups `services` into waves: each wave needs only services of earlier waves. Dependencies through services that are not
 * listed count too. A cycle (compose refuses them) ends up in one last wave rather than nowhere.
 */
export function waves(services: Iterable<string>, dependencies: Dependencies): string[][] {
  let left = [...new Set(services)].toSorted();
  const result: string[][] = [];
  while (left.length > 0) {
    const ready = left.filter(
      (service) => !left.some((other) => other !== service && needs(service, other, dependencies)),
    );
    const wave = ready.length > 0 ? ready : left;
    result.push(wave);
    left = left.filter((service) => !wave.includes(service));
  }
  return result;
}

/** Does `service` need `other`, directly or through others? */
export function needs(service: string, other: string, dependencies: Dependencies): boolean {
  const seen = new Set<string>();
  const queue = [service];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const needed of dependencies.get(next) ?? []) {
      if (needed === other) return true;
      if (!seen.has(needed)) {
        seen.add(needed);
        queue.push(needed);
      }
    }
  }
  return false;
}

export function dependenciesOf({ services }: ComposeModel): Dependencies {
  const shared = (value: unknown) => {
    const [, other] = /^service:(.+)$/.exec(String(value)) ?? [];
    return other === undefined ? [] : [other];
  };
  return new Map(
    Object.entries(services).map(([name, service]) => {
      const namespaces = ['network_mode', 'pid', 'ipc'].flatMap((key) => shared(service[key]));
      return [name, new Set([...Object.keys(service.depends_on), ...namespaces])] as const;
    }),
  );
}
