import { RollbackError } from '../model/errors.js';
import type { Engine } from '../engine/engine.js';
import { KEPT_REPOSITORY } from '../model/names.js';
import type { Point, PointSummary, SealedPoint } from '../model/point.js';
import { chooseCopier, locateData } from '../operations/data.js';
import type { Workspace } from '../session/workspace.js';
import { findPoint } from './find.js';
import { selectOld, selectSurplus } from './retention.js';

/** Points that runs without an end still need. */
export async function neededPoints(workspace: Workspace): Promise<Set<string>> {
  const runs = (await workspace.store.readIndex())?.runs({ project: workspace.project.name }) ?? [];
  const undone = (id: string | null) => runs.flatMap((run) => (run.id === id ? [run.target] : []));
  return new Set(
    runs.flatMap((run) => (run.ended === null ? [run.target, run.safety, ...undone(run.undoes)] : [])),
  );
}

/** What retention and clean-up leave alone: those, and what `undo` without argument goes back to. */
async function keptPoints(workspace: Workspace): Promise<Set<string>> {
  const runs = (await workspace.store.readIndex())?.runs({ project: workspace.project.name }) ?? [];
  const undoable = runs.find(({ result }) => result === 'done');
  const needed = await neededPoints(workspace);
  return undoable ? needed.add(workspace.runFacts.undoPointOf(undoable)) : needed;
}

/** Throws `usage`, with nothing deleted, when an unfinished run needs one of these points. */
export async function assertNotNeeded(workspace: Workspace, points: PointSummary[]): Promise<void> {
  const needed = await neededPoints(workspace);
  const held = points.flatMap(({ id }) => (needed.has(id) ? id : []));
  if (held.length === 0) return;
  throw new RollbackError('usage', `an unfinished run needs ${held.join(', ')}; nothing was deleted`, {
    hint: '`compose-rollback runs` shows it; `compose-rollback abort` takes it back',
  });
}

/**
 * Deletes a point: its directory, its kept tags, its line in the index, and what its run put aside and could not archive. Images go when
 * nothing else holds them.
 */
export async function removePoint(workspace: Workspace, id: string): Promise<void> {
  const { store, engine } = workspace;
  for (const { place, host, run } of await asideOf(workspace, id)) await host.discard(place, run, 'parked');
  await store.remove(id, (removed) => untagPoint(engine, removed));
}

/** Takes the kept tags of a point away, as the engine has them: also of one that is damaged, or that was never finished. */
export async function untagPoint(engine: Engine, id: string): Promise<void> {
  const references = await engine.references(KEPT_REPOSITORY);
  for (const { reference } of references) if (reference.includes(`:${id}-`)) await engine.untag(reference);
}

/** Data that a run put aside and that is in no archive: all there is of it lies beside its place. */
async function asideOf(workspace: Workspace, id: string) {
  const record = await readIfSound(workspace, id);
  if (!record || 'sealed' in record || record.metadata.run === null) return [];
  const { replaced, volume_data, metadata } = record;
  const archived = new Set(volume_data.map(({ name }) => name));
  const found = [];
  for (const data of replaced.filter(({ name }) => !archived.has(name))) {
    const place = await locateData(workspace, data);
    const copier = place && (await chooseCopier(workspace, place));
    if (!place || copier?.driver !== 'host') continue;
    const run = metadata.run ?? '';
    const left = await copier.copier.leftovers(place);
    if (left.some((one) => one.run === run && one.what === 'parked'))
      found.push({ place, host: copier.copier, run });
  }
  return found;
}

async function readIfSound({ store }: Workspace, id: string): Promise<Point | SealedPoint | undefined> {
  try {
    return await store.readRecord(id);
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'damaged') return undefined;
    throw error;
  }
}

/**
 * Applies retention after something was added; a safety point that is all there is of some data stays. The addition is done and counts: a point that
 * cannot go now is told, and goes the next time.
 */
export async function applyRetention(workspace: Workspace): Promise<void> {
  const { store, config, project, settings } = workspace;
  // How many are to be kept may be among what could not be read.
  if (settings !== 'whole') return;
  const points = (await store.readIndex())?.points({ project: project.name }) ?? [];
  try {
    const surplus = selectSurplus(points, (setting) => config[setting], await keptPoints(workspace));
    for (const { id, kind } of surplus) {
      const needed = kind === 'safety' && (await asideOf(workspace, id)).length > 0;
      if (!needed) await removePoint(workspace, id);
    }
  } catch (error) {
    if (!(error instanceof RollbackError)) throw error;
    workspace.emit({ type: 'warning', message: `old points are not all deleted yet: ${error.message}` });
  }
}

export interface CleanupRequest {
  /** The newest so many stay, of each kind that has its own quota. */
  keepLast?: number | undefined;
  /** Only what is older than this many milliseconds. */
  olderThan?: number | undefined;
}

/** The points a clean-up would delete, oldest first: nothing pinned, nothing that a run or `undo` needs. */
export async function planCleanup(workspace: Workspace, request: CleanupRequest): Promise<PointSummary[]> {
  const { store, project } = workspace;
  if (request.keepLast === undefined && request.olderThan === undefined) {
    throw new RollbackError('usage', 'nothing says which points to clean up', {
      hint: 'give --keep-last N, --older-than 30d, or both',
    });
  }
  const points = (await store.readIndex())?.points({ project: project.name }) ?? [];
  const olderThan =
    request.olderThan === undefined ? undefined : new Date(Date.now() - request.olderThan).toISOString();
  return selectOld(points, { keepLast: request.keepLast, olderThan }, await keptPoints(workspace));
}

/** The points a person names, each once. */
export async function findAll({ store, project }: Workspace, selectors: string[]): Promise<PointSummary[]> {
  const points = await Promise.all(selectors.map((selector) => findPoint(store, project.name, selector)));
  return [...new Map(points.map((point) => [point.id, point])).values()];
}

/** Throws `usage` when a point is pinned: it was kept on purpose. */
export function assertUnpinned(points: PointSummary[]): void {
  const pinned = points.filter((point) => point.pinned).map(({ id }) => id);
  if (pinned.length === 0) return;
  throw new RollbackError(
    'usage',
    `${pinned.join(', ')} ${pinned.length > 1 ? 'are' : 'is'} pinned; nothing was deleted`,
    {
      hint: 'add --force to delete pinned points too',
    },
  );
}
