import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';

/** Profiles: which services are meant, and which profiles must have been active for the containers to be there. */

/** Names of the services that these profiles activate. */
export function activeServices(model: ComposeModel | undefined, profiles: string[]): string[] {
  const services = Object.entries(model?.services ?? {});
  return services.filter(([, service]) => isActive(service.profiles, profiles)).map(([name]) => name);
}

function isActive(wanted: string[], profiles: string[]): boolean {
  return (
    wanted.length === 0 || profiles.includes('*') || wanted.some((profile) => profiles.includes(profile))
  );
}

/**
 * A service with containers has an active profile, named here or not. Of several the one whose services all have containers is taken, so
 * that nothing is activated that does not run.
 */
export function deduceProfiles(
  given: string[],
  model: ComposeModel | undefined,
  containers: Container[],
): { profiles: string[]; added: string[] } {
  const services = model?.services ?? {};
  const running = new Set(containers.flatMap(({ service }) => service ?? []));
  const runsWhole = (profile: string) =>
    Object.entries(services).every(
      ([name, service]) => !service.profiles.includes(profile) || running.has(name),
    );
  const added: string[] = [];
  for (const name of [...running].toSorted()) {
    const wanted = services[name]?.profiles ?? [];
    if (isActive(wanted, [...given, ...added])) continue;
    const profile = wanted.find(runsWhole) ?? wanted[0];
    if (profile !== undefined) added.push(profile);
  }
  return { profiles: [...given, ...added], added };
}
