import type { Findings, Operation, PlanOptions, Remark, VolumeFinding } from '../model/plan.js';
import type { VolumeData } from '../model/point.js';
import { bytes } from './text.js';
import type { Target } from './target.js';

/** What happens to the data of one volume. */
export interface VolumeDecision {
  volume: string;
  finding: VolumeFinding;
  /** `restore` from the point, `return` what the run put aside, `keep` only what it put aside: the rest was done. */
  action: 'restore' | 'return' | 'keep';
  recorded: VolumeData | undefined;
  cause: string;
}

const nothingKnown: VolumeFinding = {
  driver: null,
  problem: 'nobody looked at it',
  users: [],
  aside: false,
  restored: false,
  missingBytes: 0,
};

/**
 * Decides volume by volume. What the point has comes back even when the files look untouched: a service that runs may hold newer data in its
 * memory.
 */
export function decideVolumes(
  { point }: Target,
  findings: Findings,
  { volumes, configOnly, services }: PlanOptions,
): VolumeDecision[] {
  if (!volumes || configOnly) return [];
  const wanted = (users: string[]) => services === undefined || users.some((user) => services.includes(user));
  const finding = (name: string) => findings.volumes[name] ?? nothingKnown;
  const restored = point.volume_data.flatMap((recorded): VolumeDecision[] => {
    const volume = recorded.name;
    const found = finding(volume);
    if (!wanted(recorded.services)) return [];
    if (found.restored) {
      const cause = 'so that this can be undone';
      return found.aside ? [{ volume, finding: found, action: 'keep', recorded, cause }] : [];
    }
    const cause = `its data is ${point.kind === 'safety' ? 'kept in' : 'in'} the point`;
    return [{ volume, finding: found, action: 'restore', recorded, cause }];
  });
  const stored = new Set(point.volume_data.map(({ name }) => name));
  const returned = point.replaced.flatMap(({ name: volume }): VolumeDecision[] => {
    const found = finding(volume);
    if (stored.has(volume) || !found.aside) return [];
    const cause = 'its data was put aside by the run';
    return [{ volume, finding: found, action: 'return', recorded: undefined, cause }];
  });
  return [...restored, ...returned].toSorted((a, b) => (a.volume < b.volume ? -1 : 1));
}

const replacing = ({ action }: VolumeDecision) => action !== 'keep';

/** Volumes by the services of this project that have to be down while their data is exchanged. */
export function volumesUnder(decisions: VolumeDecision[], project: string): Map<string, string[]> {
  const under = new Map<string, string[]>();
  for (const { volume, finding } of decisions.filter(replacing)) {
    for (const user of finding.users) {
      if (user.project !== project || user.service === undefined) continue;
      under.set(user.service, [...new Set([...(under.get(user.service) ?? []), volume])]);
    }
  }
  return under;
}

/** While services run: the slow part. */
export function staging(decisions: VolumeDecision[]): Operation[] {
  return decisions.flatMap(({ volume, action, recorded, finding, cause }): Operation[] =>
    action === 'restore' && finding.driver === 'host' && recorded
      ? [{ kind: 'stage-volume', volume, bytes: recorded.bytes, cause }]
      : [],
  );
}

/** While everything that mounts them is down. On the way back nothing is archived: what a failed run left is the point's own data. */
export function exchange(decisions: VolumeDecision[], returning: boolean): Operation[] {
  return decisions.filter(replacing).flatMap(({ volume, action, finding, cause }): Operation[] => {
    const driver = finding.driver ?? 'api';
    const from = action === 'return' ? 'aside' : 'point';
    const archived: Operation[] =
      driver === 'api' && !returning
        ? [{ kind: 'archive-volume', volume, cause: 'so that this can be undone' }]
        : [];
    return [...archived, { kind: 'restore-volume', volume, driver, from, cause }];
  });
}

/** Once services run again. */
export function keeping(decisions: VolumeDecision[], returning: boolean): Operation[] {
  if (returning) return [];
  return decisions
    .filter(({ action, finding }) => action !== 'return' && finding.driver === 'host')
    .map(({ volume }) => ({ kind: 'keep-volume', volume, cause: 'so that this can be undone' }));
}

export function volumeBlockers(decisions: VolumeDecision[], project: string, returning: boolean): Remark[] {
  return decisions.filter(replacing).flatMap(({ volume, action, finding }): Remark[] => {
    const { problem, users, missingBytes } = finding;
    const strangers = users.filter((user) => user.project !== project || user.service === undefined);
    return [
      ...(problem !== null
        ? [
            {
              code: 'volume-unfit',
              message: `the data of ${volume} cannot be restored: ${problem}`,
              hint: 'add --no-volumes to leave data alone',
            },
          ]
        : []),
      ...(action === 'return' && !returning
        ? [
            {
              code: 'not-archived',
              message: `the data that the run replaced in ${volume} is not archived yet: it lies beside it`,
              hint: 'undo without --dry-run archives it first',
            },
          ]
        : []),
      ...strangers.map(({ name, project: other }) => ({
        code: 'volume-shared',
        message: `${volume} is in use by container ${name}${other === undefined || other === project ? '' : ` of project ${other}`}`,
        hint: 'stop that first, or add --no-volumes',
      })),
      ...(missingBytes > 0
        ? [
            {
              code: 'disk-full',
              message: `${bytes(missingBytes)} are missing beside ${volume} to unpack its data`,
              hint: 'free some space there, or add --no-volumes',
            },
          ]
        : []),
    ];
  });
}

/** How old the recorded data is, and what it takes the place of. */
export function volumeRisks(decisions: VolumeDecision[], age: string): Remark[] {
  return decisions.flatMap(({ volume, action, recorded, finding }): Remark[] => {
    if (action !== 'restore' || !recorded) return [];
    const size = bytes(recorded.bytes);
    const replaced = {
      code: 'data-replaced',
      message: `the data in ${volume} is replaced by that of the point (${size}, ${age})`,
      hint: 'the safety point keeps it: undo brings it back',
    };
    if (finding.driver !== 'api') return [replaced];
    const slow = `${volume} is copied while its services are down: through the engine there is no other way`;
    return [replaced, { code: 'slow-copy', message: slow, hint: null }];
  });
}
