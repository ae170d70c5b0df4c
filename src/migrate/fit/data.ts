import type { ComposeService } from '../../model/compose.js';
import type { Found, Place, Rule } from './fit.js';
import { isGiven, recordOf, textOf } from '../values.js';

/** What concerns a service's mounts and volumes. */

export const DATA_RULES: readonly Rule[] = [
  { id: 'mount.missing-source', find: missingSources },
  { id: 'mount.denied', find: deniedSources },
  { id: 'mount.owner', find: foreignSources },
  { id: 'mount.engine-socket', find: engineSocket },
  { id: 'mount.selinux', find: selinuxLabels },
  { id: 'mount.propagation', find: propagation },
  { id: 'volume.driver', find: volumeDrivers },
  { id: 'volume.mount', find: mountedVolumes },
  { id: 'volume.external', find: externalVolumes },
];

function missingSources({ volumes }: ComposeService, { sources }: Place): Found[] {
  return volumes.flatMap(({ type, source }): Found[] => {
    if (type !== 'bind' || source === undefined || isSocket(source) || !sources.missing.has(source))
      return [];
    return [
      {
        grade: 'warning',
        finding: `${source} is not there, which it mounts`,
        why: "Docker's daemon makes an empty directory of root's; Podman itself refuses, and compose makes it only where the user may",
        fix: `make it: mkdir -p ${source}`,
      },
    ];
  });
}

function deniedSources({ volumes }: ComposeService, { sources, rootless }: Place): Found | undefined {
  const paths = volumes.flatMap(({ source = '' }) => (sources.denied.has(source) ? [source] : []));
  if (!rootless || paths.length === 0) return undefined;
  return {
    grade: 'critical',
    finding: `${paths.join(', ')} cannot be reached, which it mounts`,
    why: 'rootless, a service can be given only what its user may reach',
    fix: 'let the user through the folders above (chmod o+x), or move it to a place of theirs',
  };
}

function foreignSources({ volumes }: ComposeService, { sources, rootless }: Place): Found[] {
  if (!rootless) return [];
  return volumes.flatMap(({ source = '', read_only: readOnly = false }): Found[] => {
    const owner = sources.foreign.get(source);
    if (owner === undefined || readOnly || isSocket(source)) return [];
    return [
      {
        grade: 'warning',
        finding: `${source}, which it mounts, belongs to the user ${owner}`,
        why: 'rootless, that user is nobody in the container: it may not write there, and perhaps not read',
        fix: `as root give it to your user, then to the id that the service runs as: podman unshare chown -R ID ${source}`,
      },
    ];
  });
}

const isSocket = (source: string) => source.endsWith('/docker.sock');

function engineSocket({ volumes }: ComposeService, { rootless }: Place): Found | undefined {
  const mount = volumes.find(({ source }) => source !== undefined && isSocket(source));
  if (!mount) return undefined;
  const socket = rootless ? '${XDG_RUNTIME_DIR}/podman/podman.sock' : '/run/podman/podman.sock';
  return {
    grade: 'critical',
    finding: `it has Docker's socket mounted (${mount.source})`,
    why: 'it would go on working with Docker, or not start once Docker is gone',
    fix: `start podman.socket and mount ${socket} instead; never relabel the socket for SELinux, use label=disable`,
    rewrite: `volumes: ["${socket}:${mount.target}"]`,
  };
}

function selinuxLabels({ volumes }: ComposeService, { selinux }: Place): Found | undefined {
  if (!selinux) return undefined;
  const plain = volumes.filter(
    ({ type, bind, selinux: label }) =>
      type === 'bind' && !isGiven(recordOf(bind)['selinux']) && !isGiven(label),
  );
  const [first] = plain;
  if (first?.source === undefined) return undefined;
  return {
    grade: 'critical',
    finding: `it cannot read ${plain.map(({ source }) => source).join(', ')}: SELinux is enforcing, and no label is asked for`,
    why: 'containers of Podman are confined: what they see of the host needs their label',
    fix: 'add :z where services share it, :Z where one has it alone; never to system directories',
    rewrite: `volumes: ["${first.source}:${first.target}:z"]`,
  };
}

function propagation({ volumes }: ComposeService, { rootless }: Place): Found | undefined {
  const mount = volumes.find(({ bind }) => /shared|slave/.test(textOf(recordOf(bind)['propagation']) ?? ''));
  if (!mount || !rootless) return undefined;
  return {
    grade: 'warning',
    finding: `${mount.source} is mounted with propagation`,
    why: 'rootless, what is mounted in the container is not seen outside of it',
    fix: 'run this service with rootful Podman, or do without',
  };
}

interface Mounted {
  name: string;
  volume: Record<string, unknown>;
}

function volumesOf({ volumes }: ComposeService, { model }: Place): Mounted[] {
  const names = volumes.flatMap(({ type, source }) =>
    type === 'volume' && source !== undefined ? [source] : [],
  );
  return [...new Set(names)].map((name) => ({ name, volume: recordOf(model.volumes[name]) }));
}

function volumeDrivers(service: ComposeService, place: Place): Found[] {
  return volumesOf(service, place).flatMap(({ name, volume }): Found[] => {
    const driver = textOf(volume['driver']);
    if (driver === undefined || driver === 'local') return [];
    return [
      {
        grade: 'critical',
        finding: `volume ${name} is kept by the driver ${driver}`,
        why: "Docker's volume plug-ins are not Podman's",
        fix: 'set the plug-in up in containers.conf ([engine.volume_plugins]), or move the data to a local volume',
      },
    ];
  });
}

function mountedVolumes(service: ComposeService, place: Place): Found[] {
  return volumesOf(service, place).flatMap(({ name, volume }): Found[] => {
    const options = recordOf(volume['driver_opts']);
    if (Object.keys(options).length === 0) return [];
    return [
      {
        grade: place.rootless ? 'critical' : 'warning',
        finding: `volume ${name} is a mount (${textOf(options['type']) ?? 'with options'})`,
        why: 'mounting takes root; its data is not in the volume, and not copied with it',
        fix: place.rootless
          ? 'have root mount it on the host, and bind-mount that'
          : 'see that the same mount is made there',
      },
    ];
  });
}

function externalVolumes(service: ComposeService, place: Place): Found[] {
  return volumesOf(service, place).flatMap(({ name, volume }): Found[] => {
    if (!isGiven(volume['external'])) return [];
    const own = textOf(volume['name']) ?? name;
    return [
      {
        grade: 'warning',
        finding: `volume ${own} is made by somebody else`,
        why: "Docker's volumes are not Podman's: it must be made there too, and filled",
        fix: `podman volume create ${own}`,
      },
    ];
  });
}
