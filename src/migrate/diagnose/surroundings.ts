import type { ComposeModel, ComposeService } from '../../model/compose.js';
import type { Container } from '../../model/engine.js';
import type { Observation } from '../../model/project.js';
import { fieldOf, recordOf } from '../../project/yaml.js';
import { findMissingExternal } from '../../runs/findings.js';
import type { Workspace } from '../../session/workspace.js';
import type { Finding } from './finding.js';

/** Networks of a project, and what is not its own: whether it is there, and whether services can use it. */

/** Networks that are gone, and containers that were cut off from one that is there. */
export async function findNetworkProblems(
  workspace: Workspace,
  { model, services, provider }: Observation,
): Promise<Finding[]> {
  const { engine, project } = workspace;
  const used = Object.values(services).flatMap(({ name, containers }) =>
    networksOf(model, name).map((key) => ({
      name,
      containers,
      network: networkName(model, key, project.name),
      external: Boolean(model?.networks[key]?.external),
    })),
  );
  const there = new Map<string, boolean>();
  for (const { network } of used) there.set(network, await engine.hasNetwork(network));
  return used.flatMap(({ name, containers, network, external }): Finding[] => {
    const finding = { scenario: 'network-issues' as const, service: name };
    if (!there.get(network)) {
      // Before a service has a container its network need not be there: it comes with it.
      if (containers.length === 0 || external) return [];
      const fix = `make its containers and the network anew: ${provider.name} up -d --force-recreate ${name}`;
      return [
        { ...finding, cause: 'a network that it is in is gone', evidence: `no network ${network}`, fix },
      ];
    }
    return containers
      .filter((container) => isCutOff(container, network))
      .map(({ name: container }) => ({
        ...finding,
        cause: 'it is cut off from a network',
        evidence: `${container} is not in ${network}`,
        fix: `connect it again: ${workspace.identity.kind} network connect --alias ${name} ${network} ${container}`,
      }));
  });
}

const isCutOff = ({ state, addresses, networkMode }: Container, network: string) =>
  state === 'running' && !/^(?:host|none|container:)/.test(networkMode) && !(network in addresses);

/** Keys of the networks that a service asks for. */
function networksOf(model: ComposeModel | undefined, service: string): string[] {
  const definition: ComposeService | undefined = model?.services[service];
  if (!definition || definition.network_mode !== undefined) return [];
  const named = fieldOf(definition, 'networks');
  const keys = Array.isArray(named) ? named.map(String) : Object.keys(recordOf(named));
  return keys.length > 0 ? keys : ['default'];
}

function networkName(model: ComposeModel | undefined, key: string, project: string): string {
  const network = model?.networks[key];
  const external = network?.external;
  const named = (typeof external === 'object' ? external.name : undefined) ?? network?.name;
  return named ?? (external ? key : `${project}_${key}`);
}

/** Networks and volumes of others that are gone. */
export async function findMissingOfOthers(workspace: Workspace, { model }: Observation): Promise<Finding[]> {
  const missing = await findMissingExternal(workspace, model);
  return missing.map(({ what, name }) => ({
    scenario: `${what}-issues`,
    service: null,
    cause: `a ${what} that is not of this project is gone`,
    evidence: `no ${what} ${name}`,
    fix: `make it: ${workspace.identity.kind} ${what} create ${name}`,
  }));
}
