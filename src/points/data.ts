import { availableParallelism } from 'node:os';
import { RollbackError } from '../model/errors.js';
import { inParallel } from '../model/parallel.js';
import type { Point, VolumeData } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { bytes } from '../plan/text.js';
import { isUp } from '../plan/services.js';
import { dataSources, type DataSource } from '../project/data.js';
import { chooseCopier, locateData, storeData, type Copier } from '../operations/data.js';
import { discardClones, holding, type Held } from '../operations/hold.js';
import {
  handlerContext,
  handlerOf,
  serviceConfig,
  withLabels,
  type Workspace,
} from '../session/workspace.js';
import { dropHold, writeHold } from '../store/holds.js';
import type { PointWriter } from '../store/point-writer.js';
import { NOT_CARRIED } from '../volumes/api.js';
import { availableCompression } from '../volumes/compression.js';
import type { Place } from '../volumes/driver.js';
import type { Clone } from '../volumes/host-clone.js';
import { chooseDumps, recordDumps } from './dumps.js';
import { readIfOpen } from './find.js';

/** What `create --include-volumes` adds to a point. */
export type RecordedData = Pick<Point, 'volumes' | 'volume_data' | 'dumps' | 'skipped' | 'warnings'>;

type Consistency = VolumeData['consistency'];

interface Volume {
  source: DataSource;
  place: Place;
  copier: Exclude<Copier, { driver: null }>;
  /** Size of its files and hash of their list, where the driver can tell without reading them. */
  expected: number | null;
  listing: string | null;
}

/** From what a disk and a core usually give: for "about so long". */
const BYTES_PER_SECOND = 200_000_000;
/** Weakest first. */
const STRENGTH: Consistency[] = ['live', 'hook', 'pause', 'stop'];

/**
 * Stores the data of volumes: what nobody touched since an earlier point is shared with that, everything else is read while its services keep from
 * writing. Where the file system can make a clone in a moment they wait for that alone. Throws with all services running again.
 */
export async function recordData(
  plain: Workspace,
  observation: Observation,
  writer: PointWriter,
  services: string[] | undefined,
): Promise<RecordedData> {
  const workspace = await withLabels(plain, observation.model);
  const { sources, skipped } = await dataSources(observation, {
    services,
    backupDir: workspace.store.path,
    listed: workspace.config.data_directories,
  });
  const [looked] = await Promise.all([
    Promise.all(sources.map((source) => lookAt(workspace, source))),
    availableCompression(), // Looked up now, and not while services wait.
  ]);
  const left = looked.flatMap((one) => ('reason' in one ? [one] : []));
  const found = looked.flatMap((one) => ('place' in one ? [one] : []));
  const dumping = chooseDumps(workspace, observation, services);
  await prepareServices(workspace, observation, found);
  const volumes = await Promise.all(found.map((volume) => listed(volume, workspace.signal)));
  const shared = await shareUnchanged(workspace, writer, volumes);
  const changed = volumes.filter(({ source }) => !shared.some(({ name }) => name === source.name));
  const stored = await readChanged(workspace, observation, writer, changed);
  // Last: they may take long, and what was looked at before should be used while it is true.
  const { dumps, warnings } = await recordDumps(workspace, observation, writer, dumping);
  const data = [...shared, ...stored].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    volumes: data.map(({ name }) => name),
    volume_data: data,
    dumps,
    skipped: [...skipped, ...left],
    warnings: [
      ...warnings,
      ...left.map(({ path, reason }) => `the data of ${path} is not recorded: ${reason}`),
      ...throughEngine(data),
    ],
  };
}

/** What the engine's own streams cannot carry is lost, if it was there. */
function throughEngine(data: VolumeData[]): string[] {
  const names = data.flatMap(({ name, driver }) => (driver === 'api' ? [name] : []));
  if (names.length === 0) return [];
  return [
    `the data of ${names.join(', ')} was copied through the engine, which leaves out: ${NOT_CARRIED.join('; ')}`,
  ];
}

async function lookAt(
  workspace: Workspace,
  source: DataSource,
): Promise<Volume | { path: string; reason: string }> {
  const place = await locateData(workspace, source);
  if (!place) return { path: source.name, reason: 'there is no such volume' };
  const copier = await chooseCopier(workspace, place);
  if (copier.driver === null) return { path: source.name, reason: copier.problem };
  return { source, place, copier, expected: null, listing: null };
}

/** What programs wrote through memory maps shows in the times of files only once it was written to the disk. */
async function settle({ copier, place }: Volume): Promise<void> {
  if (copier.driver === 'host') await copier.copier.settle(place);
}

/** With the list of its files as it is now, where the driver can see it. */
async function listed(volume: Volume, signal: AbortSignal): Promise<Volume> {
  const { copier, place } = volume;
  if (copier.driver !== 'host') return volume;
  const { bytes: expected, digest: listing } = await copier.copier.listing(place, signal);
  return { ...volume, expected, listing };
}

/** Data whose list of files is that of the newest point with it: linked, not read. */
async function shareUnchanged(
  { store, project }: Workspace,
  writer: PointWriter,
  volumes: Volume[],
): Promise<VolumeData[]> {
  const wanted = volumes.filter(({ listing }) => listing !== null);
  if (wanted.length === 0) return [];
  const summaries = (await store.readIndex())?.points({ project: project.name }) ?? [];
  const holders = new Map<string, string>();
  for (const { id, volumes: names } of summaries) {
    for (const name of names) if (!holders.has(name)) holders.set(name, id);
  }
  const shared: VolumeData[] = [];
  for (const { source, listing } of wanted) {
    const holder = holders.get(source.name);
    if (holder === undefined) continue;
    const earlier = (await readIfOpen(store, holder))?.volume_data.find(({ name }) => name === source.name);
    if (!earlier || earlier.listing !== listing) continue;
    const linked = await writer.addLink(earlier.stored, store.placeOf(holder, earlier), earlier);
    if (linked) shared.push({ ...earlier, services: source.services });
  }
  return shared;
}

