import { plural, type ConfirmDeletion, type PointSummary } from '../index.js';
import { goingLine } from './points.js';
import { assertCanAsk, askYesNo } from './prompt.js';
import type { Session } from './session.js';

/** What delete and cleanup have in common: show what would go, ask, tell what went. */

export function assertDeletable(session: Session, what: string): void {
  if (!session.globals.yes) assertCanAsk(session, what, 'add --yes to go ahead without asking');
}

/** Undefined when nobody has to be asked. */
export function confirmDeletion(session: Session): ConfirmDeletion | undefined {
  if (session.globals.yes) return undefined;
  return async (points) => {
    session.output.complain('These points go, with all they hold:', ...goingLines(points), '');
    return askYesNo(session, `Delete ${plural(points.length, 'rollback point')}?`);
  };
}

export function reportDeletion(session: Session, points: PointSummary[], { dryRun = false } = {}): void {
  const { output } = session;
  output.document({ dry_run: dryRun, points });
  if (output.options.quiet) output.print(...points.map(({ id }) => id));
  else if (points.length === 0) output.print('Nothing to delete');
  else {
    const verb = dryRun ? 'Would delete' : 'Deleted';
    output.print(`${verb} ${plural(points.length, 'rollback point')}:`, ...goingLines(points));
  }
}

function goingLines(points: PointSummary[]): string[] {
  const now = new Date().toISOString();
  return points.map((point) => goingLine(point, now));
}
