import { messageOf, RollbackError } from '../../model/errors.js';
import type { Container, ContainerMount } from '../../model/engine.js';
import type { Point } from '../../model/point.js';
import type { Observation } from '../../model/project.js';
import { readIfOpen } from '../../points/find.js';
import { look, relativeTo } from '../../project/paths.js';
import { findMissingVolumes } from '../../runs/findings.js';
import type { DataName } from '../../operations/data.js';
import type { Workspace } from '../../session/workspace.js';
import type { Finding } from './finding.js';
import { ownershipOf, type Ownership } from './ownership.js';

/** The data of services: whether it is there, and whether they may write to it. */

interface Mounted {
  service: string;
  kind: 'volume' | 'bind';
  /** Volume name, or absolute path. */
  source: string;
  target: string;
}

/** The data is gone, or its service may not write to it. */
export type MountProblem = Mounted & { ownership: Ownership | undefined };

interface Looked {
  problems: MountProblem[];
  warnings: string[];
}

export async function findMountProblems(workspace: Workspace, observation: Observation): Promise<Looked> {
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
    problems: [
      ...all.flatMap(({ problems }) => problems),
      ...(await findLost(workspace, observation, missing)),
    ],
    warnings: all.flatMap(({ warnings }) => warnings),
  };
}

/** Before a service has a container its volumes need not be there: they come with it. Not so those that a point has the data of. */
async function findLost(
  workspace: Workspace,
  { services, model, project }: Observation,
  missing: ReadonlySet<string>,
): Promise<MountProblem[]> {
  const wanted = Object.values(services).flatMap(({ name: service, containers }): Mounted[] => {
    if (containers.length > 0) return [];
    return (model?.services[service]?.volumes ?? []).flatMap(({ type: kind, source: key = '', target }) => {
      const source = model?.volumes[key]?.name ?? `${project.name}_${key}`;
      return kind === 'volume' && missing.has(source) ? [{ service, kind, source, target }] : [];
    });
  });
  const points = await Promise.all(
    wanted.map((mounted) => newestWith(workspace, dataNameOf(workspace, mounted))),
  );
  return wanted.filter((_, index) => points[index]).map((mounted) => ({ ...mounted, ownership: undefined }));
}

/** As points call it. */
export function dataNameOf({ project }: Workspace, { kind, source }: Mounted): DataName {
  return { kind, name: kind === 'volume' ? source : (relativeTo(project.directory, source) ?? source) };
}

/** The newest point that has this data; undefined when none can be read that has. */
export async function newestWith(
  { store, project }: Workspace,
  { kind, name }: DataName,
): Promise<Point | undefined> {
  for (const { id, volumes } of (await store.readIndex())?.points({ project: project.name }) ?? []) {
    const point = volumes.includes(name) ? await readIfOpen(store, id) : undefined;
    if (point?.volume_data.some((data) => data.kind === kind && data.name === name)) return point;
  }
  return undefined;
}

const NOTHING: Looked = { problems: [], warnings: [] };

async function findInMount(
  workspace: Workspace,
  service: string,
  container: Container,
  { type: kind, source: path, name, target, readOnly }: ContainerMount,
  missing: ReadonlySet<string>,
): Promise<Looked> {
  if (kind !== 'volume' && kind !== 'bind') return NOTHING;
  const source = kind === 'volume' ? name : path;
  if (source === undefined) return NOTHING;
  const found = (ownership: Ownership | undefined): Looked => ({
    problems: [{ service, kind, source, target, ownership }],
    warnings: [],
  });
  if (kind === 'volume' && missing.has(source)) return found(undefined);
  if (kind === 'bind') {
    if (!workspace.identity.local) return NOTHING;
    const there = await look(source);
    if (!there) return found(undefined);
    if (!there.isDirectory()) return NOTHING;
  }
  if (readOnly) return NOTHING;
  try {
    const ownership = await ownershipOf(workspace, container, source);
    return !ownership || ownership.writable ? NOTHING : found(ownership);
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'failed') throw error;
    const warning = `whether ${service} may write to ${source} is unknown: ${messageOf(error)}`;
    return { problems: [], warnings: [warning] };
  }
}

export function toFinding({ service, kind, source, target, ownership }: MountProblem): Finding {
  const finding = { scenario: 'volume-issues' as const, service };
  if (ownership) {
    const { uid, owner, group, mode } = ownership;
    return {
      ...finding,
      cause: 'it may not write to its data',
      evidence: `${source} at ${target} is of ${owner}:${group} with mode ${mode}, and the service runs as ${uid}`,
      fix: `give it to ${uid}, numbers as the container sees them; then restart ${service}`,
    };
  }
  if (kind === 'volume') {
    const fix = 'bring its data back from a point that has it';
    return { ...finding, cause: 'its volume is gone', evidence: `no volume ${source}`, fix };
  }
  const fix = 'bring it back, from a point that has it';
  return { ...finding, cause: 'a path that it mounts is gone', evidence: `no ${source}`, fix };
}
