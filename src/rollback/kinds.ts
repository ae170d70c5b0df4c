import type { RunKind } from '../runs/kinds.js';
import { ROLLBACK_KINDS } from './names.js';
import { rollbackWords } from './words.js';
import type { RollbackOutcome } from './rollback.js';

/** Runs that lead to a point on one engine. */
export const rollbackKinds: RunKind<RollbackOutcome>[] = ROLLBACK_KINDS.map((name) => ({
  name,
  undoPoint: 'safety',
  words: rollbackWords,
  load: () => import('./work.js'),
}));
