import { findMountProblems, toFinding } from '../diagnose/mounts.js';
import { findPortConflicts } from '../diagnose/services.js';
import { findMissingOfOthers, findNetworkProblems } from '../diagnose/surroundings.js';
import type { Finding } from '../diagnose/finding.js';
import { findUnbuilt } from './builds.js';
import type { Remedy } from './recovery.js';
import {
  bringingUp,
  findUnnamedVolumes,
  removing,
  servicesOf,
  stopping,
  withFollowers,
  type Scene,
} from './services.js';

/** Services that are down: what failed is stopped, and started in the order of the dependencies. */
export async function planStartup(scene: Scene, findings: Finding[]): Promise<Remedy> {
  const { workspace, observation } = scene;
  const found = servicesOf(findings);
  // Podman's compose replaces nothing: what stands in the way goes first.
  const replaces = observation.provider.replaces;
  const services = replaces ? found : withFollowers(scene, found);
  const elsewhere = await Promise.all([
    findMissingImages(scene, services),
    findUnbuilt(scene),
    findNetworkProblems(workspace, observation),
    findLostData(scene),
  ]);
  const obstacles = [
    ...findings.filter(({ service }) => service === null),
    ...(await findPortConflicts(workspace, observation)),
    ...(await findMissingOfOthers(workspace, observation)),
    ...elsewhere.flat().filter(({ service }) => service !== null && services.includes(service)),
    ...(replaces ? [] : findUnnamedVolumes(scene, 'failed-startup', services)),
  ];
  return {
    obstacles,
    steps: [
      ...stopping(scene, services),
      ...(replaces ? [] : removing(scene, services)),
      ...bringingUp(scene, services),
    ],
  };
}

/** An engine would make them empty. */
async function findLostData({ workspace, observation }: Scene): Promise<Finding[]> {
  const { problems } = await findMountProblems(workspace, observation);
  return problems.filter(({ ownership }) => ownership === undefined).map(toFinding);
}

/** Nothing is pulled here. */
async function findMissingImages({ workspace, observation }: Scene, services: string[]): Promise<Finding[]> {
  const { engine, identity } = workspace;
  const all = services.map(async (service): Promise<Finding[]> => {
    const { image, build } = observation.model?.services[service] ?? {};
    if (image === undefined || build !== undefined || (await engine.image(image))) return [];
    return [
      {
        scenario: 'failed-startup',
        service,
        cause: 'its image is not there',
        evidence: `no image ${image}`,
        fix: `get it: ${identity.kind} pull ${image}`,
      },
    ];
  });
  return (await Promise.all(all)).flat();
}
