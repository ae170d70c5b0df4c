import type { OperationOf, PlanOptions, Remark } from '../model/plan.js';
import type { PointEntry } from '../model/point.js';
import type { ConfigEntry, Observation } from '../model/project.js';
import type { Target } from './target.js';

export type FileOperation =
  | OperationOf<'restore-file'>
  | OperationOf<'restore-link'>
  | OperationOf<'restore-directory'>
  | OperationOf<'remove-file'>;

export interface FileChanges {
  operations: FileOperation[];
  /** Paths outside the project that differ from the point and are not restored. */
  left: string[];
  blockers: Remark[];
  risks: Remark[];
}

/** What it takes to make the present configuration the recorded one. */
export function fileChanges(observation: Observation, target: Target, options: PlanOptions): FileChanges {
  const { point } = target;
  const { configuration } = observation;
  const inside = compare(point.entries, configuration.entries, false);
  const appeared = removals(point.entries, configuration.entries, point.directories);
  const outside = compare(point.outside, configuration.outside, true);
  const operations = [...inside.operations, ...appeared];
  if (options.outside) operations.push(...outside.operations);
  const left = options.outside ? [] : outside.operations.map(({ path }) => path);
  const risks: Remark[] = [];
  if (left.length > 0) {
    risks.push({
      code: 'outside-differs',
      message: `outside the project, and left alone: ${left.join(', ')}`,
      hint: 'add --outside to restore them too',
    });
  }
  return {
    operations: inOrder(operations),
    left,
    blockers: options.outside ? [...inside.blockers, ...outside.blockers] : inside.blockers,
    risks,
  };
}

/** Every recorded file and link again: a checkout in between may change them all. */
export function allFiles(target: Target): FileOperation[] {
  const cause = 'the checkout may change it';
  return target.point.entries.flatMap((entry): FileOperation[] => {
    if (entry.type === 'symlink') {
      return [{ kind: 'restore-link', path: entry.path, target: entry.target, outside: false, cause }];
    }
    if (entry.type !== 'file') return [];
    const { path, mode, size, sha256 } = entry;
    return [{ kind: 'restore-file', path, mode, size, sha256, in_place: false, outside: false, cause }];
  });
}

/** Directories first, outermost first; then files; removals last, innermost first. */
function inOrder(operations: FileOperation[]): FileOperation[] {
  const rank = { 'restore-directory': 0, 'restore-link': 1, 'restore-file': 1, 'remove-file': 2 };
  return operations.toSorted(
    (a, b) =>
      rank[a.kind] - rank[b.kind] ||
      (a.kind === 'remove-file' ? b.path.localeCompare(a.path) : a.path.localeCompare(b.path)),
  );
}

function compare(recorded: PointEntry[], present: ConfigEntry[], outside: boolean) {
  const now = new Map(present.map((entry) => [entry.path, entry]));
  const operations: FileOperation[] = [];
  const blockers: Remark[] = [];
  for (const entry of recorded) {
    const current = now.get(entry.path) ?? { path: entry.path, type: 'absent' };
    if (inTheWay(entry, current)) {
      blockers.push({
        code: 'in-the-way',
        message: `${entry.path} is ${whatIs(current)} now, where the point has ${whatIs(entry)}`,
        hint: 'move it away, then try again',
      });
      continue;
    }
    const operation = difference(entry, current, outside);
    if (operation) operations.push(operation);
  }
  return { operations, blockers };
}

/** We replace files and links; what else stands at a path is not ours to destroy. */
function inTheWay(entry: PointEntry, current: ConfigEntry): boolean {
  if (current.type === 'other') return true;
  if (current.type === 'directory') return entry.type !== 'directory';
  return entry.type === 'directory' && current.type !== 'absent';
}

function difference(entry: PointEntry, current: ConfigEntry, outside: boolean): FileOperation | undefined {
  const { path } = entry;
  const gone = current.type === 'absent';
  switch (entry.type) {
    case 'absent':
      return gone
        ? undefined
        : { kind: 'remove-file', path, outside, cause: 'it was not there at the point' };
    case 'directory':
      if (current.type === 'directory' && current.mode === entry.mode) return undefined;
      return {
        kind: 'restore-directory',
        path,
        mode: entry.mode,
        outside,
        cause: current.type === 'directory' ? modes(current.mode, entry.mode) : 'it is gone',
      };
    case 'symlink':
      if (current.type === 'symlink' && current.target === entry.target) return undefined;
      return {
        kind: 'restore-link',
        path,
        target: entry.target,
        outside,
        cause: gone ? 'it is gone' : 'it points elsewhere',
      };
    case 'file': {
      const cause = fileDifference(entry, current);
      if (!cause) return undefined;
      const { mode, size, sha256 } = entry;
      return { kind: 'restore-file', path, mode, size, sha256, in_place: false, outside, cause };
    }
  }
}

function fileDifference(
  entry: Extract<PointEntry, { type: 'file' }>,
  current: ConfigEntry,
): string | undefined {
  if (current.type === 'absent') return 'it is gone';
  if (current.type !== 'file') return 'it is a link now';
  if (current.sha256 !== entry.sha256) return 'its content changed';
  return current.mode === entry.mode ? undefined : modes(current.mode, entry.mode);
}

const modes = (now: number, then: number) => `its mode is ${now.toString(8)}, it was ${then.toString(8)}`;

/** What appeared since inside directories that were recorded as a whole. */
function removals(recorded: PointEntry[], present: ConfigEntry[], directories: string[]): FileOperation[] {
  const known = new Set(recorded.map((entry) => entry.path));
  return present
    .filter((entry) => entry.type !== 'absent' && entry.type !== 'other' && !known.has(entry.path))
    .filter((entry) => directories.some((directory) => isInside(entry.path, directory)))
    .map((entry) => ({
      kind: 'remove-file',
      path: entry.path,
      outside: false,
      cause: 'it was not there at the point',
    }));
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
