import { createHash } from 'node:crypto';
import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix, relative, resolve } from 'node:path';
import type { Stats } from 'node:fs';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';

/** Paths that come from outside, and where they may lead. Everything that touches a stored path goes through here. */

const MAX_LINKS = 40; // as the kernel has it
const MAX_NAME_BYTES = 255;
// oxlint-disable-next-line no-control-regex -- control characters are what we look for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Is this what fs throws when nothing is there (or a parent is no directory)? */
export function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENOTDIR');
}

export function isDenied(error: unknown): boolean {
  return hasCode(error, 'EACCES', 'EPERM');
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}

/** `lstat`, with undefined for "not there". */
export async function look(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Lexically: `path` is `directory` or below it. Both absolute. */
export function isInside(directory: string, path: string): boolean {
  return relativeTo(directory, path) !== undefined;
}

/** `path` as seen from `directory`, with `/`; `.` for the directory itself; undefined when it lies outside. Lexical. */
export function relativeTo(directory: string, path: string): string | undefined {
  const seen = relative(directory, path);
  if (seen === '') return '.';
  return seen === '..' || seen.startsWith('../') || isAbsolute(seen) ? undefined : seen;
}

/** The real path of what exists of `path`, with the rest appended: where creating it would create it. */
export async function realpathOfExisting(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    return join(await realpathOfExisting(dirname(path)), basename(path));
  }
}

/** A path that a point may store: relative, normalised, going nowhere but down, printable. */
export function isSafePath(path: string): boolean {
  return (
    path !== '' &&
    path !== '.' &&
    !CONTROL.test(path) &&
    !posix.isAbsolute(path) &&
    posix.normalize(path) === path &&
    !path.endsWith('/') &&
    path.split('/').every((name) => name !== '..' && Buffer.byteLength(name) <= MAX_NAME_BYTES)
  );
}

/** A path as it may be shown: on one line, whatever it is called. */
export function printable(path: string): string {
  return CONTROL.test(path) ? quoted(path) : path;
}

/**
 * The absolute place of a stored path, when it is safe to write there: below the real `directory`, with no parent that is a symlink
 * out of it. Throws `unsafe` otherwise. The last component may be a symlink: it is the thing itself, never followed.
 */
export async function resolveSafely(directory: string, path: string): Promise<string> {
  if (!isSafePath(path)) throw unsafe(path, 'is no plain path inside the project');
  const root = await realpath(directory);
  const place = join(root, path);
  for (let parent = dirname(place); parent !== root && isInside(root, parent); parent = dirname(parent)) {
    const there = await look(parent);
    if (there === undefined) continue;
    if (there.isSymbolicLink() && !(await leadsInside(root, parent))) {
      throw unsafe(path, 'is reached through a symlink that leads out of the project');
    }
  }
  return place;
}

async function leadsInside(root: string, link: string): Promise<boolean> {
  try {
    return isInside(root, await realpath(link));
  } catch (error) {
    if (isMissing(error) || hasCode(error, 'ELOOP')) return false;
    throw error;
  }
}

function unsafe(path: string, why: string): RollbackError {
  return new RollbackError('unsafe', `${quoted(path)} ${why}: it is not touched`, {
    hint: 'if the project moved or a directory became a symlink on purpose, put it back as it was and try again',
  });
}

/** Where a path below a root leads when every symlink on the way is followed as long as it stays inside. */
export interface Trace {
  /** The symlinks passed, relative to the root, in order. */
  links: string[];
  /** The place they lead to, relative to the root, there or not; undefined when a symlink leads out or in circles. */
  end: string | undefined;
  /** Why there is no end. */
  problem: string | undefined;
}

export async function trace(root: string, path: string): Promise<Trace> {
  const links = new Set<string>();
  let hops = 0;
  let pending = path.split('/');
  let at = '.';
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    const next = posix.join(at, name);
    const there = await look(join(root, next));
    if (!there?.isSymbolicLink()) {
      at = next;
      continue;
    }
    links.add(next);
    hops += 1;
    if (hops > MAX_LINKS) return stopped('is a symlink that leads in circles');
    const target = resolve(join(root, at), await readlink(join(root, next)));
    const inside = await locateInside(root, target);
    if (inside === undefined) return stopped(`leads out of the project through a symlink, to ${target}`);
    pending = [...inside.split('/'), ...pending];
    at = '.';
  }
  return { links: [...links], end: at, problem: undefined };

  function stopped(problem: string): Trace {
    return { links: [...links], end: undefined, problem };
  }
}

/**
 * `absolute` as seen from `root` (a real path), whichever of several names of the same directory it was written with; undefined when
 * it lies outside. The last component is not followed.
 */
export async function locateInside(root: string, absolute: string): Promise<string | undefined> {
  const plain = relativeTo(root, absolute);
  if (plain !== undefined) return plain;
  return relativeTo(root, join(await realpathOfExisting(dirname(absolute)), basename(absolute)));
}

/**
 * What a file is called while it is written beside the place it is renamed to: the same for every try, so that what a killed one left is
 * used up by the next.
 */
export function temporaryName(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex');
  return `.compose-rollback-${digest.slice(0, 12)}.tmp`;
}

export function isTemporary(path: string): boolean {
  return /^\.compose-rollback-[0-9a-f]{12}\.tmp$/.test(basename(path));
}

/** Where the links of a path lead; the path itself where nothing is there, this user may not follow, or a mount is dead. */
export async function realOrSelf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isMissing(error) || isDenied(error)) return path;
    if (hasCode(error, 'ELOOP', 'EIO', 'ESTALE', 'ENOTCONN')) return path;
    throw error;
  }
}
