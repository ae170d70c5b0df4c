import type { MovePlan } from '../../src/model/move.js';
import type { Observation } from '../../src/model/project.js';
import type { MoveFacts, VolumeFacts } from '../../src/migrate/move/facts.js';
import { planMove } from '../../src/migrate/move/plan.js';
import { aPresent, type Stack } from './planning.js';

/** Moves between engines, in the language of planning.ts: Docker's side is `aPresent(stack)`. */

const HOSTS = { docker: 'unix:///var/run/docker.sock', podman: 'unix:///run/podman/podman.sock' };

/** The same project as rootful Podman has it; nothing of it without a stack. */
export function atPodman(stack: Stack = {}): Observation {
  const present = aPresent(stack);
  const own = { kind: 'podman', id: 'engine-2', version: '4.3.1', changesRestart: false } as const;
  return { ...present, engine: { ...present.engine, ...own, host: HOSTS.podman } };
}

/** With these restart policies of services' containers. */
export function restarting(present: Observation, policies: Record<string, string>): Observation {
  for (const { name, containers } of Object.values(present.services)) {
    for (const container of containers) container.restart = policies[name] ?? 'no';
  }
  return present;
}

/** Of a small shop: its usual stack, as Docker has it, and the data of its Redis. */
export const SHOP: Stack = {
  services: { api: { needs: { redis: 'service_started' } }, redis: { volumes: ['data'] } },
};
export const atDocker = () => restarting(aPresent(SHOP), { api: 'always', redis: 'unless-stopped' });
export const data = someVolume('data', ['redis']);

/** A volume that goes over as files lie, and is not there yet. */
export function someVolume(name: string, services: string[]): VolumeFacts {
  const host = { driver: 'host', problem: null } as const;
  return { name: `shop_${name}`, services, existing: false, from: host, to: host, users: [], bytes: 4096 };
}

/** `planMove` from Docker (or from what was observed) to a Podman that has nothing of it, unless facts say otherwise. */
export function aMove(from: Stack | Observation, facts: Partial<MoveFacts> = {}): MovePlan {
  const source = 'engine' in from ? from : aPresent(from);
  const target = facts.target ?? atPodman();
  return planMove({
    kind: 'to-podman',
    source,
    target,
    volumes: [],
    left: [],
    shared: [],
    obstacles: [],
    directories: [],
    hosts: { source: HOSTS[source.engine.kind], target: HOSTS[target.engine.kind] },
    held: [],
    files: [],
    names: {},
    goal: undefined,
    data: true,
    undoes: null,
    storage: null,
    findings: { takenPorts: [], missingExternal: [] },
    ...facts,
  });
}

/** Operations in short: `carry-image app:1`, `stop-source api web`, `hold-source api-1`. */
export function outlineOf({ operations }: MovePlan): string[] {
  return operations.map((operation) => {
    const about =
      'ref' in operation
        ? [operation.ref]
        : 'volume' in operation
          ? [operation.volume]
          : 'services' in operation
            ? operation.services
            : 'containers' in operation
              ? operation.containers
              : [];
    return [operation.kind, ...about].join(' ');
  });
}
