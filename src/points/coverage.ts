import { RollbackError } from '../model/errors.js';
import type { Point } from '../model/point.js';
import type { Observation } from '../model/project.js';
import { notCoveredBy } from '../plan/coverage.js';
import { plural } from '../plan/text.js';
import { dataSources } from '../project/data.js';
import type { Workspace } from '../session/workspace.js';

/** What a point that records no data leaves out: the data itself, and mounts that would not count as data either. */
export async function dataLeftOut(
  { store, config }: Workspace,
  observation: Observation,
  services: string[] | undefined,
): Promise<Pick<Point, 'without_data' | 'skipped'>> {
  const { sources, skipped } = await dataSources(observation, {
    services,
    backupDir: store.path,
    listed: config.data_directories,
  });
  return { without_data: sources, skipped };
}

/** Throws `blocked` when the point leaves anything out. */
export function assertCovered(point: Point): void {
  const left = notCoveredBy(point);
  if (left.length === 0) return;
  throw new RollbackError(
    'blocked',
    `the point would not cover ${plural(left.length, 'thing')}; nothing was recorded`,
    {
      details: left.map(({ what, reason }) => `${what}: ${reason}`),
      hint: 'record data with --include-volumes, list files under config_files in rollback.yaml, or leave --strict out',
    },
  );
}
