import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Engine } from '../engine/engine.js';
import type { ComposeModel } from '../model/compose.js';
import type { EngineIdentity } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { KEPT_REPOSITORY } from '../model/names.js';
import type { Point, VolumeData } from '../model/point.js';
import type { Project } from '../model/project.js';
import { lstatIfThere, type Fingerprint } from '../store/files.js';
import type { PointWriter } from '../store/point-writer.js';
import { ownMark } from '../store/process.js';
import type { Store } from '../store/store.js';
import { ApiDriver } from '../volumes/api.js';
import { ARCHIVE_SUFFIX, availableCompression } from '../volumes/compression.js';
import { foreign, volumePlace, type ArchiveOptions, type Contents, type Place } from '../volumes/driver.js';
import { countEntries } from '../volumes/entries.js';
import { siblingPath } from '../volumes/host-siblings.js';
import { HostDriver } from '../volumes/host.js';
import { readContainers, type ProjectIdentity } from '../project/containers.js';
import type { Workspace } from '../session/workspace.js';
import { fields, text } from '../plan/definition-values.js';

/** The data of volumes and directories, for those who record and restore it. */

export type DataName = Pick<VolumeData, 'kind' | 'name'>;

/** What copies a place; with `driver: null` nothing does, for the reason given. */
export type Copier =
  | { driver: 'host'; copier: HostDriver }
  | { driver: 'api'; copier: ApiDriver }
  | { driver: null; problem: string };

/** A place with what copies it. */
export interface DataToStore {
  place: Place;
  copier: Exclude<Copier, { driver: null }>;
}

/** Where the data is today; undefined when the volume is gone. */
export async function locateData(
  { engine, project, identity }: Workspace,
  { kind, name }: DataName,
): Promise<Place | undefined> {
  const namespace = namespaceOf(identity);
  if (kind === 'bind') {
    return { kind, name, path: isAbsolute(name) ? name : join(project.directory, name), ...namespace };
  }
  const volume = await engine.volume(name);
  return volume && { ...volumePlace(volume), ...namespace };
}

/** A rootless Podman's files belong to subordinate ids of its user: inside of that user's namespace they have the owners that containers see. */
export function namespaceOf({ kind, rootless, local }: EngineIdentity): Pick<Place, 'through'> {
  const ours = local && process.geteuid?.() !== 0;
  return kind === 'podman' && rootless && ours ? { through: ['podman', '--log-level=error', 'unshare'] } : {};
}

/** What of a workspace decides how data is copied. */
type Surroundings = Pick<Workspace, 'engine' | 'identity'> & { project: ProjectIdentity };

/** Directly where we may, which is fast and exact; through the engine where we may not. */
export async function chooseCopier(workspace: Surroundings, place: Place): Promise<Copier> {
  const strange = foreign(place);
  if (strange !== undefined) return { driver: null, problem: strange };
  const { identity, engine } = workspace;
  const host = new HostDriver();
  const reachable = identity.local && (!identity.rootless || place.through !== undefined);
  const unfit = reachable ? await host.unfit(place) : 'it is of another user, or another machine';
  if (unfit === undefined) return { driver: 'host', copier: host };
  // Measured, 4.3.1 and 5.4.2: its archive endpoints lose owners and write beside the volume.
  if (identity.kind === 'podman')
    return { driver: null, problem: `Podman's data is copied where it lies: ${unfit}` };
  const api = new ApiDriver(engine, await localImages(workspace), await ownMark());
  const problem = await api.unfit(place);
  return problem === undefined ? { driver: 'api', copier: api } : { driver: null, problem };
}

/** Images that a helper container can be made from: those of the project, and, when nothing of it is left, those that points keep. */
async function localImages({ engine, project }: Surroundings): Promise<string[]> {
  const [{ replicas }, kept] = await Promise.all([
    readContainers(engine, project),
    engine.references(KEPT_REPOSITORY),
  ]);
  const ids = [...new Set([...replicas, ...kept].map(({ imageId }) => imageId))];
  // The engine may have lost the record of an image that runs.
  const found = await Promise.all(ids.map((id) => engine.image(id)));
  return ids.filter((_, index) => found[index] !== undefined);
}

/** Is this a directory of this machine that somebody deleted? Of another machine's nobody can tell. */
export async function isDeletedDirectory({ identity }: Workspace, place: Place): Promise<boolean> {
  return place.kind === 'bind' && identity.local && (await lstatIfThere(place.path)) === undefined;
}

