import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import { type ComposeModel, relocateModel } from '../model/compose.js';
import type { Findings } from '../model/plan.js';
import type { RunScope } from '../model/scope.js';
import { isSameRelease } from '../model/versions.js';
import { canReadModelOf, isSameDefinition, recordedFilesHash, recordedHash } from '../plan/definitions.js';
import { lendersOf } from '../plan/followers.js';
import { definitionChanges } from '../plan/replacement.js';
import type { Target } from '../plan/target.js';
import { bindMounts } from '../project/binds.js';
import { findOtherContents } from '../project/contents.js';
import { hasCommit } from '../project/git.js';
import { isInside, look, relativeTo } from '../project/paths.js';
import { projectOf } from '../points/facts.js';
import { composeRequest, type Workspace } from '../session/workspace.js';
import { spaceIn } from '../store/space.js';
import { sortContainers } from '../project/containers.js';
import { findAddressing } from './addresses.js';
import { findLost } from './lost.js';
import { findTakenNames } from './names.js';
import { findNeighbours } from './neighbours.js';
import { findTakenPorts } from './ports.js';
import { findVolumes, type Resumed } from './volumes.js';

/** Everything a plan can be blocked by, checked before anything stops. All checks run at once. */
export async function collectFindings(
  workspace: Workspace,
  target: Target,
  { git, volumes: wantsData, configOnly }: RunScope,
  resumed?: Resumed,
): Promise<Findings> {
  const { model, point } = target;
  // Each container of the engine is inspected, once for all checks.
  const containers = workspace.engine.containers();
  const [
    damaged,
    { modelError, otherwiseDefined },
    lost,
    definitions,
    takenPorts,
    takenNames,
    addressing,
    missingExternal,
    missingVolumes,
    missingBinds,
    volumes,
    pullable,
    neighbours,
    commitMissing,
    missingBytes,
  ] = await Promise.all([
    target.stored ? findDamage(workspace, target) : [],
    resolveModel(workspace, target),
    findLost(workspace, target.facts),
    hashDefinitions(workspace, target),
    findTakenPorts(workspace, model, () => containers),
    findTakenNames(workspace, target),
    findAddressing(workspace, containers),
    findMissingExternal(workspace, model),
    findMissingVolumes(workspace, model),
    findMissingBinds(workspace, target),
    wantsData && !configOnly ? findVolumes(workspace, target, resumed, containers) : {},
    findPullable(workspace, target),
    containers.then(async (all) => {
      const { replicas, halfMade } = await sortContainers(workspace.project, all);
      return findNeighbours(all, new Set([...replicas, ...halfMade].map(({ id }) => id)), point);
    }),
    git ? lacksCommit(workspace, point.metadata.git_commit) : false,
    findMissingBytes(workspace, point.sizes.total),
  ]);
  return {
    damaged,
    modelError,
    otherwiseDefined,
    ...lost,
    disconnected: resumed?.disconnected ?? {},
    otherContents: findContents(workspace, target),
    definitions,
    takenPorts,
    takenNames,
    addressing,
    missingExternal,
    missingVolumes,
    missingBinds,
    volumes,
    pullable,
    neighbours,
    commitMissing,
    missingBytes,
  };
}

/** What is wrong with the stored files, and with a record that would have us write over stored files: that one was not made by us. */
async function findDamage({ store, project }: Workspace, { point }: Target): Promise<Findings['damaged']> {
  const inBackups = point.entries.filter(({ path }) =>
    `${project.directory}/${path}`.startsWith(`${store.path}/`),
  );
  return [
    ...(await store.verify(point)),
    ...inBackups.map(({ path }) => ({ path, problem: 'would be written into the backup directory' })),
  ];
}

/**
 * Do the point's own files still resolve, with today's provider? They are read where they are stored: `configs/` holds them
 * under their own relative paths. Links and files outside the project are not there; then what was recorded has to do.
 */
async function resolveModel(
  workspace: Workspace,
  { point, stored, model, variables }: Target,
): Promise<Pick<Findings, 'modelError' | 'otherwiseDefined'>> {
  if (!model) {
    return { modelError: 'they did not resolve when the point was made', otherwiseDefined: {} };
  }
  const unknown = { modelError: undefined, otherwiseDefined: {} };
  const elsewhere = point.outside.length > 0 || point.entries.some((entry) => entry.type === 'symlink');
  if (elsewhere || !stored || point.kind === 'safety') return unknown;
  // What is encrypted never touches the disk as it is.
  if (await workspace.store.isSealed(point)) return unknown;
  const stage = join(workspace.store.pointDir(point.id), 'configs');
  try {
    const request = composeRequest(workspace, projectOf(point, stage), variables);
    const resolved = await workspace.provider.config(request, { allProfiles: true });
    if (!isSameRelease(point.metadata.provider.version, await workspace.provider.version())) return unknown;
    const found = relocateModel(resolved, stage, workspace.project.directory);
    const otherwise = Object.entries(found.services).flatMap(([name, today]) => {
      const then = model.services[name];
      return isSameDefinition(today, then)
        ? []
        : [[name, then ? definitionChanges(then, today) : []] as const];
    });
    return { modelError: undefined, otherwiseDefined: Object.fromEntries(otherwise) };
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'provider-failed') throw error;
    return { modelError: error.details.at(-1) ?? error.message, otherwiseDefined: {} };
  }
}

