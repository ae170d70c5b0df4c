import type { MoveOperation, MovePlan } from '../model/move.js';
import { ENGINE_NAMES } from '../model/names.js';
import { renderRemarks } from './render.js';
import { shortId } from './target.js';
import { plural } from './text.js';

/** The plan of a move as a person reads it; ends without a newline. */
export function renderMove(plan: MovePlan): string {
  const [from, to] = [plan.source, plan.target].map(sideOf);
  const lines = [`Move of ${plan.project}: from ${from} to ${to}`];
  if (plan.blockers.length === 0) {
    lines.push('  1. Record both sides: so that this can be taken back');
    for (const [index, operation] of plan.operations.entries())
      lines.push(`  ${index + 2}. ${describeMove(operation)}: ${operation.cause}`);
    lines.push('  What is at the source stays there, stopped, until compose-rollback migrate finalize');
  }
  lines.push(...renderRemarks('Risks', plan.risks), ...renderRemarks('Blocked', plan.blockers));
  return lines.join('\n');
}

const sideOf = ({ kind, version, rootless, provider }: MovePlan['source']): string =>
  `${ENGINE_NAMES[kind]} ${version}${rootless ? ', rootless,' : ''} with ${provider}`;

function describeMove(operation: MoveOperation): string {
  switch (operation.kind) {
    case 'carry-image':
      return `Carry image ${shortId(operation.image)} over as ${operation.ref}`;
    case 'carry-volume':
      return `Copy the data of ${operation.volume}`;
    case 'hold-source':
      return `Set the restart policy of ${plural(operation.containers.length, 'container')} to no`;
    case 'stop-source':
      return `Stop ${operation.services.join(', ')} at the source`;
    case 'sync-volume':
      return `Copy and compare the data of ${operation.volume}`;
    case 'release-target':
      return `Give ${plural(operation.containers.length, 'container')} the restart policy back`;
    case 'start-target':
      return `Start and verify ${operation.services.join(', ')} at the target`;
    case 'keep-replaced':
      return `Archive the data of ${operation.volume} that was at the target`;
    case 'discard-parked':
      return `Remove the directory that ${operation.volume} was exchanged against`;
    case 'unswap-volume':
      return `Give ${operation.volume} its own data back`;
    case 'start-source':
      return `Start ${operation.services.join(', ')} at the source`;
    case 'return-target':
      return 'Bring the target back to its safety point';
    case 'hold-target':
      return `Set the restart policy of ${plural(operation.containers.length, 'container')} at the target to no`;
    case 'remove-volume':
      return `Remove volume ${operation.volume} from the target`;
  }
}