/**
 * The place of a volume and what copies it; a volume that is gone is made first, with the labels compose would give it, and so is a directory: the
 * data has the owner and mode of both.
 */
export async function makePlace(
  workspace: Workspace,
  { model, project }: { model: ComposeModel | undefined; project: Project },
  data: DataName,
): Promise<DataToStore> {
  const { engine } = workspace;
  const known = await locateData(workspace, data);
  if (!known) {
    const volumes = Object.entries(model?.volumes ?? {});
    const [key, definition] =
      volumes.find(([name, volume]) => (volume?.name ?? `${project.name}_${name}`) === data.name) ?? [];
    const labels =
      key === undefined ? {} : { ...labelsOf(definition?.['labels']), ...labelsFor(project.name, key) };
    await engine.createVolume(data.name, labels);
    await mountOnce(workspace, model, data.name);
  }
  const place = known ?? (await locateData(workspace, data));
  if (place && (await isDeletedDirectory(workspace, place))) await mkdir(place.path, { recursive: true });
  const copier = place && (await chooseCopier(workspace, place));
  if (place && copier && copier.driver !== null) return { place, copier };
  throw changedPlace(data.name);
}

/**
 * Podman gives a new volume owner and mode of the directory that it is first mounted at (measured, 4.3.1): after this they are its own. Throws `failed`
 * where no image is there to mount it with.
 */
export async function mountOnce(
  workspace: Workspace,
  model: ComposeModel | undefined,
  volume: string,
): Promise<void> {
  const { engine, identity } = workspace;
  if (identity.kind !== 'podman') return;
  const image = (await localImages(workspace))[0] ?? (await imageOf(engine, model));
  if (image === undefined) {
    throw new RollbackError('failed', `no image of the project is there to mount ${volume} with first`, {
      hint: 'pull or build one of its images, then try again',
    });
  }
  const helper = await engine.createHelper({
    owner: await ownMark(),
    image,
    mounts: { [volume]: '/volume' },
  });
  try {
    await engine.start(helper);
  } catch (thrown) {
    // The program that it would start is not there; it was mounted before.
    if (!(thrown instanceof RollbackError) || thrown.code !== 'failed') throw thrown;
  } finally {
    await engine.removeHelper(helper);
  }
}

async function imageOf(engine: Engine, model: ComposeModel | undefined): Promise<string | undefined> {
  for (const { image } of Object.values(model?.services ?? {})) {
    const found = image === undefined ? undefined : await engine.image(image);
    if (found) return found.id;
  }
  return undefined;
}

/** Those that the definition gives. */
const labelsOf = (labels: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(fields(labels)).map(([name, value]) => [name, text(value)]));

const labelsFor = (project: string, key: string) => ({
  'com.docker.compose.project': project,
  'com.docker.compose.volume': key,
});

interface StoringFacts {
  /** Bytes that will probably be read. */
  expected: number | null;
  /** Of the original, when a clone is read; null when none is to be kept. */
  listing?: string | null;
  /** Nothing else is stored meanwhile. */
  alone: boolean;
}

/** Stores a place's data in a point, and tells what was stored. Throws what the copying throws, with nothing stored that counts. */
export async function storeData(
  workspace: Workspace,
  writer: PointWriter,
  source: DataToStore,
  facts: Pick<VolumeData, 'services' | 'consistency'> & StoringFacts,
): Promise<VolumeData> {
  const { place, copier } = source;
  const { services, consistency, expected, alone } = facts;
  const { emit, signal, config } = workspace;
  const compression = config.compression === 'gzip' ? 'gzip' : await availableCompression();
  const stored = `volumes/${fileNameOf(place)}${ARCHIVE_SUFFIX[compression]}`;
  const options = {
    compression,
    signal,
    live: consistency === 'live',
    alone,
    progress: (done: number) => emit({ type: 'bytes', what: place.name, done, total: expected }),
  };
  const { file, contents } = await archiveTo(writer, stored, { place, copier }, options);
  const { entries, bytes, skipped } = contents;
  const { listing = contents.listing } = facts;
  const { kind, name } = place;
  const data = { kind, name, services, driver: copier.driver, consistency, stored, ...file };
  return { ...data, compression, entries, bytes, listing, skipped };
}

