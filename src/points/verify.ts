import { RollbackError } from '../model/errors.js';
import type { Point } from '../model/point.js';
import { recordedFiles } from '../store/point-files.js';
import type { StoredProblem } from '../store/point-verify.js';
import type { Store } from '../store/store.js';
import { checkDump } from './dumps.js';
import { findPoint } from './find.js';
import { checkData } from '../operations/data.js';
import { checkArchive } from '../operations/images.js';

/** What reading a point's stored bytes again found. */
export interface Verification {
  id: string;
  sound: boolean;
  /** How many files were read. */
  files: number;
  problems: { path: string; problem: string }[];
  /** Of an encrypted point without its key: what is inside was not looked at. */
  ciphertext_only?: true | undefined;
}

/**
 * Checks one point, or all of a project, safety points included. A damaged point is a result, not an error. Without a key only the ciphertext
 * of encrypted points is checked; a wrong one is `cannot-decrypt`.
 */
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
    const record = await store.readRecord(id);
    if ('sealed' in record && !(await store.isKeyAtHand())) {
      const damage = await store.verify(record);
      const files = record.files.length;
      return { id, sound: damage.length === 0, files, problems: damage, ciphertext_only: true };
    }
    const point = await store.read(id);
    const changed = await store.verify(point);
    const problems = [...changed, ...(await undecodable(store, point, changed))];
    return { id, sound: problems.length === 0, files: recordedFiles(point).length, problems };
  } catch (error) {
    if (!(error instanceof RollbackError) || !['damaged', 'unsafe', 'not-supported'].includes(error.code))
      throw error;
    return { id, sound: false, files: 0, problems: [{ path: 'point.json', problem: error.message }] };
  }
}

/**
 * Archives that are as they were written, and yet are not what they should hold: each is decoded to its end. Every kind of archive that a point
 * may have has its line here.
 */
async function undecodable(
  store: Store,
  point: Point,
  changed: readonly StoredProblem[],
): Promise<StoredProblem[]> {
  const images = point.image_archives.map((archive) => ({
    path: archive.stored,
    decode: () => checkArchive(store, point, archive),
  }));
  const volumes = point.volume_data.map((data) => ({
    path: data.stored,
    decode: () => checkData(store, point, data),
  }));
  const dumps = point.dumps.map((dump) => ({
    path: dump.stored,
    decode: () => checkDump(store, point, dump),
  }));
  const known = new Set(changed.map(({ path }) => path));
  const problems: StoredProblem[] = [];
  for (const { path, decode } of [...images, ...volumes, ...dumps]) {
    if (known.has(path)) continue;
    try {
      await decode();
    } catch (error) {
      if (!(error instanceof RollbackError)) throw error;
      problems.push({ path, problem: error.message });
    }
  }
  return problems;
}
