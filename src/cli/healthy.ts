import { LATEST_KINDS, RollbackError, type PointLine } from '../index.js';
import type { HealthyOptions } from './arguments.js';
import { pointLabel } from './points.js';
import { pick } from './prompt.js';
import type { Session } from './session.js';
import { printable } from './text.js';

/** Points that are not known to be failing, for the commands that roll back without being told a point. */

interface Candidate {
  point: PointLine;
  /** `latest~2`. */
  selector: string;
}

/** The newest point that no service was failing at. Throws `no-such-point`. */
export async function findHealthyPoint(session: Session): Promise<string> {
  const healthy = healthyOf(await latestPoints(session));
  if (healthy) return healthy.point.id;
  throw new RollbackError('no-such-point', 'there is no point at which every service was well', {
    hint: 'compose-rollback list shows the points and what was failing at each of them',
  });
}

/** Throws `usage` for flags that contradict each other. */
export function assertHealthyOptions({ healthy, withVolumes }: HealthyOptions): void {
  if (!withVolumes || healthy) return;
  throw new RollbackError('usage', '--with-volumes says something about --healthy only', {
    hint: 'volume data of a point is restored anyway, unless --no-volumes is given',
  });
}

/**
 * The newest point. When a service was failing at it, warns and names the newest point that is not known to be failing, and a person at a
 * terminal chooses between the two unless `unasked`. Throws `declined` when they choose neither.
 */
export async function chooseNewestPoint(session: Session, unasked: boolean): Promise<Choice> {
  const points = await latestPoints(session);
  const [newest] = points;
  if (!newest || newest.point.failing.length === 0) return { point: 'latest', isOlder: false };
  const healthy = healthyOf(points);
  const { output, environment } = session;
  const what = `${pointLabel(newest.point)} was made while ${newest.point.failing.join(', ')} was failing`;
  const instead = healthy
    ? `${healthy.selector} (${pointLabel(healthy.point)}) is the newest point not known to be failing; --healthy chooses it`
    : 'no earlier point is better';
  output.complain(printable(`! ${what}: ${instead}`));
  const canAsk = environment.stdin.isTTY && environment.stderr.isTTY;
  if (!healthy || unasked || !canAsk) return { point: newest.point.id, isOlder: false };
  const choices = [
    { ...newest, note: `the newest; failing: ${newest.point.failing.join(', ')}` },
    { ...healthy, note: 'not known to be failing; volume data stays as it is today' },
  ].map(({ point, note }) => ({
    name: printable(`${pointLabel(point)}: ${note}`),
    value: point.id,
    short: point.id,
  }));
  const chosen = await pick(session, 'Roll back to', choices);
  if (chosen === undefined) throw new RollbackError('declined', 'no point was chosen; nothing was touched');
  return { point: chosen, isOlder: chosen === healthy.point.id };
}

interface Choice {
  point: string;
  /** Whether an older point than the newest was chosen. */
  isOlder: boolean;
}

async function latestPoints(session: Session): Promise<Candidate[]> {
  const points = await session.manager().listPointLines({ kinds: LATEST_KINDS });
  return points.map((point, back) => ({ point, selector: back === 0 ? 'latest' : `latest~${back}` }));
}

const healthyOf = (points: Candidate[]): Candidate | undefined =>
  points.find(({ point }) => point.failing.length === 0);
