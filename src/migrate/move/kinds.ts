import type { RunKind } from '../../runs/kinds.js';
import type { MoveOutcome } from './move.js';
import { MOVE_KINDS } from './names.js';
import { moveWords } from './words.js';

/** Runs that take a project from one engine to another. Undo goes back to what ran at the source. */
export const moveKinds: RunKind<MoveOutcome>[] = MOVE_KINDS.map((name) => ({
  name,
  undoPoint: 'target',
  relocation: async (store, run) => (await import('./last.js')).relocationOf(store, run),
  words: moveWords,
  load: () => import('./work.js'),
}));
