import { RollbackError } from '../model/errors.js';
import type { PointSummary } from '../model/point.js';
import type { Workspace } from '../run/workspace.js';
import { findPoint } from './find.js';
import { selectOld, surplus } from './retention.js';
import { keptTags } from './record.js';

/** Points that runs without an end still need. */
export async function neededPoints(workspace: Workspace): Promise<Set<string>> {
  const runs = (await workspace.store.readIndex())?.runs({ project: workspace.project.name }) ?? [];
  return new Set(runs.flatMap((run) => (run.ended === null ? [run.target, run.safety] : [])));
}

/** What retention and clean-up leave alone: those, and what `undo` without argument goes back to. */
async function keptPoints(workspace: Workspace): Promise<Set<string>> {
  const runs = (await workspace.store.readIndex())?.runs({ project: workspace.project.name }) ?? [];
  const undoable = runs.find(({ result }) => result === 'done');
  const needed = await neededPoints(workspace);
  return undoable ? needed.add(undoable.safety) : needed;
}

/** Throws `usage`, with nothing deleted, when an unfinished run needs one of these points. */
export async function assertNotNeeded(workspace: Workspace, points: PointSummary[]): Promise<void> {
  const needed = await neededPoints(workspace);
  const held = points.flatMap(({ id }) => (needed.has(id) ? id : []));
  if (held.length === 0) return;
  throw new RollbackError('usage', `an unfinished run needs ${held.join(', ')}; nothing was deleted`, {
    hint: '`compose-rollback runs` shows it; `compose-rollback undo` takes it back',
  });
}

/** Deletes a point: its directory, its kept tags, its line in the index. Images go when nothing else holds them. */
export async function removePoint(workspace: Workspace, id: string): Promise<void> {
  const { store, engine } = workspace;
  const tags = await tagsOf(workspace, id);
  await store.remove(id);
  for (const tag of tags) await engine.untag(tag);
}

/** A damaged point can be deleted too: then the engine itself tells which tags are its own. */
async function tagsOf({ store, engine }: Workspace, id: string): Promise<string[]> {
  try {
    return [...keptTags(await store.read(id)).keys()];
  } catch (error) {
    if (!(error instanceof RollbackError) || error.code !== 'damaged') throw error;
    const references = await engine.references('compose-rollback/kept');
    return references.map(({ reference }) => reference).filter((reference) => reference.includes(`:${id}-`));
  }
}

/** Applies retention after something was added. Returns what went. */
export async function applyRetention(workspace: Workspace): Promise<PointSummary[]> {
  const { store, config, project } = workspace;
  const points = (await store.readIndex())?.points({ project: project.name }) ?? [];
  const retention = { points: config.max_rollback_points, safety: config.max_safety_points };
  const gone = surplus(points, retention, await keptPoints(workspace));
  for (const { id } of gone) await removePoint(workspace, id);
  return gone;
}

export interface CleanupRequest {
  /** The newest so many stay. */
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
