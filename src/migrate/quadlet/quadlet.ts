import type { ComposeModel } from '../../model/compose.js';
import { activeServices } from '../../project/profiles.js';
import { isGiven, recordOf } from '../values.js';
import { containerUnit, variablesOf } from './container.js';
import { volumeUnit } from './mounts.js';
import { networkUnit } from './network.js';
import { unitOf } from './part.js';
import { renderUnit, type Piece } from './text.js';

/** A compose project as Quadlet units for systemd. Pure. */

/** The first whose generator knows VolumeName= and NetworkName= (4.7), and whose environment files may hold a `#` (4.8). */
export const QUADLET_PODMAN = '4.8';

export interface Quadlet {
  units: { name: string; text: string }[];
  /** What the containers of a service find in their environment: it stands in no unit. */
  environments: { name: string; variables: [name: string, value: string][] }[];
  /** What no unit can say. */
  remarks: QuadletRemark[];
}

export interface QuadletRemark {
  /** A service, or `volume data`, `network front`. */
  about: string;
  remark: string;
}

interface Part {
  about: string;
  file: string;
  pieces: Piece[];
}

export function quadletOf(
  model: ComposeModel,
  { project, profiles }: { project: string; profiles: string[] },
): Quadlet {
  const active = activeServices(model, profiles).toSorted();
  const parts = [
    ...containers(model, project, active),
    ...used(model, active, 'volumes').map((key) => ({
      about: `volume ${key}`,
      file: `${unitOf(project, key)}.volume`,
      pieces: volumeUnit(key, model, project),
    })),
    ...used(model, active, 'networks').map((key) => ({
      about: `network ${key}`,
      file: `${unitOf(project, key)}.network`,
      pieces: networkUnit(key, model, project),
    })),
  ];
  return {
    units: parts.map(({ file, pieces }) => ({ name: file, text: textOfUnit(project, pieces) })),
    environments: active.flatMap((name) => {
      const service = model.services[name];
      const variables = service ? variablesOf(service) : [];
      return variables.length === 0 ? [] : [{ name: `${unitOf(project, name)}.env`, variables }];
    }),
    remarks: [...parts.flatMap(remarksOf), ...inactive(model, active)],
  };
}

function containers(model: ComposeModel, project: string, active: readonly string[]): Part[] {
  return active.flatMap((name) => {
    const service = model.services[name];
    if (!service) return [];
    const pieces = containerUnit({ project, model, active, name, service });
    return [{ about: name, file: `${unitOf(project, name)}.container`, pieces }];
  });
}

/** Those that a service uses, and that are not somebody else's. */
function used(model: ComposeModel, active: readonly string[], kind: 'volumes' | 'networks'): string[] {
  const keys = active.flatMap((name) => {
    const service = model.services[name];
    if (kind === 'volumes') {
      return (service?.volumes ?? []).flatMap(({ type, source }) =>
        type === 'volume' && source !== undefined ? [source] : [],
      );
    }
    if (isGiven(service?.network_mode)) return [];
    return isGiven(service?.['networks']) ? Object.keys(recordOf(service?.['networks'])) : ['default'];
  });
  return [...new Set(keys)].filter((key) => !isGiven(model[kind][key]?.external)).toSorted();
}

const textOfUnit = (project: string, pieces: Piece[]): string =>
  renderUnit(
    `Of the compose project ${project}, for Podman ${QUADLET_PODMAN} or newer`,
    pieces.flatMap((piece) => ('remark' in piece ? [] : [piece])),
  );

function remarksOf({ about, pieces }: Part): QuadletRemark[] {
  return pieces.flatMap((piece) => ('remark' in piece ? [{ about, remark: piece.remark }] : []));
}

function inactive({ services }: ComposeModel, active: readonly string[]): QuadletRemark[] {
  return Object.entries(services)
    .filter(([name]) => !active.includes(name))
    .map(([name, { profiles }]) => ({
      about: name,
      remark: `it is left out: give --profile ${profiles.join(' or ')} to have it too`,
    }));
}
