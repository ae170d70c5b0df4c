import type { OperationOf, PlanOptions, Remark } from '../model/plan.js';
import type { PointEntry } from '../model/point.js';
import type { ConfigEntry, FileAccess, Observation, Owner } from '../model/project.js';
import { accessBlockers, mayOwn, ownerRemarks } from './file-access.js';
import type { Target } from './target.js';

export type FileOperation =
  | OperationOf<'restore-file'>
  | OperationOf<'restore-link'>
  | OperationOf<'restore-directory'>
  | OperationOf<'remove-file'>;

/** Cause of an operation on what is not there any more. */
export const GONE = 'it is gone';

export interface FileChanges {
  operations: FileOperation[];
  /** Paths outside the project that differ from the point and are not restored. */
  left: string[];
  /** Files whose content differs and stays, because their services write them all the time. */
  unsteady: string[];
  blockers: Remark[];
  risks: Remark[];
}

/** What it takes to make the present configuration the recorded one. */
export function fileChanges(observation: Observation, target: Target, options: PlanOptions): FileChanges {
  const { point } = target;
  const { configuration } = observation;
  const { access } = configuration;
  const inside = new Comparison(point.entries, configuration.entries, point.directories, access);
  const outside = new Comparison(point.outside, configuration.outside, [], access);
  const compared = options.outside ? [inside, outside] : [inside];
  const operations = compared.flatMap((one) => one.operations);
  const left = options.outside ? [] : outside.operations.map(({ path }) => path);
  const risks = compared.flatMap((one) => one.risks);
  const owners = ownerRemarks(observation, target, operations);
  if (left.length > 0) {
    risks.push({
      code: 'outside-differs',
      message: `outside the project, and left alone: ${left.join(', ')}`,
      hint: 'add --outside to restore them too',
    });
  }
  // A way back cannot give files back to others than its run could take them from.
  const isReturn = options.kind === 'return';
  return {
    operations: inOrder(operations),
    left,
    unsteady: inside.unsteady,
    blockers: [
      ...compared.flatMap((one) => one.blockers),
      ...accessBlockers(configuration, operations),
      ...(isReturn ? [] : owners.blockers),
    ],
    risks: [...risks, ...owners.risks],
  };
}

/** Every recorded file and link again: a checkout in between may change them all. */
export function allFiles(target: Target): FileOperation[] {
  return target.point.entries.flatMap((entry): FileOperation[] =>
    entry.type === 'symlink' || entry.type === 'file'
      ? [operationFor(entry, { outside: false, cause: 'the checkout may change it' })]
      : [],
  );
}

/**
 * Directories first, outermost first; then files; removals last, innermost first. Only what is in a directory that a file or link replaces
 * goes before that.
 */
function inOrder(operations: FileOperation[]): FileOperation[] {
  const rank = { 'restore-directory': 0, 'restore-link': 1, 'restore-file': 1, 'remove-file': 2 };
  const replaced = operations.filter(({ kind }) => rank[kind] === 1).map(({ path }) => path);
  const rankOf = ({ kind, path }: FileOperation) =>
    kind === 'remove-file' && replaced.some((other) => isInside(path, other)) ? -1 : rank[kind];
  return operations.toSorted(
    (a, b) =>
      rankOf(a) - rankOf(b) ||
      (a.kind === 'remove-file' ? b.path.localeCompare(a.path) : a.path.localeCompare(b.path)),
  );
}

/** A recorded side and the present, path by path. */
class Comparison {
  readonly operations: FileOperation[] = [];
  readonly unsteady: string[] = [];
  readonly blockers: Remark[] = [];
  readonly risks: Remark[] = [];
  readonly #then: Map<string, PointEntry>;
  readonly #now: Map<string, ConfigEntry>;
  readonly #children = new Map<string, string[]>();
  readonly #directories: string[];
  readonly #access: FileAccess;

