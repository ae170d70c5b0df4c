import { describe, expect, it } from 'vitest';
import type { GitState } from '../../src/model/project.js';
import { aPoint } from '../support/mirror.js';
import { aPresent, planned, PROJECT, type Stack } from '../support/planning.js';

const [ONE, OTHER] = ['1'.repeat(40), '2'.repeat(40)];
const STACK: Stack = {
  services: { api: {} },
  files: { 'compose.yaml': 'services: …' },
  git: { commit: ONE },
};

function plannedFor(submodules: GitState['submodules'], then: Record<string, string> = {}, git = true) {
  const state: GitState = { commit: ONE, branch: undefined, dirty: false, root: PROJECT };
  const present = { ...aPresent(STACK), git: submodules ? { ...state, submodules } : state };
  const target = aPoint(STACK);
  target.point.metadata.git_submodules = then;
  return planned(present, target, { options: { git } });
}

describe('a submodule under --git', () => {
  it('that moved while the project stayed at its commit goes back', () => {
    expect(plannedFor({ moved: { lib: OTHER }, changed: [] }).operations[0]).toEqual({
      kind: 'checkout',
      commit: ONE,
      branch: null,
      submodules: { lib: null },
      cause: 'lib moved',
    });
  });

  it('goes to the commit that it was at', () => {
    expect(plannedFor(undefined, { lib: OTHER }).operations[0]).toMatchObject({ submodules: { lib: OTHER } });
  });

  it('that is where it was needs nothing', () => {
    expect(plannedFor({ moved: { lib: OTHER }, changed: ['lib'] }, { lib: OTHER })).toMatchObject({
      operations: [],
      blockers: [],
    });
  });

  it('with changes blocks, and moves nothing', () => {
    const changed = { moved: { lib: OTHER }, changed: ['lib'] };
    expect(plannedFor(changed).blockers).toEqual([
      {
        code: 'submodule-changed',
        message: 'submodule lib has changes that are not committed, and would have to move',
        hint: 'commit or stash them there, or leave --git away',
      },
    ]);
    expect(plannedFor(changed, {}, false)).toMatchObject({ operations: [], blockers: [] });
  });
});
