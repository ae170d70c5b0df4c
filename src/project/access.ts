import { access, constants, readFile, realpath, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FileAccess } from '../model/project.js';
import { mapBounded } from './entries.js';
import { hasCode, isMissing, look } from './paths.js';

/** What would stop this user from writing files, found out without writing. */

/** What a person reads for what the kernel says of a place. Immutable files are the only ones that it refuses to root with EPERM. */
const REASONS: Record<string, (place: string) => string> = {
  EACCES: (place) => `this user may not write to ${place}`,
  EPERM: (place) => `${place} is immutable (chattr +i)`,
  EROFS: (place) => `${place} is on a read-only file system`,
};

/** Who may only make files of these ids; null for root. */
export function currentUser(): FileAccess['user'] {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 ? null : { uid, groups: [process.getegid?.() ?? -1, ...(process.getgroups?.() ?? [])] };
}

/** @param places absolute path of each recorded path */
export async function readAccess(places: ReadonlyMap<string, string>): Promise<FileAccess> {
  const mounted = await mountPoints();
  const folders = new Map<string, Promise<Folder>>();
  const refused: Record<string, string> = {};
  const mounts: string[] = [];
  await mapBounded([...places], async ([path, place]) => {
    const above = dirname(place);
    const folder = folders.get(above) ?? readFolder(above);
    folders.set(above, folder);
    const { real, problem, stats } = await folder;
    const found = await look(place).catch(() => undefined);
    const isMount = found !== undefined && mounted.has(join(real, basename(place)));
    if (isMount) mounts.push(path);
    const code = found?.isSymbolicLink() ? undefined : await refusal(place);
    const replaced = code === 'EPERM' ? explain(code, place) : foreignInSticky(stats, found);
    const reason = isMount ? explain(code, place) : (problem ?? replaced);
    if (reason !== undefined) refused[path] = reason;
  });
  return { user: currentUser(), refused, mountPoints: mounts.toSorted() };
}

interface Folder {
  /** Without links. */
  real: string;
  stats: Stats | undefined;
  /** Why nothing can be made or removed in it. */
  problem: string | undefined;
}

/** Of the nearest folder that is there: the ones below it would be made. */
async function readFolder(folder: string): Promise<Folder> {
  try {
    const stats = await stat(folder);
    const code = stats.isDirectory() ? await refusal(folder, constants.W_OK | constants.X_OK) : undefined;
    return { real: await realpath(folder), stats, problem: explain(code, folder) };
  } catch (error) {
    if (hasCode(error, 'EACCES'))
      return { real: folder, stats: undefined, problem: `this user may not enter ${folder}` };
    if (!isMissing(error) && !hasCode(error, 'ELOOP')) throw error;
    const above = await readFolder(dirname(folder));
    return { ...above, real: join(above.real, basename(folder)) };
  }
}

/** Why a place cannot be written, as the kernel's error code. */
async function refusal(place: string, wanted = constants.W_OK): Promise<string | undefined> {
  try {
    await access(place, wanted);
  } catch (error) {
    return Object.keys(REASONS).find((code) => hasCode(error, code));
  }
  return undefined;
}

const explain = (code: string | undefined, place: string): string | undefined =>
  code === undefined ? undefined : REASONS[code]?.(place);

/** In a directory like /tmp only the owners of a file and of the directory may remove it. */
function foreignInSticky(folder: Stats | undefined, found: Stats | undefined): string | undefined {
  const user = process.geteuid?.() ?? 0;
  const isFree = user === 0 || !folder || !found || (folder.mode & 0o1000) === 0;
  if (isFree || folder.uid === user || found.uid === user) return undefined;
  return `only user ${found.uid} may replace it in that directory (it is sticky)`;
}

async function mountPoints(): Promise<Set<string>> {
  const table = await readFile('/proc/self/mountinfo').catch(() => Buffer.alloc(0)); // only Linux has it
  const points = table
    .toString('latin1')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((point) => Buffer.from(point.replaceAll(/\\([0-7]{3})/g, unescaped), 'latin1').toString());
  return new Set(points);
}

const unescaped = (_: string, octal: string) => String.fromCharCode(Number.parseInt(octal, 8));
