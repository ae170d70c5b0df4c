import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import type { ProjectFacts } from '../model/facts.js';
import { keptTag } from '../model/names.js';
import {
  POINT_FORMAT,
  type Point,
  type PointEntry,
  type PointImage,
  type PointModel,
  type SaveImages,
} from '../model/point.js';
import type { ConfigEntry, Observation } from '../model/project.js';
import { readSettingsText } from '../project/config.js';
import { sealContents } from '../project/contents.js';
import type { Plan } from '../model/plan.js';
import { filesOfServices } from '../project/binds.js';
import { realpathOfExisting } from '../project/paths.js';
import type { Workspace } from '../session/workspace.js';
import type { PointWriter } from '../store/point-writer.js';
import { assertCovered, dataLeftOut } from './coverage.js';
import { recordData, type RecordedData } from './data.js';
import { withEvidence, type GatheredEvidence } from './evidence.js';
import { entryFacts, pointOf, type PointDetails } from './facts.js';
import { earlierArchives, saveImages } from './images.js';

export const newPointId = (): string => `rb-${randomBytes(6).toString('hex')}`;

/** What a point holds besides configuration. */
interface Contents {
  /** The data of volumes too. */
  volumes: boolean;
  /** Which images are archived. */
  images: SaveImages;
  /** Answers of the services' checks, which may still be on their way. */
  evidence?: Promise<GatheredEvidence> | undefined;
  /** Throw `blocked`, and record nothing, when something is not covered. */
  strict?: boolean | undefined;
}

/**
 * Stores what was observed as a point: files, model and variables, kept tags, index. Either all of it is there
 * afterwards, or nothing.
 */
export async function recordPoint(
  workspace: Workspace,
  observation: Observation,
  details: Omit<PointDetails, 'user' | 'toolVersion'>,
  { volumes, images, evidence, strict = false }: Contents = { volumes: false, images: 'never' },
): Promise<Point> {
  const { engine, user, toolVersion } = workspace;
  const id = newPointId();
  // A safety point stays open until its run has ended: going back must not need a key.
  const writer = await workspace.store.begin(id, { seal: details.kind !== 'safety' });
  const kept: string[] = [];
  try {
    const unstored = pointOf(observation, id, { ...details, user, toolVersion });
    const bare = await store(workspace, observation, unstored, writer);
    // Before services are kept from writing for the sake of their data.
    if (strict) assertCovered(bare);
    for (const [reference, image] of keptTags(bare)) {
      // Before: an answer that is lost on its way does not mean that nothing was done.
      kept.push(reference);
      await engine.tag(image, reference);
    }
    const imaged = await withImages(workspace, writer, bare, images);
    const whole = volumes
      ? addTo(imaged, await recordData(workspace, observation, writer, details.services))
      : await withoutData(workspace, observation, imaged, details.services);
    const complete = evidence ? withEvidence(whole, await evidence) : whole;
    if (strict) assertCovered(complete);
    const index = await workspace.store.writeIndex();
    const point = { ...complete, sequence: index.takePlace() };
    index.insertPoint(await writer.commit(point));
    return point;
  } catch (error) {
    for (const reference of kept) await engine.untag(reference);
    await writer.abandon();
    throw error;
  }
}

async function withoutData(
  workspace: Workspace,
  observation: Observation,
  point: Point,
  services: string[] | undefined,
): Promise<Point> {
  const { skipped, without_data } = await dataLeftOut(workspace, observation, services);
  return { ...point, without_data, skipped: [...point.skipped, ...skipped] };
}

function addTo(point: Point, data: RecordedData): Point {
  const volumes = [...data.volume_data, ...data.dumps].reduce((sum, { size }) => sum + size, 0);
  return {
    ...point,
    ...data,
    skipped: [...point.skipped, ...data.skipped],
    warnings: [...point.warnings, ...data.warnings],
    sizes: { ...point.sizes, volumes, total: point.sizes.total + volumes },
    metadata: { ...point.metadata, include_volumes: true },
  };
}

async function withImages(
  workspace: Workspace,
  writer: PointWriter,
  point: Point,
  mode: SaveImages,
): Promise<Point> {
  if (mode === 'never') return point;
  const report = ({ id, ref }: PointImage) => {
    const service = Object.keys(point.images).find((name) => point.images[name]?.id === id) ?? ref;
    workspace.emit({ type: 'progress', service, message: `saving the image of ${ref}` });
  };
  const find = await earlierArchives(workspace.store, workspace.project.name);
  return saveImages(workspace.engine, writer, point, mode, find, report);
}

