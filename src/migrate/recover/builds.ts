import { dependenciesOf, waves } from '../../plan/order.js';
import { composeRequest } from '../../run/workspace.js';
import type { Finding } from '../diagnose/finding.js';
import type { Remedy } from './recovery.js';
import { servicesOf, type Scene } from './services.js';

/** What its cause is when the image of a service that is built here is not there. */
const UNBUILT = 'its image is not built';

/** Services are built one by one. What is wrong with a build file only a person can correct. */
export function planBuilds({ workspace, observation }: Scene, findings: Finding[]): Remedy {
  const { model, project, variables } = observation;
  const unbuilt = findings.filter(({ cause }) => cause === UNBUILT);
  const order = waves(servicesOf(unbuilt), model ? dependenciesOf(model) : new Map()).flat();
  return {
    obstacles: findings.filter(({ cause }) => cause !== UNBUILT),
    steps: order.map((service) => ({
      what: `build ${service}`,
      act: async () => {
        await workspace.provider.build(composeRequest(workspace, project, variables), service);
      },
    })),
  };
}

export async function findUnbuilt({ workspace, observation }: Scene): Promise<Finding[]> {
  const { engine, provider, project } = workspace;
  const all = Object.keys(observation.services).map(async (service): Promise<Finding[]> => {
    const definition = observation.model?.services[service];
    if (definition?.build === undefined) return [];
    const image = definition.image ?? provider.defaultImage(project.name, service);
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
