import type { Plan } from '../model/plan.js';
import { renderPlan } from '../plan/render.js';
import { utc } from '../plan/text.js';
import type { RunWords } from '../runs/kinds.js';
import type { RollbackOutcome } from './rollback.js';

const EFFECTS: Record<Plan['kind'], string> = {
  rollback: 'rollback the system to a previous state',
  service: 'rollback one service to another image',
  undo: 'take a rollback back',
  return: 'bring the earlier state back',
};

const RESULTS: Record<RollbackOutcome['kind'], string> = {
  rollback: 'Rolled back to',
  service: 'Rolled back to',
  undo: 'Back at',
};

export const rollbackWords: RunWords<RollbackOutcome> = {
  renderPlan,
  warning: ({ kind, target }) => ({
    title: `This will ${EFFECTS[kind]}`,
    lines: [`Rollback point: ${target.description || target.id}`, `Created: ${utc(target.timestamp)}`],
  }),
  result: ({ kind, plan, result, run }, what) => {
    if (result === 'nothing-to-do') {
      const all = plan.risks.length === 0 ? 'everything is' : 'what can be brought back is';
      return { title: `Nothing to do: ${all} as it was at ${labelOf(plan.target)}`, next: [] };
    }
    return {
      title: `${RESULTS[kind]} ${labelOf(plan.target)}`,
      next: run === null ? [] : [`To take this ${what} back: compose-rollback undo ${run}`],
    };
  },
  document: ({ plan, result, run, safety, warnings }) => {
    const { project, target } = plan;
    return { type: 'result', result, project, target, run, safety, warnings };
  },
};

/** `rb-a1b2c3d4e5f6 (Before v2.0 deployment)`. */
const labelOf = ({ id, description }: Plan['target']): string =>
  description === '' ? id : `${id} (${description})`;