/** Kept tags of a point with the image each one keeps. Whatever a record says: no others are ours to make or take away. */
export function keptTags(point: Point): Map<string, string> {
  const tags = Object.values(point.images).flatMap(({ kept_tag, id }) =>
    kept_tag?.startsWith(keptTag(point.id, '')) ? [[kept_tag, id] as const] : [],
  );
  return new Map(tags);
}

async function store(
  { settings, project: { directory } }: Workspace,
  observation: Observation,
  bare: Point,
  writer: PointWriter,
): Promise<Point> {
  const { configuration, project } = observation;
  const root = await realpathOfExisting(project.directory);
  const recorded = await storeEntries(writer, configuration.entries, (entry) => ({
    source: join(root, entry.path),
    within: root,
    stored: `configs/${entry.path}`,
  }));
  const outside = await storeEntries(writer, configuration.outside, (entry, index) => ({
    source: entry.path,
    // A listed path may lead through links of the system's own; a link of the project was followed to its end.
    within: 'via' in entry ? entry.path : undefined,
    stored: `outside/${String(index).padStart(4, '0')}-${basename(entry.path)}`,
  }));
  const entries = bare.kind === 'safety' ? recorded : markUnsteady(recorded, observation);
  const model = await writer.addJson('model.json', {
    format: POINT_FORMAT,
    model: observation.model ?? null,
    model_error: observation.modelError ?? null,
    settings: settings === 'unreadable' ? null : await readSettingsText(directory),
    variables: observation.variables,
  } satisfies PointModel);
  const sealed = sealContents(observation.facts, randomBytes(32).toString('hex'));
  const facts = await writer.addJson('facts.json', sealed);
  const files = [...entries, ...outside].filter((entry) => entry.type === 'file');
  const configs = files.reduce((sum, file) => sum + file.size, 0);
  return {
    ...bare,
    config_hashes: Object.fromEntries(files.map((file) => [file.path, file.sha256])),
    entries,
    outside,
    model: { stored: 'model.json', ...model },
    facts: { stored: 'facts.json', ...facts, ...countFacts(sealed) },
    sizes: { ...bare.sizes, configs, total: configs + model.size + facts.size },
  };
}

function countFacts({ services, networks, volumes }: ProjectFacts): { containers: number; count: number } {
  const containers = Object.values(services).flat();
  const all = [
    ...containers,
    ...Object.values(networks).map(({ facts }) => facts),
    ...Object.values(volumes),
  ];
  return {
    containers: containers.length,
    count: all.reduce((sum, facts) => sum + Object.keys(facts).length, 0),
  };
}

interface Source {
  /** Absolute. */
  source: string;
  /** Where it must really be, whatever links were put on the way meanwhile. */
  within: string | undefined;
  /** Relative to the point. */
  stored: string;
}

/** The bytes that are copied count, also where somebody wrote since they were observed. */
async function storeEntries(
  writer: PointWriter,
  entries: ConfigEntry[],
  place: (entry: ConfigEntry, index: number) => Source,
): Promise<PointEntry[]> {
  const result: PointEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    const { source, stored, within } = place(entry, index);
    const fact = entryFacts(entry, stored);
    if (!fact) continue;
    if (fact.type === 'file') Object.assign(fact, await writer.addFile(stored, source, within));
    result.push(fact);
  }
  return result;
}

/**
 * A file that changed while the point was made is unsteady when a running service may write it. One that a person changed is not: the next
 * rollback has to restore it.
 */
function markUnsteady(recorded: PointEntry[], observation: Observation): PointEntry[] {
  const written = filesOfServices(observation);
  const observed = new Map(observation.configuration.entries.map((entry) => [entry.path, entry]));
  return recorded.map((entry) => {
    if (entry.type !== 'file') return entry;
    const { unsteady, ...steady } = entry;
    const before = observed.get(entry.path);
    const hasChanged = unsteady || (before?.type === 'file' && before.sha256 !== entry.sha256);
    return hasChanged && written.has(entry.path) ? { ...steady, unsteady: true } : steady;
  });
}

/**
 * What a run records of the present before it begins: content of files that running services write is left alone by the way back, unless the run
 * itself replaces the file.
 */
export function leaveToServices(observation: Observation, { operations }: Plan): Observation {
  const written = filesOfServices(observation);
  const replaced = new Set(operations.flatMap((operation) => ('path' in operation ? operation.path : [])));
  const entries = observation.configuration.entries.map((entry): ConfigEntry => {
    if (entry.type !== 'file') return entry;
    const { unsteady: _, ...steady } = entry;
    const isLeft = written.has(entry.path) && !replaced.has(entry.path);
    return isLeft ? { ...steady, unsteady: true } : steady;
  });
  return { ...observation, configuration: { ...observation.configuration, entries } };
}
