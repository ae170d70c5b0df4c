import { mkdir, readdir, readlink, realpath, rename, rm, rmdir, symlink } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { RollbackError } from '../../model/errors.js';
import { MIGRATION_BACKUP, POINT_ID } from '../../model/names.js';
import type { Workspace } from '../../session/workspace.js';
import {
  explained,
  fingerprintFile,
  lstatIfThere,
  readRegular,
  syncDirectory,
  writeNewFile,
} from '../../store/files.js';
import { filesOf, POINT_FILE, SIDECAR_FILE } from '../../store/point-files.js';
import type { Store } from '../../store/store.js';

/**
 * `.docker-backup`: a link to the point that `migrate backup` made, the checksums of its files for `sha256sum -c`, and a report. The point stays where
 * all points are; the directory is only the way to it.
 */

export const MANIFEST = 'backup-manifest.txt';
const REPORT = 'backup-report.txt';
const LINK = 'point';
const IGNORE = '.gitignore';
const OURS = [LINK, MANIFEST, REPORT, IGNORE];
/** By this line we know a directory of ours. */
const TITLE = 'Backup for the move between Docker and Podman, made by compose-rollback';

type Place = Pick<Workspace, 'project' | 'store'>;

export const backupDirectory = ({ project }: Pick<Place, 'project'>): string =>
  join(project.directory, MIGRATION_BACKUP);

/** The point that the project's backup leads to; undefined without a backup. Throws `usage` for a directory that is none of ours. */
export async function backedUpPoint(place: Place): Promise<string | undefined> {
  const directory = backupDirectory(place);
  const found = await lstatIfThere(directory);
  if (!found) return undefined;
  if (!found.isDirectory()) throw foreign('it is no directory');
  const other = (await readdir(directory)).find((name) => !OURS.includes(name));
  if (other !== undefined) throw foreign(`it holds ${JSON.stringify(other)}`);
  const link = await lstatIfThere(join(directory, LINK));
  const id = link?.isSymbolicLink() ? basename(await readlink(join(directory, LINK))) : '';
  if (!POINT_ID.test(id)) throw foreign('it leads to no point');
  const report = await lstatIfThere(join(directory, REPORT));
  const text = report ? (await readRegular(join(directory, REPORT))).toString() : '';
  if (!text.startsWith(`${TITLE}\n`)) throw foreign('it has no report of ours');
  return id;
}

function foreign(why: string): RollbackError {
  return new RollbackError(
    'usage',
    `${MIGRATION_BACKUP} was not made by compose-rollback (${why}); nothing was changed`,
    { hint: 'move it away, then try again' },
  );
}

/** Puts the way to a point in place, in one step where there was none. What was there before must be ours. */
export async function writeBackupDirectory(place: Place, id: string, report: string[]): Promise<void> {
  const directory = backupDirectory(place);
  const [beside, aside] = [`${directory}.new`, `${directory}.old`];
  await explained(`write ${MIGRATION_BACKUP}`, async () => {
    await discard(beside);
    await mkdir(beside, { mode: 0o700 });
    await writeNewFile(join(beside, IGNORE), '*\n');
    await writeNewFile(join(beside, MANIFEST), await manifestOf(place.store, id));
    await writeNewFile(join(beside, REPORT), [TITLE, '', ...report, ''].join('\n'));
    const to = await realpath(place.store.pointDir(id));
    await symlink(relative(await realpath(beside), to), join(beside, LINK));
    await syncDirectory(beside);
    await discard(aside);
    if (await lstatIfThere(directory)) await rename(directory, aside);
    await rename(beside, directory);
    await syncDirectory(place.project.directory);
    await discard(aside);
  });
}

/** Takes only away what is ours: anything else keeps the directory, and makes it fail. */
async function discard(directory: string): Promise<void> {
  if (!(await lstatIfThere(directory))?.isDirectory()) return;
  for (const name of OURS) await rm(join(directory, name), { force: true });
  await rmdir(directory);
}

/** What is wrong with the directory itself, when the point it leads to is as it was recorded. */
export async function directoryProblems(
  place: Place,
  id: string,
): Promise<{ path: string; problem: string }[]> {
  const directory = backupDirectory(place);
  const to = resolve(await realpath(directory), await readlink(join(directory, LINK)));
  if (to !== (await realpath(place.store.pointDir(id)))) {
    return [{ path: LINK, problem: 'it leads to another backup directory' }];
  }
  const { pinned } = await place.store.readRecord(id);
  if (!pinned) {
    const problem = `it is not pinned any more, and may be removed when it is old: compose-rollback pin ${id}`;
    return [{ path: LINK, problem }];
  }
  const manifest = await readManifest(directory);
  if (manifest === (await manifestOf(place.store, id))) return [];
  return [{ path: MANIFEST, problem: 'it does not tell of the point as it is' }];
}

async function readManifest(directory: string): Promise<string> {
  const path = join(directory, MANIFEST);
  return (await lstatIfThere(path)) ? (await readRegular(path)).toString() : '';
}

/** Every file of a point, its record included, as `sha256sum -c` reads them in `.docker-backup`. */
async function manifestOf(store: Store, id: string): Promise<string> {
  const stored = filesOf(await store.readRecord(id)).map(({ stored: path, sha256 }) => ({ path, sha256 }));
  const records = [POINT_FILE, SIDECAR_FILE].map(async (path) => {
    const { sha256 } = await fingerprintFile(join(store.pointDir(id), path));
    return { path, sha256 };
  });
  const files = [...stored, ...(await Promise.all(records))];
  // A stored path has no line breaks; everything else `sha256sum` takes as it is.
  return files.map(({ path, sha256 }) => `${sha256.replace('sha256:', '')}  ${LINK}/${path}\n`).join('');
}