async function readChanged(
  workspace: Workspace,
  observation: Observation,
  writer: PointWriter,
  volumes: Volume[],
): Promise<VolumeData[]> {
  if (volumes.length === 0) return [];
  const held = heldFor(workspace, observation, volumes);
  announce(workspace, held, volumes);
  const clones: { volume: Volume; listing: string | null }[] = [];
  const paths = volumes.flatMap(({ copier, place }) => (copier.driver === 'host' ? [place.path] : []));
  const note = await writeHold(workspace.store.dir, [], { run: cloneName(writer.id), paths });
  const facts = ({ source, expected }: Volume) => ({
    services: source.services,
    consistency: weakest(workspace, source),
    expected,
    alone: volumes.length === 1,
  });
  const cores = availableParallelism();
  try {
    await Promise.all(volumes.map(settle)); // most of it while services still run
    const stored = await holding(workspace, held, async () => {
      const direct: Volume[] = [];
      for (const volume of volumes) {
        const clone = await cloneOf(volume, writer.id, workspace.signal);
        if (clone) clones.push({ volume: { ...volume, place: clone.place }, listing: clone.listing });
        else direct.push(volume);
      }
      return await inParallel(cores, direct, async (volume) => {
        await settle(volume); // Right before its files are listed: those that keep still by themselves may not.
        return await storeData(workspace, writer, volume, facts(volume));
      });
    });
    const cloned = await inParallel(cores, clones, ({ volume, listing }) =>
      storeData(workspace, writer, volume, { ...facts(volume), listing }),
    );
    return [...stored, ...cloned];
  } finally {
    await discardClones(workspace, { run: cloneName(writer.id), paths });
    await dropHold(note);
  }
}

/** What stands beside a volume goes by the id of a run; a point that is being made has none. */
const cloneName = (point: string) => point.replace(/^rb-/, 'run-');

async function cloneOf(
  { copier, place }: Volume,
  id: string,
  signal: AbortSignal,
): Promise<Clone | undefined> {
  return copier.driver === 'host' ? await copier.copier.clone(place, cloneName(id), signal) : undefined;
}

/** The running containers that have to keep still, and how. What somebody paused stays so, and those of other projects are not ours to pause. */
function heldFor(workspace: Workspace, { services }: Observation, volumes: Volume[]): Held[] {
  const users = new Set(volumes.flatMap(({ source }) => source.services));
  return Object.values(services)
    .filter(({ name }) => users.has(name))
    .flatMap(({ name, containers }) => {
      const how = consistencyOf(workspace, name);
      if (how === 'live' || how === 'hook') return [];
      return containers.filter(({ state }) => state === 'running').map((container) => ({ container, how }));
    });
}

/** What cannot be paused is stopped. */
function consistencyOf(workspace: Workspace, service: string): Consistency {
  const wanted = serviceConfig(workspace, service).consistency ?? 'pause';
  return wanted === 'pause' && !workspace.identity.pauses ? 'stop' : wanted;
}

function weakest(workspace: Workspace, { services }: DataSource): Consistency {
  const all = services.map((service) => consistencyOf(workspace, service));
  return STRENGTH.find((consistency) => all.includes(consistency)) ?? 'pause';
}

/** Has them write to the disk what they hold in memory: Redis' SAVE, PostgreSQL's CHECKPOINT. */
async function prepareServices(
  workspace: Workspace,
  observation: Observation,
  volumes: Volume[],
): Promise<void> {
  const users = new Set(volumes.flatMap(({ source }) => source.services));
  for (const service of users) {
    const container = observation.services[service]?.containers.find(isUp);
    if (!container || consistencyOf(workspace, service) === 'live') continue;
    const handler = handlerOf(workspace, service, container.imageRef);
    const verdict = await handler.prepare?.(handlerContext(workspace, service, observation.model));
    if (verdict?.status !== 'fail') continue;
    throw new RollbackError(
      'failed',
      `${service} is not ready to be recorded: ${verdict.reason}; nothing was stored`,
      {
        hint: `see to ${service}, or set its consistency to live in rollback.yaml`,
      },
    );
  }
}

function announce({ emit, identity }: Workspace, held: Held[], volumes: Volume[]): void {
  const total = volumes.reduce((sum, { expected }) => sum + (expected ?? 0), 0);
  const size = total > 0 ? ` (${bytes(total)})` : '';
  const paused = [...new Set(held.map(({ container }) => container.service ?? container.name))];
  const seconds = Math.max(1, Math.ceil(total / BYTES_PER_SECOND));
  const what = `Recording the data of ${volumes.map(({ source }) => source.name).join(', ')}${size}`;
  const many = paused.length > 1;
  const how = identity.pauses
    ? many
      ? 'wait'
      : 'waits'
    : `${many ? 'are' : 'is'} stopped (this engine cannot pause)`;
  const pause = `, ${paused.join(', ')} ${how} for it, about ${seconds} s`;
  emit({ type: 'phase', phase: 'data', message: paused.length > 0 ? what + pause : what });
}
