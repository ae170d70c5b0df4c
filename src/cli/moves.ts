import { ENGINE_NAMES, type MoveOutcome, type Moved, type Verdict } from '../index.js';
import { tellUnits } from './migrate/quadlet.js';
import type { Session } from './session.js';
import { printable } from './text.js';

/** How a move ended, for a person or a program. */

export function tellMove(
  session: Session,
  outcome: MoveOutcome | Moved,
  verdicts: ReadonlyMap<string, Verdict>,
): void {
  const { output } = session;
  const { plan, result, run, point, warnings } = outcome;
  const quadlet = 'quadlet' in outcome ? outcome.quadlet : null;
  if (output.options.json) {
    const { project, source, target } = plan;
    const document = { type: 'move-result', result, project, source, target, run, point, warnings, quadlet };
    output.record({ ...document, verdicts: Object.fromEntries(verdicts) });
  }
  if (output.options.quiet) return;
  const [here, there] = [ENGINE_NAMES[plan.source.kind], ENGINE_NAMES[plan.target.kind]];
  const way = plan.target.kind === 'podman' ? 'to-docker' : 'to-podman';
  const data = plan.volumes.length > 0 ? ', with the data' : '';
  const back = plan.goal === null ? `To move back${data}: compose-rollback migrate ${way}` : null;
  const held = plan.policies.length > 0 ? ', without restart policies' : '';
  output.print(
    `${output.style('green', '✓')} ${printable(plan.project)} runs on ${there}`,
    ...healthLines(session, verdicts),
    `On ${here} its containers are stopped${held}, and its data is as it was`,
    ...(back === null ? [] : [back]),
    `To take this back, with ${here} as it is now: compose-rollback undo ${run}`,
  );
  if (quadlet) tellUnits(session, quadlet);
}

export function healthLines({ output }: Session, verdicts: ReadonlyMap<string, Verdict>): string[] {
  if (verdicts.size === 0) return [];
  const unsure = [...verdicts].filter(([, { status }]) => status !== 'pass');
  if (unsure.length === 0) return [`${output.style('green', '✓')} All services healthy`];
  // Why was told on the way.
  return [
    `${output.style('yellow', '!')} Not known to be healthy: ${unsure.map(([service]) => printable(service)).join(', ')}`,
  ];
}
