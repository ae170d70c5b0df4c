import { ENGINE_NAMES } from '../../model/names.js';
import { renderMove } from '../../plan/render-move.js';
import { renderProof } from '../../plan/render-proof.js';
import type { RunWords } from '../../runs/kinds.js';
import type { MoveOutcome } from './move.js';
import { OPPOSITE } from './names.js';

export const moveWords: RunWords<MoveOutcome> = {
  renderPlan: renderMove,
  warning: () => undefined,
  result: ({ plan, run, proof }) => {
    const [here, there] = [ENGINE_NAMES[plan.source.kind], ENGINE_NAMES[plan.target.kind]];
    const data = plan.volumes.length > 0 ? ', with the data' : '';
    const held = plan.policies.length > 0 ? ', without restart policies' : '';
    return {
      title: `${plan.project} runs on ${there}`,
      next: [
        ...(proof ? renderProof(proof) : []),
        `On ${here} its containers are stopped${held}, and its data is as it was`,
        ...(plan.goal === null
          ? [`To move back${data}: compose-rollback migrate ${OPPOSITE[plan.kind]}`]
          : []),
        `To take this back, with ${here} as it is now: compose-rollback undo ${run}`,
      ],
    };
  },
  document: ({ plan, result, run, point, warnings, quadlet, proof }) => {
    const { project, source, target } = plan;
    return { type: 'move-result', result, project, source, target, run, point, warnings, proof, quadlet };
  },
};
