import { basename } from 'node:path';
import { RollbackError } from '../../model/errors.js';
import type { ServiceObservation } from '../../model/project.js';
import { isAtLeast } from '../../model/versions.js';
import { plural } from '../../plan/text.js';
import { result, when, type Problem, type Result } from './checks.js';
import type { Machine } from './machine-facts.js';
import type { Podman } from './podman-facts.js';
import type { Source } from '../source.js';

/** What the engines need to have: the categories docker and podman. */

const OF_DOCKER = 'the images and the data of the project come from it';

export function dockerResults({ docker, model, modelError, project }: Source): Result[] {
  const resolves = result(
    'docker.compose-file',
    'what is moved is what the compose files say',
    model ? `the compose files resolve, to ${plural(Object.keys(model.services).length, 'service')}` : '',
    model
      ? undefined
      : {
          grade: 'critical',
          finding: `the compose files do not resolve: ${(modelError ?? '').split('\n')[0]}`,
          fix: `mend them: see docker compose -p ${project.name} config`,
        },
  );
  if (docker instanceof RollbackError) {
    const { code, message, hint = 'see what docker info says' } = docker;
    const id = code === 'provider-failed' ? 'docker.compose' : 'docker.daemon';
    return [result(id, OF_DOCKER, '', { grade: 'critical', finding: message, fix: hint }), resolves];
  }
  return [
    result('docker.daemon', OF_DOCKER, `Docker ${docker.version} answers at ${docker.host}`, undefined),
    resolves,
    servicesResult(docker.services),
  ];
}

function servicesResult(services: ServiceObservation[]): Result {
  return result(
    'docker.services',
    'only what is well before a move shows whether it is well after it',
    `${plural(services.length, 'service')} run`,
    unwell(services),
  );
}

function unwell(services: ServiceObservation[]): Problem | undefined {
  const sick = services.filter(({ containers }) => containers.some(({ health }) => health === 'unhealthy'));
  if (sick.length > 0) {
    return {
      grade: 'warning',
      finding: `not healthy: ${namesOf(sick)}`,
      fix: 'mend it before it is moved: see docker compose logs',
    };
  }
  const down = services.filter(
    ({ containers }) => !containers.some(({ state, exitCode }) => state === 'running' || exitCode === 0),
  );
  return when(down.length > 0, 'note', `not running: ${namesOf(down)}`, 'docker compose up -d, if it should');
}

const namesOf = (services: ServiceObservation[]) => services.map(({ name }) => name).join(', ');

/** `provider` is what would apply the compose files, with its version; undefined where there is none. */
export function podmanResults(
  machine: Machine,
  podman: Podman | { problem: string } | undefined,
  provider: { name: string; version: string } | undefined,
  rootless: boolean,
): Result[] {
  const there = result('podman.program', 'it is where the project goes', 'podman is on PATH', whyNot(podman));
  const compose = result(
    'podman.compose',
    'something has to apply the compose files on Podman',
    `${provider?.name} ${provider?.version} would apply the compose files`,
    when(
      provider === undefined,
      'critical',
      'there is no compose program',
      'install the compose plug-in (docker-compose-plugin), or podman-compose',
    ),
  );
  if (podman === undefined || 'problem' in podman) return [there, compose];
  return [
    there,
    versionResult(podman),
    compose,
    result(
      'podman.storage',
      'vfs copies every layer whole',
      `storage driver ${podman.storage.driver}`,
      when(
        podman.storage.driver === 'vfs',
        'warning',
        'its storage driver is vfs: slow, and many times as large',
        'install fuse-overlayfs, then podman system reset before anything is in it',
      ),
    ),
    databaseResult(podman),
    systemdResult(machine),
    ...(rootless ? rootlessResults(machine, podman) : []),
  ];
}

function whyNot(podman: Podman | { problem: string } | undefined): Problem | undefined {
  if (podman === undefined) {
    return {
      grade: 'critical',
      finding: 'there is no podman on PATH',
      fix: 'sudo apt install podman, or sudo dnf install podman',
    };
  }
  if (!('problem' in podman)) return undefined;
  return {
    grade: 'critical',
    finding: `podman does not work: ${podman.problem}`,
    fix: 'see that `podman info` works',
  };
}

function versionResult({ version }: Podman): Result {
  const old = !isAtLeast(version, '4.2');
  return result(
    'podman.version',
    'before 4.2 its API lacks what is needed, before 4.3 this was never tested',
    `Podman ${version}`,
    when(
      !isAtLeast(version, '4.3'),
      old ? 'critical' : 'warning',
      `Podman is ${version}`,
      'bring it to 4.3 or newer',
    ),
  );
}

function databaseResult({ database = 'its own' }: Podman): Result {
  return result(
    'podman.database',
    'what Podman knows of containers and volumes is in there',
    `database ${database}`,
    when(
      database === 'boltdb',
      'note',
      'its database is BoltDB, which Podman 6 does not read',
      'before Podman 6, go to 5.8 and start the machine anew: it carries the database over',
    ),
  );
}

function systemdResult({ systemd, user }: Machine): Result {
  return result(
    'podman.systemd',
    'Podman leaves health checks, and the start after a reboot, to systemd',
    'systemd is there for health checks and restarts',
    when(
      !systemd,
      'note',
      `systemd does not run${user.id === 0 ? '' : ` for ${user.name}`}: nobody runs health checks, or starts containers after a reboot`,
      user.id === 0
        ? 'do both by other means'
        : 'log in by a session of its own (not su), or do both by other means',
    ),
  );
}

function rootlessResults({ runtimeDirectory, systemd, lingering, user }: Machine, podman: Podman): Result[] {
  return [
    result(
      'podman.runtime-directory',
      'sockets and locks of rootless Podman are there',
      `XDG_RUNTIME_DIR is ${runtimeDirectory.path}`,
      when(
        runtimeDirectory.problem !== undefined,
        runtimeDirectory.path === undefined ? 'warning' : 'critical',
        `XDG_RUNTIME_DIR: ${runtimeDirectory.problem}`,
        'log in by a session of its own (not su), or export XDG_RUNTIME_DIR=/run/user/$(id -u)',
      ),
    ),
    result(
      'podman.lingering',
      'systemd ends the processes of a user who has no session left, containers too',
      systemd ? `${user.name} lingers` : 'no systemd ends what a user leaves running',
      when(
        systemd && !lingering,
        'warning',
        `the containers end when ${user.name} logs out`,
        `loginctl enable-linger ${user.name}`,
      ),
    ),
    forwarderResult(podman),
  ];
}

function forwarderResult({ forwarders, forwarder }: Podman): Result {
  const used =
    forwarder === undefined ? forwarders : forwarders.filter((path) => basename(path) === forwarder);
  const problem: Problem =
    forwarder === undefined
      ? {
          grade: 'critical',
          finding: 'there is neither slirp4netns nor pasta',
          fix: 'sudo apt install slirp4netns, or sudo dnf install passt',
        }
      : {
          grade: 'critical',
          finding: `there is no ${forwarder}`,
          fix: 'sudo apt install passt, or sudo dnf install passt',
        };
  return result(
    'podman.rootless-network',
    'without root a program has to stand between containers and the network',
    `${used.join(', ')} connects containers`,
    used.length === 0 ? problem : undefined,
  );
}