function findContents(workspace: Workspace, { facts, model, variables }: Target): string[] {
  if (!facts || !model) return [];
  const { env } = composeRequest(workspace, workspace.project, variables);
  return findOtherContents(facts, model, (name) => env[name]);
}

/**
 * `definitions` of the findings, where the point itself does not have them from the same release of compose. A service that lives in another's
 * container has none: its hash covers that one's id.
 */
async function hashDefinitions(
  workspace: Workspace,
  { point, model, variables }: Target,
): Promise<Record<string, string>> {
  const { provider, project } = workspace;
  const { provider: recordedBy } = point.metadata;
  const today = await provider.version();
  if (!model || !canReadModelOf(recordedBy, today)) return {};
  const names = Object.entries(model.services).flatMap(([name, service]) =>
    lendersOf(service).length === 0 ? name : [],
  );
  const isRecorded = (name: string) =>
    recordedFilesHash(point, name) !== undefined || recordedHash(point, name) === undefined;
  if (isSameRelease(recordedBy.version, today) && names.every(isRecorded)) return {};
  try {
    const request = composeRequest(workspace, project, variables);
    const hashes = Object.entries(await provider.hashModel(request, model));
    return Object.fromEntries(hashes.filter(([name]) => names.includes(name)));
  } catch (error) {
    // It does not know, or no longer knows, what that one printed. Then the models are compared.
    if (error instanceof RollbackError && error.code === 'provider-failed') return {};
    throw error;
  }
}

export async function findMissingExternal(workspace: Workspace, model: ComposeModel | undefined) {
  const { engine } = workspace;
  const wanted = (['network', 'volume'] as const).flatMap((what) =>
    Object.entries(model?.[`${what}s`] ?? {}).flatMap(([key, resource]) => {
      const external = resource?.external;
      if (!external) return [];
      return [
        { what, name: (typeof external === 'object' ? external.name : undefined) ?? resource.name ?? key },
      ];
    }),
  );
  const there = await Promise.all(
    wanted.map(({ what, name }) => (what === 'network' ? engine.hasNetwork(name) : engine.hasVolume(name))),
  );
  return wanted.filter((_, index) => !there[index]);
}

export async function findMissingVolumes(
  workspace: Workspace,
  model: ComposeModel | undefined,
): Promise<string[]> {
  const own = Object.entries(model?.volumes ?? {}).filter(([, resource]) => !resource?.external);
  const names = own.map(([key, resource]) => resource?.name ?? `${workspace.project.name}_${key}`);
  const there = await Promise.all(names.map((name) => workspace.engine.hasVolume(name)));
  return names.filter((_, index) => !there[index]);
}

async function findMissingBinds({ identity }: Workspace, { point, model }: Target): Promise<string[]> {
  const binds = identity.local ? bindMounts(model, []) : []; // Another machine's files nobody can see.
  const recorded = [...point.entries, ...point.outside].filter(({ type }) => type !== 'absent');
  const missing = await Promise.all(
    binds.map(async ({ source }) => {
      const path = relativeTo(point.project.directory, source) ?? source;
      const isRecorded = recorded.some((entry) => isInside(path, entry.path) || isInside(entry.path, path));
      return isRecorded || (await look(source)) ? [] : [path];
    }),
  );
  return missing.flat().toSorted();
}

/** Digests of images that are nowhere here, neither in the engine nor in the point, or not by that digest, and that their registry has. */
async function findPullable({ engine }: Workspace, { point }: Target): Promise<string[]> {
  const archived = new Set(point.image_archives.map(({ image }) => image));
  const images = Object.values(point.images).filter(({ id, ref }) => ref.includes('@') || !archived.has(id));
  const found = await Promise.all(
    images.map(async ({ id, ref, digests }) => {
      const here = await engine.image(id);
      if (here && (!ref.includes('@') || (await engine.image(ref)))) return [];
      const there = await Promise.all(
        [...new Set([...digests, ...(ref.includes('@') ? [ref] : [])])].map(
          async (digest) => (await engine.canPull(digest)) && digest,
        ),
      );
      return there.filter((digest) => digest !== false);
    }),
  );
  return [...new Set(found.flat())];
}

async function lacksCommit({ project }: Workspace, commit: string | null): Promise<boolean> {
  return commit !== null && !(await hasCommit(project.directory, commit));
}

/** A safety point holds about what the point holds; a megabyte is for the rest: journal, index, model. */
async function findMissingBytes(workspace: Workspace, size: number): Promise<number> {
  return Math.max(0, size + 1_048_576 - (await spaceIn(workspace.store.path)));
}
