import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RollbackError } from '../model/errors.js';
import type { Container, Image } from '../model/engine.js';
import type { PointEntry } from '../model/point.js';
import type { ConfigEntry, Observation, Owner, ServiceObservation } from '../model/project.js';
import type { Proof } from '../model/run.js';
import type { RunScope } from '../model/scope.js';
import { isWithinReach } from '../plan/changes.js';
import { compareProject, describeDifference, type FactDifference } from '../plan/facts.js';
import type { SwappedData } from '../operations/performers.js';
import { findStateProblem } from '../plan/running.js';
import { isUp } from '../plan/services.js';
import { isImage, shortId, type Target } from '../plan/target.js';
import { readContainers } from '../project/containers.js';
import { contentTargetsOf, sealContents } from '../project/contents.js';
import { readEntry } from '../project/entries.js';
import { readFacts } from '../project/facts.js';
import { isInside, isMissing } from '../project/paths.js';
import type { Workspace } from '../session/workspace.js';
import { findLost } from './lost.js';

/** Nothing is claimed that was not compared: the present after a run against its target. */

/**
 * The recorded files against those on the disk, after they were written and before anything starts. Files that running services may write to are
 * left out: such a service writes when it likes.
 * @returns how many files, links and directories were compared
 * @throws RollbackError `failed` naming those that differ
 */
export async function proveFiles(
  { project }: Workspace,
  { point }: Target,
  observation: Observation,
  { outside }: RunScope,
): Promise<number> {
  const writable = Object.values(observation.services)
    .flatMap(({ containers }) => containers.filter(isUp))
    .flatMap(({ mounts }) => mounts.filter(({ type, readOnly }) => type === 'bind' && !readOnly));
  const recorded = [
    ...point.entries.map((entry) => ({ entry, place: join(project.directory, entry.path) })),
    ...(outside ? point.outside.map((entry) => ({ entry, place: entry.path })) : []),
  ].filter(({ place }) => !writable.some(({ source }) => isInside(source, place)));
  const wrong: string[] = [];
  for (const { entry, place } of recorded) {
    if (!isRecorded(entry, await readEntry(place, entry.path))) wrong.push(entry.path);
  }
  if (wrong.length > 0) {
    throw new RollbackError(
      'failed',
      `${wrong.join(', ')} ${wrong.length > 1 ? 'are' : 'is'} not as recorded`,
      {
        hint: 'see what else writes there',
      },
    );
  }
  return recorded.filter(({ entry }) => isCompared(entry)).length;
}

/** Of a path that has to be absent, and of a file that is written all the time, no bytes are compared. */
function isCompared(entry: PointEntry): boolean {
  return entry.type !== 'absent' && !(entry.type === 'file' && entry.unsteady === true);
}

function isRecorded(entry: PointEntry, found: ConfigEntry): boolean {
  // A directory that holds things of others stays, as the plan says.
  if (entry.type === 'absent') return found.type === 'absent' || found.type === 'directory';
  if (found.type !== entry.type) return false;
  if (!isOwner(entry.owner, found.owner)) return false;
  switch (entry.type) {
    case 'file':
      if (found.type !== 'file' || found.mode !== entry.mode) return false;
      return entry.unsteady === true || found.sha256 === entry.sha256;
    case 'symlink':
      return found.type === 'symlink' && found.target === entry.target;
    case 'directory':
      return found.type === 'directory' && found.mode === entry.mode;
  }
}

/** Only root gives files to others: whoever may not was told so by the plan. */
function isOwner(recorded: Owner | undefined, found: Owner | undefined): boolean {
  if (!recorded || !found || process.getuid?.() !== 0) return true;
  return recorded.uid === found.uid && recorded.gid === found.gid;
}

/**
 * The restored data was compared when it was unpacked, and services write to it as soon as they run: what is proved now is that it is that very
 * directory which is in the place.
 * @throws RollbackError `failed`
 */
