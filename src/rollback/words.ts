import type { Plan } from '../model/plan.js';
import { equalPart, notCoveredLines } from '../plan/coverage.js';
import { renderPlan } from '../plan/render.js';
import { renderProof } from '../plan/render-proof.js';
import { plural, utc } from '../plan/text.js';
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
  result: ({ kind, plan, result, run, proof }, what) => {
    const left = notCoveredLines(plan.not_covered).map((line) => `Not covered, left as it is: ${line}`);
    if (result === 'nothing-to-do') {
      const equal = plan.equal === undefined ? '' : `, ${plural(plan.equal, 'fact')} equal`;
      return {
        title: `Nothing to do: ${equalPart(plan)} as it was at ${labelOf(plan.target)}${equal}`,
        next: left,
      };
    }
    return {
      title: `${RESULTS[kind]} ${labelOf(plan.target)}`,
      next: [
        ...(proof ? renderProof(proof) : []),
        ...plan.risks.flatMap(({ code, message }) => (code === 'files-differ' ? [message] : [])),
        ...left,
        ...(run === null ? [] : [`To take this ${what} back: compose-rollback undo ${run}`]),
      ],
    };
  },
  document: ({ plan, result, run, safety, warnings, proof }) => {
    const { project, target, not_covered } = plan;
    return { type: 'result', result, project, target, not_covered, run, safety, warnings, proof };
  },
};

/** `rb-a1b2c3d4e5f6 (Before v2.0 deployment)`. */
const labelOf = ({ id, description }: Plan['target']): string =>
  description === '' ? id : `${id} (${description})`;
