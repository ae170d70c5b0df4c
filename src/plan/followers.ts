import type { ComposeService } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { Observation } from '../model/project.js';
import type { Decision } from './decision.js';
import { otherNameOf } from './moved.js';
import type { Target } from './target.js';

/** Services whose network, process or IPC namespace, or whose volumes, this one uses by their names as services. */
export function lendersOf(service: ComposeService): string[] {
  const volumes = Array.isArray(service['volumes_from']) ? service['volumes_from'] : [];
  return [
    ...namespacesOf(service, 'service'),
    ...volumes.flatMap((from) => (typeof from === 'string' ? (from.split(':')[0] ?? []) : [])),
  ];
}

/** Services of the project whose namespaces this one uses by `container:` and the name or id of a container. */
function containerLendersOf(
  service: ComposeService,
  { model, point }: Target,
  observation: Observation,
): string[] {
  const names = [...new Set([...Object.keys(model?.services ?? {}), ...Object.keys(observation.services)])];
  const holds = (name: string, reference: string) =>
    model?.services[name]?.container_name === reference ||
    [`${point.project.name}-${name}-1`, `${point.project.name}_${name}_1`].includes(reference) ||
    (observation.services[name]?.containers ?? []).some((container) => isReferenceTo(container, reference));
  return namespacesOf(service, 'container').flatMap(
    (reference) => names.find((name) => holds(name, reference)) ?? [],
  );
}

function namespacesOf(service: ComposeService, of: 'service' | 'container'): string[] {
  const modes = [service.network_mode, service['pid'], service['ipc']];
  return modes.flatMap((mode) =>
    typeof mode === 'string' && mode.startsWith(`${of}:`) ? mode.slice(of.length + 1) : [],
  );
}

/** Docker takes the first twelve digits of an id for the id. */
function isReferenceTo({ id, name }: Pick<Container, 'id' | 'name'>, reference: string): boolean {
  return name === reference || (/^[0-9a-f]{12,64}$/.test(reference) && id.startsWith(reference));
}

/** What starts and stops in order because of `container:`, which compose does not count as a dependency. */
export function containerDependencies(target: Target, observation: Observation): [string, string[]][] {
  return Object.entries(target.model?.services ?? {}).map(([name, service]) => [
    name,
    containerLendersOf(service, target, observation).filter((lender) => lender !== name),
  ]);
}

/** Services without whose containers the engine keeps none of this one's: it lets them go only after these. */
export function tiedTo({ services }: Observation, name: string): string[] {
  const needed = new Set(services[name]?.containers.flatMap(({ needs }) => needs));
  return Object.values(services)
    .filter((other) => other.name !== name && other.containers.some(({ id }) => needed.has(id)))
    .map((other) => other.name);
}

/** Whether its containers go before others are made: the provider cannot replace them, the engine ties them to others, or they have names that others get. */
export function goesFirst(
  observation: Observation,
  target: Target,
  service: string,
  decision: Decision | undefined,
): boolean {
  if (decision?.action !== 'up') return decision?.action === 'remove';
  const { provider, services } = observation;
  if (!decision.stop || (services[service]?.containers ?? []).length === 0) return false;
  const ties = (one: string, other: string) => tiedTo(observation, one).includes(other);
  return (
    !provider.replaces ||
    otherNameOf(service, observation, target) !== undefined ||
    holdsNameOfOther(service, observation, target) ||
    Object.keys(services).some((other) => ties(service, other) || ties(other, service))
  );
}

/** Whether one of its containers has the name that a container of another service gets: compose replaces them one by one, and would find it taken. */
function holdsNameOfOther(service: string, { services }: Observation, { model, facts }: Target): boolean {
  const others = [...new Set([...Object.keys(model?.services ?? {}), ...Object.keys(facts?.services ?? {})])];
  const wanted = others.flatMap((other) => {
    if (other === service) return [];
    const recorded = (facts?.services[other] ?? []).map((own) => own['name']?.value);
    return [model?.services[other]?.container_name, ...recorded];
  });
  return (services[service]?.containers ?? []).some(({ name }) => wanted.includes(name));
}

/**
 * Why a service that could stay as it is has to follow others that are started: it lives in the namespaces of one, or asked to be
 * restarted with it (`depends_on: restart: true`). Undefined when it need not, or already does.
 */
export function following(
  name: string,
  { action }: Decision,
  target: Target,
  observation: Observation,
  decisions: ReadonlyMap<string, Decision>,
): Decision | undefined {
  const { model, point } = target;
  const service = model?.services[name];
  const recorded = point.containers[name];
  if (!service || !recorded) return undefined;
  const holder = tiedTo(observation, name).find((other) => decisions.get(other)?.action === 'up');
  if (holder !== undefined && action !== 'up') {
    const { replicas, running } = recorded;
    const cause = `the engine ties it to ${holder}, which is made anew`;
    return { action: 'up', cause, start: running > 0, replicas, stop: true };
  }
  if (recorded.running === 0) return undefined;
  const started = (other: string) => ['up', 'start', 'restart'].includes(decisions.get(other)?.action ?? '');
  const byService = lendersOf(service);
  const lenders = [...byService, ...containerLendersOf(service, target, observation)];
  const lender = lenders.find((other) => decisions.get(other)?.action === 'up');
  // A container that is only started again would look for the namespaces of one that is gone.
  if (lender !== undefined && ['keep', 'reload', 'start', 'restart'].includes(action)) {
    const { replicas } = recorded;
    return {
      action: 'up',
      cause: `it lives in ${lender}, which is made anew`,
      start: true,
      replicas,
      stop: true,
      // Compose hashes the name and not the id: for it nothing changed.
      ...(byService.includes(lender) ? {} : { recreate: true }),
    };
  }
  const restarting = Object.entries(service.depends_on).flatMap(([needed, { restart }]) =>
    restart === true ? needed : [],
  );
  if (action !== 'keep' && action !== 'reload') return undefined;
  const leader = [...lenders, ...restarting].find(started);
  if (leader !== undefined) return { action: 'restart', cause: `it follows ${leader}` };
  const renewed = renewedLenderOf(observation, name);
  if (renewed === undefined) return undefined;
  return { action: 'restart', cause: `${renewed} was started after it and has new namespaces` };
}

/**
 * The service that lends this one a namespace and was started after it, by itself or by hand. Each start gives a container new namespaces, and this
 * one keeps what is left of the earlier ones: it has no network, for example.
 */
function renewedLenderOf({ services }: Observation, name: string): string | undefined {
  const running = (service: string) =>
    (services[service]?.containers ?? []).filter(({ state }) => state === 'running');
  const isRenewed = (lender: Container) =>
    running(name).some(
      ({ joins, startedAt }) =>
        joins.some((reference) => isReferenceTo(lender, reference)) &&
        Date.parse(lender.startedAt) > Date.parse(startedAt),
    );
  return Object.keys(services).find((other) => other !== name && running(other).some(isRenewed));
}
