import type { ComposeService } from '../../model/compose.js';
import { isAtLeast } from '../../model/versions.js';
import type { Found, Place, Rule } from './fit.js';
import { isGiven, recordOf, textOf, textsOf } from '../values.js';

/** What concerns a service's health, restarts, limits and logs. */

export const LIFE_RULES: readonly Rule[] = [
  { id: 'health.dependency', find: healthDependency },
  { id: 'health.unchecked', find: uncheckedHealth },
  { id: 'health.start-interval', find: startInterval },
  { id: 'life.restart', find: restartPolicy },
  { id: 'limits.cgroups', find: limits },
  { id: 'limits.ulimits', find: ulimits },
  { id: 'limits.cgroup-parent', find: cgroupParent },
  { id: 'kernel.sysctls', find: sysctls },
  { id: 'logs.driver', find: loggingDriver },
];

function healthDependency({ depends_on }: ComposeService, place: Place): Found | undefined {
  const awaited = Object.entries(depends_on).flatMap(([name, { condition }]) =>
    condition === 'service_healthy' ? [name] : [],
  );
  if (awaited.length === 0) return undefined;
  const { provider, providerVersion, podmanVersion } = place;
  const waits =
    provider === 'docker compose' || (isAtLeast(providerVersion, '1.3') && isAtLeast(podmanVersion, '4.6'));
  if (!waits) {
    return {
      grade: 'warning',
      finding: `it does not wait until ${awaited.join(', ')} is healthy`,
      why: 'podman-compose knows no conditions before 1.3, and has none of health checked before Podman 4.6',
      fix: 'install newer ones, or have the service try again',
    };
  }
  if (place.systemd) return undefined;
  return {
    grade: 'critical',
    finding: `it waits until ${awaited.join(', ')} is healthy`,
    why: 'Podman has systemd run health checks: without it nobody does, and compose waits for ever',
    fix: 'run `podman healthcheck run` by a timer of your own, or wait in the service itself',
    rewrite: `depends_on: [${awaited.join(', ')}]`,
  };
}

function uncheckedHealth({ healthcheck }: ComposeService, { systemd }: Place): Found | undefined {
  if (systemd || !isGiven(healthcheck?.test) || healthcheck?.test?.[0] === 'NONE') return undefined;
  return {
    grade: 'note',
    finding: 'its health check is run by nobody',
    why: 'Podman has systemd run health checks, and there is none here; its health stays at `starting`',
    fix: 'run `podman healthcheck run` by a timer of your own where something goes by it',
  };
}

function startInterval({ healthcheck }: ComposeService): Found | undefined {
  if (!isGiven(healthcheck?.['start_interval'])) return undefined;
  return {
    grade: 'note',
    finding: 'its health check has a start_interval',
    why: 'Podman has none: checks come at the usual interval from the beginning',
    fix: 'choose a shorter interval, or a longer start_period',
  };
}

function restartPolicy({ restart }: ComposeService, { rootless, systemd }: Place): Found | undefined {
  if (restart !== 'always' && restart !== 'unless-stopped') return undefined;
  const unit = rootless
    ? 'systemctl --user enable podman-restart.service && loginctl enable-linger'
    : 'systemctl enable podman-restart.service';
  return {
    grade: systemd ? 'note' : 'warning',
    finding: `restart: ${restart} does not bring it back after a reboot`,
    why: 'Podman has no daemon that would start containers when the machine does',
    fix: systemd ? unit : 'start the stack from an init script',
  };
}

const LIMITS = [
  'blkio_config',
  'cpu_count',
  'cpu_percent',
  'cpu_quota',
  'cpu_shares',
  'cpus',
  'cpuset',
  'mem_limit',
  'mem_reservation',
  'memswap_limit',
  'pids_limit',
];

function limits(service: ComposeService, { rootless, cgroups }: Place): Found | undefined {
  if (!rootless || cgroups === 'v2') return undefined;
  const own = LIMITS.filter((key) => isGiven(service[key]));
  const deployed = Object.keys(recordOf(recordOf(recordOf(service['deploy'])['resources'])['limits']));
  if (own.length + deployed.length === 0) return undefined;
  return {
    grade: 'warning',
    finding: `its limits (${[...own, ...deployed].join(', ')}) do not hold`,
    why: 'without root they take control groups of version 2',
    fix: 'boot with systemd.unified_cgroup_hierarchy=1, leave them out, or use rootful Podman',
  };
}

function ulimits(service: ComposeService, { rootless }: Place): Found | undefined {
  const names = Object.keys(recordOf(service['ulimits']));
  if (!rootless || names.length === 0) return undefined;
  return {
    grade: 'warning',
    finding: `it sets ulimits (${names.join(', ')})`,
    why: "rootless, it does not start with more than the user's own hard limits",
    fix: "raise the user's in /etc/security/limits.d, or ask for less",
  };
}

function cgroupParent(service: ComposeService): Found | undefined {
  if (!isGiven(service['cgroup_parent'])) return undefined;
  return {
    grade: 'warning',
    finding: 'it names a cgroup_parent',
    why: 'where systemd manages control groups, Podman takes slices only, and rootless those of the user',
    fix: 'leave it out, or name a slice',
  };
}

/** What belongs to namespaces of the container's own. */
const NAMESPACED = /^(?:net\.|fs\.mqueue\.|kernel\.(?:msg|sem|shm))/;

function sysctls(service: ComposeService, { rootless }: Place): Found | undefined {
  const found = service['sysctls'];
  const names = Array.isArray(found)
    ? textsOf(found).map((entry) => entry.split('=')[0] ?? '')
    : Object.keys(recordOf(found));
  const beyond = names.filter((name) => !NAMESPACED.test(name));
  if (!rootless || beyond.length === 0) return undefined;
  return {
    grade: 'critical',
    finding: `it sets ${beyond.join(', ')}`,
    why: 'without root only what belongs to its own namespaces can be set',
    fix: 'set it on the machine, or use rootful Podman',
  };
}

function loggingDriver(service: ComposeService, { logDrivers }: Place): Found | undefined {
  const driver = textOf(recordOf(service['logging'])['driver']);
  // That is what Podman's own format is called too.
  if (driver === undefined || driver === 'json-file' || logDrivers.includes(driver)) return undefined;
  return {
    grade: 'critical',
    finding: `it logs by ${driver}`,
    why: `Podman makes no container with it: it knows ${logDrivers.join(', ')}`,
    fix: 'log to journald and forward from there',
    rewrite: 'logging: { driver: journald }',
  };
}
