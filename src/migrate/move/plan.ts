import { MOVE_FORMAT, type MoveOperation, type MovePlan } from '../../model/move.js';
import type { Observation } from '../../model/project.js';
import { dependenciesOf, waves } from '../../plan/order.js';
import { shortId, type Target } from '../../plan/target.js';
import { engineName, imagesToCarry, runningServices, upOf, type MoveFacts } from './facts.js';
import { blockers, risks } from './remarks.js';
import { discardParked, operation } from './operations.js';

/** What it takes to move a project from one engine to another. Pure. */
export function planMove(facts: MoveFacts): MovePlan {
  const { kind, source, target } = facts;
  const order = startOrder(source);
  const volumes = (facts.data ? facts.volumes : []).flatMap(({ name, services, existing, from, to }) =>
    from.driver && to.driver ? [{ name, services, existing, from: from.driver, to: to.driver }] : [],
  );
  return {
    format: MOVE_FORMAT,
    kind,
    project: source.project.name,
    source: sideOf(source, facts.hosts.source),
    target: sideOf(target, facts.hosts.target),
    running: order.flat().flatMap((service) => upOf(source, service).map(({ id }) => ({ id, service }))),
    policies: policiesOf(source),
    held: facts.held,
    goal: facts.goal?.point.id ?? null,
    undoes: facts.undoes,
    volumes,
    operations: operations(facts, order, volumes),
    risks: risks(facts),
    blockers: blockers(facts),
  };
}

function sideOf({ engine, provider }: Observation, host: string | null): MovePlan['source'] {
  const { kind, id, version, rootless } = engine;
  return { kind, id, host, version, rootless, provider: provider.name };
}

/** Services that run, dependencies first. */
function startOrder(observation: Observation): string[][] {
  const { model } = observation;
  return waves(runningServices(observation), model ? dependenciesOf(model) : new Map());
}

function operations(facts: MoveFacts, order: string[][], volumes: MovePlan['volumes']): MoveOperation[] {
  const { source, target, held, goal } = facts;
  const running = order.flat();
  return [
    ...imagesToCarry(facts).map(({ image, ref }) =>
      operation(
        'carry-image',
        { image, ref },
        `${engineName(target.engine)} does not have ${shortId(image)}`,
      ),
    ),
    ...volumes.map(({ name }) =>
      operation('carry-volume', { volume: name }, 'the services run on meanwhile'),
    ),
    ...holding(source),
    ...order.toReversed().map((services) => {
      const containers = services.flatMap((service) => upOf(source, service).map(({ id }) => id));
      return operation('stop-source', { services, containers }, 'its data must not change any more');
    }),
    ...volumes.map(({ name }) =>
      operation('sync-volume', { volume: name }, 'what changed since goes over, and both are compared'),
    ),
    ...(held.length > 0
      ? [operation('release-target', { containers: held.map(({ id }) => id) }, 'an earlier move took them')]
      : []),
    operation(
      'start-target',
      { services: toStart(running, goal) },
      `so far they ran on ${engineName(source.engine)}`,
    ),
    ...volumes
      .filter(({ existing, to }) => existing && to === 'host')
      .map(({ name }) => operation('keep-replaced', { volume: name }, 'so that it is not lost')),
    ...discardParked(volumes),
  ];
}

/** What ran: at the source, or at the goal. */
function toStart(running: string[], goal: Target | undefined): string[] {
  if (!goal) return running.toSorted();
  const { containers } = goal.point;
  return Object.keys(containers).filter((service) => (containers[service]?.running ?? 0) > 0);
}

/** What an engine that starts again would start, stopped or not. */
function policiesOf({ services, engine }: Observation): MovePlan['policies'] {
  if (!engine.changesRestart) return [];
  return Object.values(services).flatMap(({ containers }) =>
    containers.filter(({ restart }) => restart !== 'no').map(({ id, restart }) => ({ id, restart })),
  );
}

function holding(source: Observation) {
  const containers = policiesOf(source).map(({ id }) => id);
  if (containers.length === 0) return [];
  return [operation('hold-source', { containers }, 'the project must not run at both sides')];
}
