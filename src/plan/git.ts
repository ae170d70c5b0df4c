import type { Operation, Remark } from '../model/plan.js';
import type { GitState, Observation } from '../model/project.js';
import type { Target } from './target.js';

/** Plans `--git`: it checks out the commit of the point, and the submodules of the project's repository. Pure. */

/** Where submodules have to go that are not where they were, by path; null for the commit that the project's commit names. */
function movedSubmodules(
  now: GitState | undefined,
  then: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const moved = now?.submodules?.moved ?? {};
  const paths = [...new Set([...Object.keys(moved), ...Object.keys(then)])].toSorted();
  return Object.fromEntries(
    paths.filter((path) => moved[path] !== then[path]).map((path) => [path, then[path] ?? null]),
  );
}

/** Changes in a submodule are not stashed: where it would have to move, they are in the way. */
export function submoduleBlockers(now: GitState | undefined, { point }: Target): Remark[] {
  const { git_commit: commit, git_submodules: then = {} } = point.metadata;
  if (!commit || !now) return [];
  const moving = movedSubmodules(now, then);
  const inTheWay = (now.submodules?.changed ?? []).filter(
    (path) => now.commit !== commit || Object.hasOwn(moving, path),
  );
  return inTheWay.map((path) => ({
    code: 'submodule-changed',
    message: `submodule ${path} has changes that are not committed, and would have to move`,
    hint: 'commit or stash them there, or leave --git away',
  }));
}

/** The commit of the point, and submodules that moved. */
export function checkout({ git: now }: Observation, { point }: Target): Operation[] {
  const { git_commit: commit, git_branch: branch, git_submodules: then = {} } = point.metadata;
  // changes that were there at the point are part of it: stashing them would take them away
  const changed = now?.dirty && !point.metadata.git_dirty;
  const submodules = movedSubmodules(now, then);
  const moved = Object.keys(submodules);
  if (!commit || !now || (now.commit === commit && !changed && moved.length === 0)) return [];
  const other = changed ? 'it has changes' : `${moved.join(', ')} moved`;
  return [
    {
      kind: 'checkout',
      commit,
      branch,
      ...(moved.length > 0 ? { submodules } : {}),
      cause: now.commit === commit ? other : `it is at ${now.commit.slice(0, 8)}`,
    },
  ];
}