/** What can be written as it is does not pass through this process. */
async function archiveTo(
  writer: PointWriter,
  stored: string,
  { place, copier }: DataToStore,
  options: ArchiveOptions,
): Promise<{ file: Fingerprint; contents: Contents }> {
  if (copier.driver === 'host' && !writer.encrypts) {
    return await writer.addWritten(stored, (into, unreadable) =>
      copier.copier.archiveInto(into, place, {
        ...options,
        signal: AbortSignal.any([options.signal, unreadable]),
      }),
    );
  }
  const { stream, contents } = await copier.copier.archive(place, options);
  return { file: await writer.addStream(stored, stream), contents: await contents };
}

/** Volumes by their names; directories apart from them, since a volume may have the same name. */
function fileNameOf({ kind, name }: Place): string {
  if (kind === 'volume') return name;
  const encoded = encodeURIComponent(name);
  return `directories/${encoded.length < 200 ? encoded : createHash('sha256').update(name).digest('hex')}`;
}

/** The recorded data of a volume. Throws `no-such-point` when the point has none. */
export function dataOf({ id, volume_data }: Point, volume: string): VolumeData {
  const found = volume_data.find(({ name }) => name === volume);
  if (found) return found;
  throw new RollbackError('no-such-point', `point ${id} has no data of ${volume}`);
}

/**
 * Decodes the archive of a volume to its end. Throws `damaged` when it does not hold as much as was recorded, and as `countEntries`. What was
 * recorded live is not counted: files came and went between the count and the copy.
 */
export async function checkData(store: Store, point: Point, data: VolumeData): Promise<void> {
  const archive = await store.openStored(point, data);
  const found = await countEntries(archive, data.compression, new AbortController().signal);
  const same = found.entries === data.entries && found.bytes === data.bytes;
  if (same || data.consistency === 'live') return;
  const told = ({ entries, bytes }: typeof found) => `${entries} entries with ${bytes} bytes`;
  throw new RollbackError('damaged', `the archive holds ${told(found)} instead of ${told(data)}`, {
    hint: 'use another point',
  });
}

/** Archives data into a point that is there already; nothing when a killed process had done so. */
export async function addData(
  workspace: Workspace,
  point: string,
  source: DataToStore,
  services: string[],
): Promise<void> {
  const { name } = source.place;
  await workspace.store.amend(point, async (writer, now) => {
    if (now.volume_data.some((data) => data.name === name)) return now;
    const facts = { services, consistency: 'stop', listing: null, expected: null, alone: true } as const;
    const data = await storeData(workspace, writer, source, facts);
    const sizes = {
      ...now.sizes,
      volumes: now.sizes.volumes + data.size,
      total: now.sizes.total + data.size,
    };
    return { ...now, volumes: [...now.volumes, name], volume_data: [...now.volume_data, data], sizes };
  });
}

type Replaced = Pick<VolumeData, 'kind' | 'name' | 'services'>;

/**
 * Moves the data that a run put aside into its safety point. Throws with the data where it was; also when nothing is aside, unless it `mayBeBack`.
 */
export async function keepReplaced(
  workspace: Workspace,
  safety: string,
  data: Replaced,
  run: string,
  { mayBeBack = false }: { mayBeBack?: boolean } = {},
): Promise<void> {
  const place = await locateData(workspace, data);
  const copier = place && (await chooseCopier(workspace, place));
  if (!place || copier?.driver !== 'host') throw changedPlace(data.name);
  const left = await copier.copier.leftovers(place);
  if (mayBeBack && !left.some((one) => one.run === run && one.what === 'parked')) return;
  const aside = { ...place, path: siblingPath(place, run, 'parked') };
  await addData(workspace, safety, { place: aside, copier }, data.services);
  await copier.copier.discard(place, run, 'parked');
}

/**
 * Where a killed run was in the middle of an exchange the data that was there is back, because everything else goes by what is at a place; what it was
 * removing is gone.
 */
export async function mendExchanges(workspace: Workspace, safety: Point, run: string): Promise<void> {
  for (const data of safety.replaced) {
    const place = await locateData(workspace, data);
    if (!place) continue;
    const host = new HostDriver();
    await host.mend(place, run);
    await host.discard(place, run, 'discarded');
  }
}

/** What could copy it when the plan was made cannot any more. */
export function changedPlace(volume: string): RollbackError {
  return new RollbackError('stale', `the place of ${volume} changed since the plan was made`, {
    hint: 'look at the new plan and try again',
  });
}
