import type { ComposeService } from '../../model/compose.js';
import { isAtLeast } from '../../model/versions.js';
import type { Found, Place, Rule } from './fit.js';
import { isGiven, recordOf, textOf, textsOf } from '../values.js';

/** What concerns a service's ports and networks. */

export const NETWORK_RULES: readonly Rule[] = [
  { id: 'port.privileged', find: privilegedPorts },
  { id: 'port.source-address', find: sourceAddress },
  { id: 'network.host', find: hostNetwork },
  { id: 'network.shared', find: sharedNetwork },
  { id: 'network.fixed-address', find: fixedAddress },
  { id: 'network.mac-address', find: macAddress },
  { id: 'network.driver', find: drivers },
  { id: 'network.external', find: external },
  { id: 'network.links', find: links },
  { id: 'network.host-gateway', find: hostGateway },
];

function privilegedPorts({ ports }: ComposeService, { rootless, lowestPort }: Place): Found | undefined {
  const low = ports.flatMap(({ published }) => {
    const port = Number.parseInt(published ?? '', 10);
    return port > 0 && port < lowestPort ? [port] : [];
  });
  const [first] = low;
  if (!rootless || first === undefined) return undefined;
  return {
    grade: 'critical',
    finding: `it publishes port ${low.join(', ')}`,
    why: `without root ports below ${lowestPort} cannot be opened`,
    fix: `publish another, or as root: sysctl net.ipv4.ip_unprivileged_port_start=${Math.min(...low)}`,
    rewrite: `ports: ["${first + 8000}:${first}"]`,
  };
}

function sourceAddress({ ports }: ComposeService, { rootless }: Place): Found | undefined {
  if (!rootless || !ports.some(({ published }) => published !== undefined)) return undefined;
  return {
    grade: 'note',
    finding: 'clients of its published ports all seem to come from one address',
    why: 'rootless, a forwarder stands in between (rootlessport)',
    fix: 'where addresses matter, have a proxy on the host pass them on, or use rootful Podman',
  };
}

function hostNetwork({ network_mode: mode }: ComposeService, { rootless }: Place): Found | undefined {
  if (mode !== 'host' || !rootless) return undefined;
  return {
    grade: 'warning',
    finding: 'network_mode is host',
    why: 'rootless, it cannot open low ports, and may not change the network of the machine',
    fix: 'publish the ports that it needs',
  };
}

function sharedNetwork({ network_mode: mode }: ComposeService): Found | undefined {
  if (!mode?.startsWith('service:') && !mode?.startsWith('container:')) return undefined;
  return {
    grade: 'warning',
    finding: `it lives in the network of another (${mode})`,
    why: 'Podman removes no container that another lives in: compose cannot make that one anew while this one is there',
    fix: 'take this service down before the other changes',
  };
}

function fixedAddress(service: ComposeService, { rootless }: Place): Found | undefined {
  const fixed = Object.values(recordOf(service['networks'])).flatMap(
    (network) => textOf(recordOf(network)['ipv4_address']) ?? [],
  );
  if (fixed.length === 0) return undefined;
  return {
    grade: rootless ? 'warning' : 'note',
    finding: `it has a fixed address (${fixed.join(', ')})`,
    why: rootless
      ? 'rootless, the host cannot reach addresses of containers'
      : 'the subnet must be free beside those of Docker while both have it',
    fix: 'use names instead of addresses',
  };
}

function macAddress(service: ComposeService, { provider, podmanVersion }: Place): Found | undefined {
  // Measured: 4.3.1 does not, 5.8.6 does.
  if (isAtLeast(podmanVersion, '5.8')) return undefined;
  const networks = Object.values(recordOf(service['networks'])).map(
    (network) => recordOf(network)['mac_address'],
  );
  if (provider !== 'docker compose' || ![service['mac_address'], ...networks].some(isGiven)) return undefined;
  return {
    grade: 'warning',
    finding: 'it gets another mac_address',
    why: "Podman does not heed it before 5.8 when Docker's API asks for it",
    fix: 'do without, or use podman-compose, which asks Podman itself',
  };
}

function networksOf(service: ComposeService, { model }: Place) {
  return Object.keys(recordOf(service['networks'])).map((key) => ({
    key,
    network: recordOf(model.networks[key]),
  }));
}

function drivers(service: ComposeService, place: Place): Found[] {
  const { rootless, networkDrivers } = place;
  return networksOf(service, place).flatMap(({ key, network }): Found[] => {
    const driver = textOf(network['driver']);
    if (driver === undefined || driver === 'bridge' || driver === 'default') return [];
    const known = networkDrivers.includes(driver);
    if (known && !rootless) return [];
    return [
      {
        grade: 'critical',
        finding: `network ${key} has the driver ${driver}`,
        why: known
          ? 'it takes root: a user has no interface to put it on'
          : `Podman has ${networkDrivers.join(', ')}`,
        fix: 'use a bridge, or see what a newer, rootful Podman has',
        rewrite: `networks: { ${key}: { driver: bridge } }`,
      },
    ];
  });
}

function external(service: ComposeService, place: Place): Found[] {
  return networksOf(service, place).flatMap(({ key, network }): Found[] => {
    if (!isGiven(network['external'])) return [];
    const name = textOf(network['name']) ?? key;
    return [
      {
        grade: 'warning',
        finding: `network ${name} is made by somebody else`,
        why: "Docker's networks are not Podman's: it must be made there too",
        fix: `podman network create ${name}`,
      },
    ];
  });
}

function links(service: ComposeService, { provider }: Place): Found | undefined {
  const found = [...textsOf(service['links']), ...textsOf(service['external_links'])];
  if (found.length === 0) return undefined;
  const refused = provider === 'docker compose';
  return {
    grade: refused ? 'critical' : 'warning',
    finding: `it has links (${found.join(', ')})`,
    why: refused
      ? 'Podman makes no container with links' // Measured, 4.3.1 and 5.8.6.
      : 'podman-compose starts what is linked first, and no more',
    fix: 'use the names of the services, or network aliases',
    rewrite: 'networks: { default: { aliases: [name] } }',
  };
}

function hostGateway(service: ComposeService, place: Place): Found | undefined {
  const hosts = service['extra_hosts'];
  const entries = Array.isArray(hosts)
    ? textsOf(hosts)
    : Object.values(recordOf(hosts)).flatMap((one) => textOf(one) ?? textsOf(one));
  if (!entries.some((entry) => entry.includes('host-gateway'))) return undefined;
  const { provider, podmanVersion, rootless } = place;
  const refused = provider === 'podman-compose' && !isAtLeast(podmanVersion, '4.7');
  return {
    grade: refused ? 'critical' : rootless ? 'warning' : 'note',
    finding: 'it reaches the host by host-gateway',
    why: refused
      ? 'Podman does not know that word before 4.7, and makes no container'
      : rootless
        ? "rootless, the host's own 127.0.0.1 is not reached that way"
        : 'Podman calls the host host.containers.internal',
    fix: 'use host.containers.internal, and have the program listen on another address than 127.0.0.1',
  };
}
