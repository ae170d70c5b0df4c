import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import {
  chown,
  lchown,
  mkdir,
  open,
  rename,
  rmdir,
  symlink,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { RollbackError, messageOf } from '../model/errors.js';
import { quoted } from '../model/names.js';
import type { Owner } from '../model/project.js';
import { describeKind } from './entries.js';
import { hasCode, look, resolveSafely, temporaryName } from './paths.js';

/**
 * Puts configuration back. Every path is checked anew before it is touched (`unsafe`), everything can be repeated, and a kill leaves either
 * the old or the new file, except in place. Files outside the project: `directory` is `/`, the path goes on from there.
 * All throw `failed` with the reason when the system refuses.
 */

export interface FileOptions {
  /** Permission bits. */
  mode: number;
  /** As recorded; when absent the file keeps the owner of the one that was there, else gets that of its directory. */
  owner?: Owner | undefined;
  /** Write over the same inode, because a container that keeps running has it mounted by itself, or because it is a mount point. */
  inPlace: boolean;
}

/** Opens the bytes to write; called again when a rename turns out to be impossible. */
export type OpenBytes = () => Promise<Readable> | Readable;

/** What `source` gives at `path`. Throws what it throws, too. */
export async function restoreFile(
  directory: string,
  path: string,
  source: OpenBytes,
  { mode, owner, inPlace }: FileOptions,
): Promise<void> {
  await reporting(`${quoted(path)} could not be written`, async () => {
    const { target, existing } = await prepare(directory, path);
    if (inPlace && existing?.isFile()) {
      await overwrite(target, source, { mode, owner });
      return;
    }
    try {
      await replace(target, existing, async (temporary) => {
        // Readable by nobody else until it has its owner and mode.
        const handle = await open(temporary, 'wx', 0o600);
        try {
          await writeBytes(handle, source);
          const wanted = owner ?? (existing?.isFile() ? existing : await look(dirname(target)));
          // Owner first: changing it clears the set-id bits.
          if (wanted) await giveTo(wanted, await handle.stat(), (...ids) => handle.chown(...ids));
          await handle.chmod(mode);
          await handle.sync();
        } finally {
          await handle.close();
        }
      });
    } catch (error) {
      // Something was mounted there after the plan was made.
      if (!hasCode(error, 'EBUSY') || !existing?.isFile()) throw error;
      await overwrite(target, source, { mode, owner });
    }
  });
}

/** The link itself gets the owner, if one was recorded. */
export async function restoreSymlink(
  directory: string,
  path: string,
  linkTarget: string,
  owner?: Owner,
): Promise<void> {
  await reporting(`the symlink ${quoted(path)} could not be made`, async () => {
    const { target, existing } = await prepare(directory, path);
    await replace(target, existing, async (temporary) => {
      await symlink(linkTarget, temporary);
      const made = await look(temporary);
      if (owner && made) await giveTo(owner, made, (...ids) => lchown(temporary, ...ids));
    });
  });
}

/** An existing directory keeps what is inside it. A new one gets the recorded owner, else that of the directory above. */
export async function restoreDirectory(
  directory: string,
  path: string,
  mode: number,
  owner?: Owner,
): Promise<void> {
  await reporting(`the directory ${quoted(path)} could not be made`, async () => {
    const { target, existing } = await prepare(directory, path);
    if (existing && !existing.isDirectory()) await unlink(target);
    if (!existing?.isDirectory()) await mkdir(target);
    const handle = await open(target, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      const wanted = owner ?? (existing ? undefined : await look(dirname(target)));
      if (wanted) await giveTo(wanted, await handle.stat(), (...ids) => handle.chown(...ids));
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncDirectory(dirname(target));
  });
}

/** Takes a file, a symlink or an empty directory away; nothing to do when it is gone already. */
export async function removeEntry(directory: string, path: string): Promise<void> {
  await reporting(`${quoted(path)} could not be removed`, async () => {
    const target = await resolveSafely(directory, path);
    const existing = await look(target);
    if (!existing) return;
    refuseOther(existing, path);
    await (existing.isDirectory() ? rmdir(target) : unlink(target));
    await syncDirectory(dirname(target));
  });
}

/** What a killed process left of a file or symlink that it was making; the next try would use it up, but there may be none. */
export async function discardUnfinished(directory: string, path: string): Promise<void> {
  await reporting(`what was left beside ${quoted(path)} could not be removed`, async () => {
    await discard(temporaryOf(await resolveSafely(directory, path)));
  });
}

async function prepare(
  directory: string,
  path: string,
): Promise<{ target: string; existing: Stats | undefined }> {
  await mkdir(directory, { recursive: true });
  const target = await resolveSafely(directory, path);
  await makeParents(dirname(target));
  const existing = await look(target);
  if (existing) refuseOther(existing, path);
  return { target, existing };
}

/** New folders belong to whom the folder above them belongs. */
async function makeParents(folder: string): Promise<void> {
  if (await look(folder)) return;
  await makeParents(dirname(folder));
  await mkdir(folder);
  const [above, made] = [await look(dirname(folder)), await look(folder)];
  if (above && made) await giveTo(above, made, (...ids) => chown(folder, ...ids));
}

async function overwrite(
  target: string,
  source: OpenBytes,
  { mode, owner }: Omit<FileOptions, 'inPlace'>,
): Promise<void> {
  const handle = await open(target, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const size = await writeBytes(handle, source);
    await handle.truncate(size);
    if (owner) await giveTo(owner, await handle.stat(), (...ids) => handle.chown(...ids));
    // Refused for a file of another user, which may need no change.
    if (((await handle.stat()).mode & 0o7777) !== mode) await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Returns how many bytes were written. */
async function writeBytes(handle: FileHandle, source: OpenBytes): Promise<number> {
  let size = 0;
  for await (const chunk of await source()) {
    const bytes = Buffer.from(chunk);
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, size);
      at += bytesWritten;
      size += bytesWritten;
    }
  }
  return size;
}

/** Only root can give files away: another user's restored files become the user's own, with the group if it is one of the user's. */
async function giveTo(
  owner: Owner,
  now: Stats,
  change: (uid: number, gid: number) => Promise<void>,
): Promise<void> {
  if (owner.uid === now.uid && owner.gid === now.gid) return;
  try {
    await change(process.geteuid?.() === 0 ? owner.uid : now.uid, owner.gid);
  } catch (error) {
    if (!hasCode(error, 'EPERM') || process.geteuid?.() === 0) throw error;
  }
}

function refuseOther(existing: Stats, path: string): void {
  if (existing.isFile() || existing.isSymbolicLink() || existing.isDirectory()) return;
  throw new RollbackError('unsafe', `${quoted(path)} is ${describeKind(existing)} now: it is not touched`, {
    hint: 'move it away and try again',
  });
}

/** Made beside, then renamed over what was there. */
async function replace(
  target: string,
  existing: Stats | undefined,
  make: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryOf(target);
  await discard(temporary);
  try {
    await make(temporary);
    if (existing?.isDirectory()) await rmdir(target);
    await rename(temporary, target);
  } catch (error) {
    await discard(temporary);
    throw error;
  }
  await syncDirectory(dirname(target));
}

const temporaryOf = (target: string) => join(dirname(target), temporaryName(basename(target)));

async function discard(temporary: string): Promise<void> {
  if (await look(temporary)) await unlink(temporary);
}

async function syncDirectory(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function reporting(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RollbackError) throw error;
    throw new RollbackError('failed', `${what}: ${reasonOf(error)}`, {
      hint: 'see to the permissions and the space there, and try again',
      cause: error,
    });
  }
}

function reasonOf(error: unknown): string {
  if (hasCode(error, 'EACCES', 'EPERM')) return 'permission denied';
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return 'no space left';
  if (hasCode(error, 'EROFS')) return 'the file system is read-only';
  if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return 'a directory with files in it is in the way';
  if (hasCode(error, 'ENOTDIR')) return 'a file is in the way of its directory';
  return messageOf(error);
}
