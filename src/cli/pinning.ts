import { pointLabel } from './points.js';
import type { Session } from './session.js';

/** What pin and unpin have in common. */
export async function setPinned(session: Session, selector: string, pinned: boolean): Promise<void> {
  const { output } = session;
  const point = await session.manager().setPinned(selector, pinned);
  output.document(point);
  if (!output.options.quiet) output.print(`${pinned ? 'Pinned' : 'Unpinned'} ${pointLabel(point)}`);
}
