import { RollbackError } from '../model/errors.js';
import type { Store } from '../store/store.js';
import { findPoint } from './find.js';

/** What reading a point's stored bytes again found. */
export interface Verification {
  id: string;
  sound: boolean;
  /** How many files were read. */
  files: number;
  problems: { path: string; problem: string }[];
}

/** Checks one point, or all of a project, safety points included. A damaged point is a result, not an error. */
export async function verifyPoints(
  store: Store,
  project: string,
  selector?: string,
): Promise<Verification[]> {
  const points =
    selector === undefined
      ? ((await store.readIndex())?.points({ project }) ?? [])
      : [await findPoint(store, project, selector)];
  const results: Verification[] = [];
  for (const { id } of points) results.push(await verifyOne(store, id));
  return results;
}

async function verifyOne(store: Store, id: string): Promise<Verification> {
  try {
    const point = await store.read(id);
    const problems = await store.verify(point);
    const files = [...point.entries, ...point.outside].filter((entry) => entry.type === 'file').length + 1;
    return { id, sound: problems.length === 0, files, problems };
  } catch (error) {
    if (!(error instanceof RollbackError) || !['damaged', 'unsafe', 'not-supported'].includes(error.code))
      throw error;
    return { id, sound: false, files: 0, problems: [{ path: 'point.json', problem: error.message }] };
  }
}