export async function proveData(swapped: ReadonlyMap<string, SwappedData>): Promise<void> {
  for (const [volume, { path, device, inode }] of swapped) {
    const found = await stat(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (found?.dev === device && found.ino === inode) continue;
    throw new RollbackError('failed', `the data of ${volume} is not that of the point any more`, {
      hint: `see what else replaces ${path}`,
    });
  }
}

/**
 * The containers, networks and volumes of these services against the recorded ones.
 * @throws RollbackError `failed` for another image, mount, connection, content or number of containers
 */
export async function proveFacts(
  workspace: Workspace,
  target: Target,
  services: string[],
): Promise<Pick<Proof, 'facts' | 'differences' | 'defaults'>> {
  const { point } = target;
  const recorded = target.facts ?? target.foreignFacts;
  const present = await observeContainers(workspace, target);
  const failures = services.flatMap((service) => {
    const own = present.services[service]?.containers ?? [];
    return containerProblems(present, target, service, own);
  });
  if (!recorded) {
    if (failures.length > 0) throw createFailure(failures);
    return { facts: null, differences: [], defaults: [] };
  }
  const reach = await findLost(workspace, recorded);
  if (services.length === 0) return { facts: 0, differences: [], defaults: [] };
  const comparison = compareProject(
    recorded,
    sealContents(present.facts, recorded.key),
    services,
    target.facts ? 'same' : 'other',
  );
  const differences = comparison.differences.filter((one) => isWithinReach(one, reach));
  const essential = differences.filter(({ isEssential }) => isEssential).map(describeDifference);
  if (failures.length + essential.length > 0) throw createFailure([...failures, ...essential]);
  const images = services.filter((service) => point.images[service] !== undefined).length;
  return {
    facts: comparison.equal + images,
    differences: differences.map(reported),
    defaults: comparison.defaults.map(describeDifference),
  };
}

const reported = (difference: FactDifference): Proof['differences'][number] => {
  const { what, name, key } = difference;
  return { what, name, key, change: describeDifference(difference) };
};

function createFailure([first = '', ...others]: string[]): RollbackError {
  return new RollbackError('failed', `it does not run as recorded: ${first}`, { details: others });
}

type Present = Pick<Observation, 'services' | 'images' | 'engine' | 'facts'>;

/** Containers and their facts alone; the compose files are not read. */
async function observeContainers(workspace: Workspace, target: Target): Promise<Present> {
  const { point, model, facts = target.foreignFacts } = target;
  const { engine, project, identity } = workspace;
  const { replicas } = await readContainers(engine, project);
  const services: Record<string, ServiceObservation> = {};
  for (const container of replicas) {
    const { service: name } = container;
    if (name === undefined) continue;
    // By the point's own model: it is what the containers were made by.
    const service = (services[name] ??= { name, containers: [], filesHash: undefined, matchesFiles: true });
    service.containers.push(container);
  }
  for (const { containers } of Object.values(services))
    containers.sort((a, b) => (a.number ?? 0) - (b.number ?? 0));
  const recorded = Object.values(point.images).flatMap(({ id, ref, kept_tag, digests }) => [
    id,
    ref,
    kept_tag ?? id,
    ...digests,
  ]);
  const names = [...new Set([...replicas.map(({ imageId }) => imageId), ...recorded])].filter(
    (name) => name !== '',
  );
  const found = await Promise.all(
    names.map(async (name): Promise<[string, Image | null]> => [name, (await engine.image(name)) ?? null]),
  );
  const images = Object.fromEntries(found);
  const contents = facts ? contentTargetsOf(facts) : {};
  return {
    services,
    images,
    engine: identity,
    facts: await readFacts({
      project: { ...project, name: point.project.name },
      engine,
      identity,
      model,
      services,
      images,
      contents,
    }),
  };
}

function containerProblems(
  { images, engine }: Present,
  { point, model }: Target,
  service: string,
  containers: Container[],
): string[] {
  const recorded = point.containers[service];
  if (!recorded || recorded.replicas === 0) return [];
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
  if (containers.length !== recorded.replicas) {
    return [`${service} has ${count(containers.length, 'container')}, the point has ${recorded.replicas}`];
  }
  const wanted = point.images[service];
  const other =
    wanted && containers.find(({ imageId }) => !isImage({ images, engine }, point, imageId, wanted));
  if (wanted && other) {
    return [`${service} runs image ${shortId(other.imageId)}, the point has ${shortId(wanted.id)}`];
  }
  const problem = findStateProblem(service, recorded, containers, model);
  return problem === undefined ? [] : [problem];
}
