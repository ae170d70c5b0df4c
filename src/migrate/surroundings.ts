import type { ComposeModel, ComposeService } from '../model/compose.js';
import { messageOf, RollbackError } from '../model/errors.js';
import type { Container, ContainerMount } from '../model/engine.js';
import type { Observation } from '../model/project.js';
import { look } from '../project/paths.js';
import { fieldOf, recordOf } from '../project/yaml.js';
import { findMissingExternal, findMissingVolumes } from '../rollback/findings.js';
import type { Workspace } from '../run/workspace.js';
import type { Diagnosis, Finding } from './finding.js';
import { ownershipOf } from './ownership.js';

/** Networks and volumes of a project: whether they are there, and whether services can use them. */

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

/** Volumes that are gone although there are containers, directories that are gone, and those that a service may not write to. */
export async function findVolumeProblems(workspace: Workspace, observation: Observation): Promise<Diagnosis> {
  const missing = new Set(await findMissingVolumes(workspace, observation.model));
  const results = Object.values(observation.services).flatMap(({ name, containers }) =>
    containers
      .slice(0, 1)
      .flatMap((container) =>
        container.mounts.map((mount) => findInMount(workspace, name, container, mount, missing)),
      ),
  );
  const all = await Promise.all(results);
  return {
    findings: all.flatMap(({ findings }) => findings),
    warnings: all.flatMap(({ warnings }) => warnings),
  };
}

const NOTHING: Diagnosis = { findings: [], warnings: [] };

async function findInMount(
  workspace: Workspace,
  service: string,
  container: Container,
  { type, source: path, name, target, readOnly }: ContainerMount,
  missing: ReadonlySet<string>,
): Promise<Diagnosis> {
  const source = type === 'volume' ? name : path;
  if (source === undefined || !['volume', 'bind'].includes(type)) return NOTHING;
  const found = (cause: string, evidence: string, fix: string): Diagnosis => ({
    findings: [{ scenario: 'volume-issues', service, cause, evidence, fix }],
    warnings: [],
  });
  if (type === 'volume' && missing.has(source)) {
    return found('its volume is gone', `no volume ${source}`, 'bring its data back from a point that has it');
  }
  if (type === 'bind') {
    if (!workspace.identity.local) return NOTHING;
    const there = await look(source);
    if (!there)
      return found(
        'a path that it mounts is gone',
        `no ${source}`,
        'bring it back, from a point that has it',
      );
    if (!there.isDirectory()) return NOTHING;
  }
  if (readOnly) return NOTHING;
  try {
    const ownership = await ownershipOf(workspace, container, source);
    if (!ownership || ownership.writable) return NOTHING;
    const { uid, owner, group, mode } = ownership;
    return found(
      'it may not write to its data',
      `${source} at ${target} is of ${owner}:${group} with mode ${mode}, and the service runs as ${uid}`,
      `give it to ${uid}, numbers as the container sees them; then restart ${service}`,
    );
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'failed') throw error;
    return {
      ...NOTHING,
      warnings: [`whether ${service} may write to ${source} is unknown: ${messageOf(error)}`],
    };
  }
}
