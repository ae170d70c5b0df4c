import type { ComposeService } from '../../model/compose.js';
import { isAtLeast } from '../../model/versions.js';
import type { Found, Place, Rule } from './fit.js';
import { isGiven, recordOf, textOf } from '../values.js';

/** What podman-compose leaves out, whoever wrote it down. docker compose does all of it over Podman's socket. */

/** Keys that it does not read before a version (or ever), by its source from 1.0.3 to 1.6.0; and what comes of it. */
const UNREAD: readonly (readonly [string, string | undefined, Found['grade'], string])[] = [
  ['cpuset', '1.4', 'warning', 'it runs on all processors'],
  ['develop', undefined, 'note', '`watch` is not there'],
  ['device_cgroup_rules', '1.3', 'critical', 'it may not use these devices'],
  ['dns', '1.0.6', 'warning', 'it asks the name servers of the host'],
  ['dns_opt', '1.0.6', 'warning', 'it resolves names with the usual options'],
  ['dns_search', '1.0.6', 'warning', 'it does not complete names with these domains'],
  ['domainname', undefined, 'warning', 'it has no domain'],
  ['group_add', '1.0.6', 'warning', 'it is not in these groups'],
  ['ipc', undefined, 'warning', 'it has shared memory of its own'],
  ['mac_address', '1.0.6', 'warning', 'it gets another one'],
  ['memswap_limit', undefined, 'warning', 'its swap has the usual limit'],
  ['oom_kill_disable', undefined, 'note', 'it is killed like any other when memory runs out'],
  ['oom_score_adj', undefined, 'note', 'it is killed like any other when memory runs out'],
  ['pid', '1.1', 'warning', 'it sees its own processes only'],
  ['pids_limit', '1.4', 'warning', "it may have as many processes as Podman's default"],
  ['platform', '1.0.6', 'warning', 'it gets the platform of the machine'],
  ['post_start', undefined, 'critical', 'that command does not run'],
  ['pre_stop', undefined, 'critical', 'that command does not run'],
  ['profiles', '1.1', 'critical', 'it is started although its profile is not active'],
  ['stop_grace_period', '1.0.6', 'warning', 'it is killed after ten seconds'],
  ['storage_opt', undefined, 'warning', 'its file system has no limit'],
  ['userns_mode', '1.0.6', 'warning', 'it is in the usual user namespace'],
  ['uts', undefined, 'warning', 'it has a host name of its own'],
  ['volumes_from', undefined, 'critical', 'the volumes of the other are not there'],
];

export const PROVIDER_RULES: readonly Rule[] = [
  ...UNREAD.map(unread),
  { id: 'compose.configs', find: only(configs) },
  { id: 'compose.secrets', find: only(secrets) },
  { id: 'compose.scale', find: before('1.4', scale) },
  { id: 'compose.network-mode', find: before('1.0.6', networkMode) },
  { id: 'compose.network-settings', find: before('1.0.6', networkSettings) },
  { id: 'compose.resource-options', find: before('1.0.6', resourceOptions) },
  { id: 'compose.sysctls', find: before('1.1', sysctls) },
  { id: 'compose.inline-build', find: before('1.4', inlineBuild) },
  { id: 'compose.job-dependency', find: from('1.0.6', jobDependency) },
];

type Finder = (service: ComposeService, place: Place) => Found | undefined;

const INSTEAD = "use docker compose over Podman's socket";

function only(find: Finder): Finder {
  return (service, place) => (place.provider === 'podman-compose' ? find(service, place) : undefined);
}

/** Of versions before this one. */
function before(version: string, find: Finder): Finder {
  return only((service, place) =>
    isAtLeast(place.providerVersion, version) ? undefined : find(service, place),
  );
}

/** Of this version and later ones. */
function from(version: string, find: Finder): Finder {
  return only((service, place) =>
    isAtLeast(place.providerVersion, version) ? find(service, place) : undefined,
  );
}

function unread([key, since, grade, consequence]: (typeof UNREAD)[number]): Rule {
  const find: Finder = (service) =>
    isGiven(service[key])
      ? {
          grade,
          finding: `${key} is left out: ${consequence}`,
          why: `podman-compose does not read it${since === undefined ? '' : ` before ${since}`}`,
          fix: since === undefined ? INSTEAD : `install a newer one, or ${INSTEAD}`,
        }
      : undefined;
  return {
    id: `compose.${key.replaceAll('_', '-')}`,
    find: since === undefined ? only(find) : before(since, find),
  };
}

function configs({ configs: used }: ComposeService): Found | undefined {
  const [first] = used;
  if (first === undefined) return undefined;
  return {
    grade: 'critical',
    finding: `configs (${used.map(({ source }) => source).join(', ')}) are left out: the files are not in the container`,
    why: 'podman-compose knows no configs',
    fix: `mount the files instead, or ${INSTEAD}`,
    rewrite: `volumes: ["./${first.source}:${first.target ?? `/${first.source}`}:ro"]`,
  };
}

