import { RollbackError } from '../model/errors.js';
import { runTool } from './child.js';
import { inside, type Place } from './driver.js';
import { GONE } from './host-find.js';

/** Bytes that a place takes on the disk: no holes, hard links once. Who writes there meanwhile does not matter. Throws `failed`. */
export async function usageOfPlace(place: Place, signal: AbortSignal): Promise<number> {
  const measuring = `measure ${place.path}`;
  const argv = inside(place, 'du', '--summarize', '--block-size=1', '--', place.path);
  const bytes = /^\d+/.exec(await runTool(measuring, argv, signal, GONE))?.[0];
  if (bytes === undefined) throw new RollbackError('failed', `cannot ${measuring}: it is gone`);
  return Number(bytes);
}
