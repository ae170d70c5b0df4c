import type { Container } from '../../model/engine.js';
import { dependenciesOf, waves } from '../../plan/order.js';
import { isUp } from '../../plan/services.js';
import { buildOf } from '../../project/migration-files.js';
import { readText } from '../../project/yaml.js';
import { composeRequest } from '../../session/workspace.js';
import { shellTexts } from '../diagnose/build-file.js';
import type { Finding } from '../diagnose/finding.js';
import type { Remedy, Step } from './recovery.js';
import { servicesOf, type Scene } from './services.js';

/** What its cause is when the image of a service that is built here is not there. */
const UNBUILT = 'its image is not built';

/** Services are built one by one, and what failed attempts leave goes. What is wrong with a build file only a person can correct. */
export async function planBuilds(scene: Scene, findings: Finding[]): Promise<Remedy> {
  const { model } = scene.observation;
  const unbuilt = findings.filter(({ cause }) => cause === UNBUILT);
  const order = waves(servicesOf(unbuilt), model ? dependenciesOf(model) : new Map()).flat();
  const steps = await Promise.all(order.map((service) => building(scene, service)));
  return { obstacles: findings.filter(({ cause }) => cause !== UNBUILT), steps: steps.flat() };
}

async function building(scene: Scene, service: string): Promise<Step[]> {
  const { workspace, observation } = scene;
  const left = await leftByBuilds(scene, service);
  const cleaning: Step = {
    what: `remove what a failed build of ${service} left: ${left.map(({ name }) => name).join(', ')}`,
    act: () => cleanUp(scene, service),
  };
  return [
    ...(left.length > 0 ? [cleaning] : []),
    {
      what: `build ${service}`,
      act: async () => {
        const request = composeRequest(workspace, observation.project, observation.variables);
        await workspace.provider.build(request, service).catch(async (error: unknown) => {
          await cleanUp(scene, service);
          throw error;
        });
      },
    },
  ];
}

async function cleanUp(scene: Scene, service: string): Promise<void> {
  for (const { id } of await leftByBuilds(scene, service)) await scene.workspace.engine.remove(id);
}

/**
 * Containers of Docker's classic builder that nobody uses any more: they tell of no project, run from an image without a name, and were given the very text of
 * one of the service's RUN instructions.
 */
async function leftByBuilds(
  { workspace: { engine }, observation }: Scene,
  service: string,
): Promise<Container[]> {
  const { model, project } = observation;
  const files = buildOf(model?.services[service] ?? {}, project.directory)?.files ?? [];
  const texts = (await Promise.all(files.map(readText))).find((text) => text !== undefined);
  const given = new Set(texts === undefined ? [] : shellTexts(texts));
  return (await engine.containers()).filter(
    (container) =>
      !isUp(container) &&
      container.project === undefined &&
      container.imageRef.startsWith('sha256:') &&
      given.has(container.command.at(-1) ?? ''),
  );
}

export async function findUnbuilt({ workspace, observation }: Scene): Promise<Finding[]> {
  const { engine, provider, project } = workspace;
  const all = Object.keys(observation.services).map(async (service): Promise<Finding[]> => {
    const definition = observation.model?.services[service];
    if (definition?.build === undefined) return [];
    const image = definition.image ?? provider.defaultImage(project.name, service, observation.model);
    if (await engine.image(image)) return [];
    return [
      {
        scenario: 'failed-build',
        service,
        cause: UNBUILT,
        evidence: `no image ${image}`,
        fix: 'build it: compose-rollback migrate recover failed-build',
      },
    ];
  });
  return (await Promise.all(all)).flat();
}
