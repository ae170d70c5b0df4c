import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { RollbackError } from '../model/errors.js';
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
import { sealContents } from '../project/contents.js';
import type { Workspace } from '../session/workspace.js';
import type { PointWriter } from '../store/point-writer.js';
import { recordData, type RecordedData } from './data.js';
import { entryFacts, pointOf, type PointDetails } from './facts.js';
import { earlierArchives, saveImages } from './images.js';

export const newPointId = (): string => `rb-${randomBytes(6).toString('hex')}`;

/** What a point holds besides configuration. */
interface Contents {
  /** The data of volumes too. */
  volumes: boolean;
  /** Which images are archived. */
  images: SaveImages;
}

/**
 * Stores what was observed as a point: files, model and variables, kept tags, index. Either all of it is there
 * afterwards, or nothing.
 */
export async function recordPoint(
  workspace: Workspace,
  observation: Observation,
  details: Omit<PointDetails, 'user' | 'toolVersion'>,
  { volumes, images }: Contents = { volumes: false, images: 'never' },
): Promise<Point> {
  const { engine, user, toolVersion } = workspace;
  const id = newPointId();
  // A safety point stays open until its run has ended: going back must not need a key.
  const writer = await workspace.store.begin(id, { seal: details.kind !== 'safety' });
  const kept: string[] = [];
  try {
    const bare = await store(
      observation,
      pointOf(observation, id, { ...details, user, toolVersion }),
      writer,
    );
    for (const [reference, image] of keptTags(bare)) {
      // Before: an answer that is lost on its way does not mean that nothing was done.
      kept.push(reference);
      await engine.tag(image, reference);
    }
    const imaged = await withImages(workspace, writer, bare, images);
    const complete = volumes
      ? addTo(imaged, await recordData(workspace, observation, writer, details.services))
      : imaged;
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

async function store(observation: Observation, bare: Point, writer: PointWriter): Promise<Point> {
  const { configuration, project } = observation;
  const entries = await storeEntries(writer, configuration.entries, (entry) => ({
    source: join(project.directory, entry.path),
    stored: `configs/${entry.path}`,
  }));
  const outside = await storeEntries(writer, configuration.outside, (entry, index) => ({
    source: entry.path,
    stored: `outside/${String(index).padStart(4, '0')}-${basename(entry.path)}`,
  }));
  const model = await writer.addJson('model.json', {
    format: POINT_FORMAT,
    model: observation.model ?? null,
    model_error: observation.modelError ?? null,
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

async function storeEntries(
  writer: PointWriter,
  entries: ConfigEntry[],
  place: (entry: ConfigEntry, index: number) => { source: string; stored: string },
): Promise<PointEntry[]> {
  const result: PointEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    const { source, stored } = place(entry, index);
    const fact = entryFacts(entry, stored);
    if (!fact) continue;
    if (fact.type === 'file') {
      const copied = await writer.addFile(stored, source);
      if (copied.sha256 !== fact.sha256) {
        throw new RollbackError(
          'stale',
          `${entry.path} changed while it was being recorded; nothing was stored`,
          {
            hint: 'try again once nobody writes to it',
          },
        );
      }
    }
    result.push(fact);
  }
  return result;
}
