import { verifyService } from '../../handlers/verify.js';
import type { Container } from '../../model/engine.js';
import { RollbackError } from '../../model/errors.js';
import type { Observation } from '../../model/project.js';
import { lendersOf, tiedTo } from '../../plan/followers.js';
import { dependenciesOf, waves } from '../../plan/order.js';
import { usualReplicas } from '../../plan/target.js';
import { readContainers } from '../../project/containers.js';
import { bringUp } from '../../operations/up.js';
import { handlerContext, handlerOf, type Workspace } from '../../session/workspace.js';
import type { Finding } from '../diagnose/finding.js';
import type { Step } from './recovery.js';

/** What is done with services, whatever the scenario. */

/** A project and what was seen of it. */
export interface Scene {
  workspace: Workspace;
  observation: Observation;
}

export const servicesOf = (findings: Finding[]): string[] => [
  ...new Set(findings.flatMap(({ service }) => service ?? [])),
];

/** Containers of these services as they are by now. */
async function containersOf({ engine, project }: Workspace, services: string[]): Promise<Container[]> {
  const { replicas } = await readContainers(engine, project);
  return replicas.filter(({ service }) => service !== undefined && services.includes(service));
}

/** Services in groups, each of which needs only those before it. */
function inOrder({ observation }: Scene, services: string[]): string[][] {
  return waves(services, observation.model ? dependenciesOf(observation.model) : new Map());
}

/** Stops services, those first that need others. */
export function stopping(scene: Scene, services: string[]): Step[] {
  return withContainers(scene, services).map((names) => ({
    what: `stop ${names.join(', ')}`,
    act: async () => {
      const containers = await containersOf(scene.workspace, names);
      await Promise.all(containers.map(({ id }) => scene.workspace.engine.stop(id)));
    },
  }));
}

/** Removes the containers of services that were stopped: named volumes stay. */
export function removing(scene: Scene, services: string[]): Step[] {
  return withContainers(scene, services).map((names) => ({
    what: `remove the containers of ${names.join(', ')}`,
    act: async () => {
      for (const { id } of await containersOf(scene.workspace, names))
        await scene.workspace.engine.remove(id);
    },
  }));
}

function withContainers(scene: Scene, services: string[]): string[][] {
  const { observation } = scene;
  return inOrder(scene, services)
    .toReversed()
    .map((names) => names.filter((name) => observation.services[name]?.containers.length))
    .filter((names) => names.length > 0);
}

/** Starts the containers that are there, each group found well before the next. */
export function starting(scene: Scene, services: string[]): Step[] {
  return inEachGroup(scene, services, async (names) => {
    const containers = await containersOf(scene.workspace, names);
    await Promise.all(containers.map(({ id }) => scene.workspace.engine.start(id)));
  });
}

/** Has the provider make what is not there or differs from the files, and start it, each group found well before the next. */
export function bringingUp(scene: Scene, services: string[]): Step[] {
  const { workspace, observation } = scene;
  const { model, variables, project } = observation;
  return inEachGroup(scene, services, async (names) => {
    const source = { model, variables, project };
    await bringUp(workspace, source, { services: names, start: true, scale: scaleOf(observation, names) });
  });
}

/** As many containers as there were, where that is another number than the files say. */
function scaleOf({ services, model }: Observation, names: string[]): Record<string, number> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const count = services[name]?.containers.length ?? 0;
      return count === 0 || count === usualReplicas({ model }, name) ? [] : [[name, count]];
    }),
  );
}

function inEachGroup(scene: Scene, services: string[], start: (names: string[]) => Promise<void>): Step[] {
  return inOrder(scene, services).flatMap((names) => [
    { what: `start ${names.join(', ')}`, act: () => start(names) },
    {
      what: `see that ${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} well`,
      act: async () => {
        await Promise.all(names.map((name) => verify(scene, name)));
      },
    },
  ]);
}

async function verify({ workspace, observation }: Scene, service: string): Promise<void> {
  const image = observation.model?.services[service]?.image ?? '';
  const context = handlerContext(workspace, service, observation.model);
  const verdict = await verifyService(handlerOf(workspace, service, image), context);
  workspace.emit({ type: 'verdict', service, verdict });
  if (verdict.status === 'fail') throw new RollbackError('failed', `${service}: ${verdict.reason}`);
}

/** These services, and those that have to be made anew with them: they live in them, or the engine ties them to each other. */
export function withFollowers({ observation }: Scene, services: string[]): string[] {
  const all = new Set(services);
  for (const holder of all) {
    for (const name of Object.keys(observation.services)) {
      const definition = observation.model?.services[name];
      const follows =
        tiedTo(observation, name).includes(holder) ||
        (definition !== undefined && lendersOf(definition).includes(holder));
      if (follows) all.add(name);
    }
  }
  return [...all];
}

/** Data that a container takes with it when it is removed. */
export function findUnnamedVolumes(
  { observation }: Scene,
  scenario: Finding['scenario'],
  services: string[],
): Finding[] {
  return services.flatMap((service) => {
    const mounts = (observation.services[service]?.containers ?? []).flatMap((container) => container.mounts);
    const unnamed = mounts.filter(({ type, name }) => type === 'volume' && isUnnamed(name));
    return unnamed.map(({ target }) => ({
      scenario,
      service,
      cause: 'it has data in a volume without a name, which would not come along',
      evidence: `${target} of its container`,
      fix: `give that volume a name in the compose file, or: ${observation.provider.name} up -d --force-recreate ${service}`,
    }));
  });
}

const isUnnamed = (volume = '') => /^[0-9a-f]{64}$/.test(volume);