  constructor(recorded: PointEntry[], present: ConfigEntry[], directories: string[], access: FileAccess) {
    this.#then = new Map(recorded.map((entry) => [entry.path, entry]));
    this.#now = new Map(present.map((entry) => [entry.path, entry]));
    this.#directories = directories;
    this.#access = access;
    for (const { path } of present) {
      const folder = path.slice(0, path.lastIndexOf('/'));
      this.#children.set(folder, [...(this.#children.get(folder) ?? []), path]);
    }
    for (const entry of recorded) this.#compare(entry);
    for (const entry of present) if (this.#hasAppeared(entry)) this.#remove(entry);
  }

  #compare(entry: PointEntry): void {
    const { path } = entry;
    if (this.#isBelow(path, 'symlink')) {
      // It was read through the link; what is there now is in a directory that the link replaces.
      if (this.#goes(path)) this.#remove(this.#current(path));
      return;
    }
    const current = this.#current(path);
    if (this.#isInTheWay(entry, current)) {
      if (entry.type === 'absent' && this.#holdsRecorded(path)) this.#leave(path);
      else this.#block(entry, current);
      return;
    }
    const cause = this.#difference(entry, current);
    if (cause === undefined) return;
    const isMount = this.#access.mountPoints.includes(path);
    this.operations.push(operationFor(entry, { outside: path.startsWith('/'), cause, inPlace: isMount }));
  }

  /** Below a link or file that becomes a directory nothing is there yet. */
  #current(path: string): ConfigEntry {
    const isReplaced = ancestors(path).some(
      (folder) =>
        this.#then.get(folder)?.type === 'directory' &&
        ['symlink', 'file'].includes(this.#now.get(folder)?.type ?? ''),
    );
    return (isReplaced ? undefined : this.#now.get(path)) ?? { path, type: 'absent' };
  }

  /** We replace files, links and directories without anything of others; what else stands at a path is not ours to destroy. */
  #isInTheWay(entry: PointEntry, current: ConfigEntry): boolean {
    if (current.type === 'directory') return entry.type !== 'directory' && !this.#isEmptied(entry.path);
    return current.type === 'other';
  }

  /** Is everything in this directory removed by the same plan? An engine makes an empty one in the place of a file that it misses. */
  #isEmptied(path: string): boolean {
    const current = this.#now.get(path);
    if (current?.type !== 'directory' || current.others) return false;
    return (this.#children.get(path) ?? []).every((child) => this.#goes(child));
  }

  #goes(path: string): boolean {
    const current = this.#current(path);
    if (current.type === 'absent') return true;
    const entry = this.#then.get(path);
    const isUnwanted = entry
      ? entry.type === 'absent' || this.#isBelow(path, 'symlink')
      : this.#hasAppeared(current);
    return isUnwanted && current.type !== 'other' && (current.type !== 'directory' || this.#isEmptied(path));
  }

  /** Did it appear inside a directory that was recorded as a whole? */
  #hasAppeared({ path, type }: ConfigEntry): boolean {
    if (type === 'absent' || type === 'other' || this.#then.has(path)) return false;
    return this.#directories.some((directory) => isInside(path, directory));
  }

  #remove({ path, type }: ConfigEntry): void {
    if (type === 'absent') return;
    if (type === 'directory' && !this.#isEmptied(path)) this.#leave(path);
    else {
      const cause = 'it was not there at the point';
      this.operations.push({ kind: 'remove-file', path, outside: path.startsWith('/'), cause });
    }
  }

  #isBelow(path: string, type: PointEntry['type']): boolean {
    return ancestors(path).some((folder) => this.#then.get(folder)?.type === type);
  }

  #holdsRecorded(path: string): boolean {
    return [...this.#then.keys()].some((other) => isInside(other, path));
  }

  #leave(path: string): void {
    this.risks.push({
      code: 'directory-stays',
      message: `${path} was not there at the point; it holds other things, and stays`,
      hint: null,
    });
  }

  #block(entry: PointEntry, current: ConfigEntry): void {
    this.blockers.push({
      code: 'in-the-way',
      message: `${entry.path} is ${whatIs(current)} now, where the point has ${whatIs(entry)}`,
      hint: 'move it away, then try again',
    });
  }

  /** Why the present is not what was recorded; undefined when it is, or differs only in what this user cannot change. */
  #difference(entry: PointEntry, current: ConfigEntry): string | undefined {
    if (current.type === 'absent') return entry.type === 'absent' ? undefined : GONE;
    switch (entry.type) {
      case 'absent':
        return 'it was not there at the point';
      case 'directory':
        if (current.type !== 'directory') return `it is ${whatIs(current)} now`;
        return modes(current.mode, entry.mode) ?? this.#owners(current.owner, entry.owner);
      case 'symlink':
        if (current.type !== 'symlink' || current.target !== entry.target) return 'it points elsewhere';
        return this.#owners(current.owner, entry.owner);
      case 'file':
        if (current.type === 'directory') return 'it is an empty directory now';
        if (current.type !== 'file') return 'it is a link now';
        if (current.sha256 !== entry.sha256) {
          if (!entry.unsteady) return 'its content changed';
          this.unsteady.push(entry.path);
        }
        return modes(current.mode, entry.mode) ?? this.#owners(current.owner, entry.owner);
    }
  }

  #owners(now: Owner | undefined, then: Owner | undefined): string | undefined {
    if (!now || !then || !mayOwn(this.#access, then)) return undefined;
    return now.uid === then.uid && now.gid === then.gid
      ? undefined
      : `its owner is ${now.uid}:${now.gid}, it was ${then.uid}:${then.gid}`;
  }
}

function operationFor(
  entry: PointEntry,
  { outside, cause, inPlace = false }: { outside: boolean; cause: string; inPlace?: boolean },
): FileOperation {
  const { path } = entry;
  switch (entry.type) {
    case 'absent':
      return { kind: 'remove-file', path, outside, cause };
    case 'directory':
      return { kind: 'restore-directory', path, mode: entry.mode, owner: entry.owner, outside, cause };
    case 'symlink':
      return { kind: 'restore-link', path, target: entry.target, owner: entry.owner, outside, cause };
    case 'file': {
      const { mode, owner, size, sha256 } = entry;
      return { kind: 'restore-file', path, mode, owner, size, sha256, in_place: inPlace, outside, cause };
    }
  }
}

function modes(now: number, then: number): string | undefined {
  return now === then ? undefined : `its mode is ${now.toString(8)}, it was ${then.toString(8)}`;
}

/** The directories above a path, nearest first. */
function ancestors(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, names.length - index).join('/'));
}

/** Is this path below that directory? Both relative with `/`; `.` is everything. */
export function isInside(path: string, directory: string): boolean {
  return directory === '.' ? path !== '.' : path.startsWith(`${directory}/`);
}

function whatIs(entry: ConfigEntry): string {
  switch (entry.type) {
    case 'other':
      return entry.what;
    case 'absent':
      return 'nothing';
    case 'file':
      return 'a file';
    case 'symlink':
      return 'a link';
    case 'directory':
      return 'a directory';
  }
}