function secrets({ secrets: used }: ComposeService, { model }: Place): Found | undefined {
  const unfiled = used.flatMap(({ source }) => {
    const { file, external } = recordOf(model.secrets[source]);
    return textOf(file) === undefined && !isGiven(external) ? [source] : [];
  });
  if (unfiled.length === 0) return undefined;
  return {
    grade: 'critical',
    finding: `secret ${unfiled.join(', ')} comes from no file`,
    why: "podman-compose takes secrets from files, or from Podman's own store, and refuses others",
    fix: 'write it to a file (mode 600), or `podman secret create` and external: true',
  };
}

function scale({ scale: wanted }: ComposeService): Found | undefined {
  if (wanted === undefined || wanted === 1) return undefined;
  return {
    grade: 'warning',
    finding: `it has one container instead of ${wanted}`,
    why: 'podman-compose does not read scale before 1.4',
    fix: 'say it with deploy',
    rewrite: `deploy: { replicas: ${wanted} }`,
  };
}

function networkMode({ network_mode: mode }: ComposeService): Found | undefined {
  if (mode === undefined || mode === 'bridge') return undefined;
  return {
    grade: 'critical',
    finding: `network_mode is ${mode}`,
    why: 'podman-compose before 1.0.6 adds the network of the project, and Podman refuses the two together', // Measured.
    fix: `install a newer one, or ${INSTEAD}`,
  };
}

function networkSettings(service: ComposeService): Found | undefined {
  const set = Object.entries(recordOf(service['networks'])).filter(([, settings]) => isGiven(settings));
  if (set.length === 0) return undefined;
  return {
    grade: 'critical',
    finding: `it has settings (aliases, addresses) in ${set.map(([name]) => name).join(', ')}`,
    why: 'podman-compose before 1.0.6 takes such a network for a missing one, and refuses the project', // Measured.
    fix: `install a newer one, or ${INSTEAD}`,
    rewrite: `networks: [${set.map(([name]) => name).join(', ')}]`,
  };
}

function resourceOptions(service: ComposeService, { model }: Place): Found | undefined {
  const networks = Object.keys(recordOf(service['networks'])).filter((name) => {
    const { driver, driver_opts: options, ipam } = recordOf(model.networks[name]);
    return (isGiven(driver) && driver !== 'bridge') || isGiven(options) || isGiven(ipam);
  });
  const volumes = service.volumes.flatMap(({ type, source = '' }) => {
    const { driver, driver_opts: options } = type === 'volume' ? recordOf(model.volumes[source]) : {};
    return (isGiven(driver) && driver !== 'local') || isGiven(options) ? [source] : [];
  });
  if (networks.length + volumes.length === 0) return undefined;
  return {
    grade: 'critical',
    finding: `${[...networks, ...volumes].join(', ')} is made without its driver, options and addresses`,
    why: 'podman-compose before 1.0.6 reads of networks and volumes the labels only',
    fix: `make them yourself and say external: true, or install a newer one`,
  };
}

function sysctls(service: ComposeService): Found | undefined {
  const entries = Object.entries(recordOf(service['sysctls']));
  if (entries.length === 0) return undefined;
  return {
    grade: 'warning',
    finding: `it does not start where sysctls is a map`,
    why: 'podman-compose before 1.1 hands their names on without values', // Measured.
    fix: 'write a list',
    rewrite: `sysctls: [${entries.map(([name, value]) => `${name}=${textOf(value)}`).join(', ')}]`,
  };
}

function inlineBuild({ build }: ComposeService): Found | undefined {
  if (!isGiven(recordOf(build)['dockerfile_inline'])) return undefined;
  return {
    grade: 'critical',
    finding: 'its build file is in the compose file',
    why: 'podman-compose does not read dockerfile_inline before 1.4, and finds none', // Measured.
    fix: 'write it to a file',
    rewrite: 'build: { dockerfile: Containerfile }',
  };
}

/** Measured, 1.3.0 and 1.6.0 on Podman 5.8.6. What we make ourselves is not tied. */
function jobDependency({ depends_on }: ComposeService): Found | undefined {
  const jobs = Object.entries(depends_on).flatMap(([name, { condition }]) =>
    condition === 'service_completed_successfully' ? [name] : [],
  );
  if (jobs.length === 0) return undefined;
  return {
    grade: 'warning',
    finding: `${jobs.join(', ')} runs again whenever it starts`,
    why: 'podman-compose ties it to the containers that it depends on, and Podman starts those with it, finished or not',
    fix: `have ${jobs.join(', ')} do no harm when run twice, or ${INSTEAD}`,
  };
}
