import type { ComposeService } from '../../model/compose.js';
import type { Found, Place, Rule } from './fit.js';
import { isAtLeast } from '../../model/versions.js';
import { listOf, recordOf, textOf, textsOf } from '../values.js';

/** What concerns a service's user, and what it may do on the machine. */

export const RIGHTS_RULES: readonly Rule[] = [
  { id: 'user.host-id', find: hostUser },
  { id: 'user.namespace', find: userNamespace },
  { id: 'rights.privileged', find: privileged },
  { id: 'rights.capabilities', find: capabilities },
  { id: 'rights.devices', find: devices },
  { id: 'rights.gpus', find: gpus },
  { id: 'rights.apparmor', find: apparmor },
  { id: 'rights.namespaces', find: hostNamespaces },
  { id: 'rights.runtime', find: otherRuntime },
];

function hostUser(service: ComposeService, { rootless }: Place): Found | undefined {
  const user = textOf(service['user']);
  if (!rootless || !(Number.parseInt(user ?? '', 10) > 0)) return undefined;
  if (!service.volumes.some(({ type }) => type === 'bind')) return undefined;
  return {
    grade: 'warning',
    finding: `it runs as user ${user} and has directories of the host mounted`,
    why: "rootless, that user is another one outside: one of the caller's subordinate ids, which owns none of these files",
    fix: 'give the files to that id (`podman unshare chown`), or keep ids with userns_mode',
    rewrite: 'userns_mode: keep-id',
  };
}

function userNamespace(service: ComposeService, { rootless }: Place): Found | undefined {
  if (textOf(service['userns_mode']) !== 'host' || !rootless) return undefined;
  return {
    grade: 'warning',
    finding: 'userns_mode is host',
    why: "rootless, that is the user's own namespace and not the machine's",
    fix: 'leave it out, or use rootful Podman',
  };
}

function privileged(service: ComposeService, { rootless }: Place): Found | undefined {
  if (service['privileged'] !== true || !rootless) return undefined;
  return {
    grade: 'warning',
    finding: 'it is privileged',
    why: 'rootless, it has no more rights than the user: no modules, no devices or mounts that the user may not have',
    fix: 'name the capabilities and devices that it needs instead, or use rootful Podman',
    rewrite: 'cap_add: [NET_ADMIN]',
  };
}

const BEYOND_USERS = new Set([
  'ALL',
  'MAC_ADMIN',
  'NET_ADMIN',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_TIME',
]);

function capabilities(service: ComposeService, { rootless }: Place): Found | undefined {
  const added = textsOf(service['cap_add']).map((name) => name.replace(/^CAP_/, '').toUpperCase());
  const beyond = added.filter((name) => BEYOND_USERS.has(name));
  if (!rootless || beyond.length === 0) return undefined;
  return {
    grade: 'warning',
    finding: `it asks for ${beyond.join(', ')}`,
    why: 'rootless, capabilities count inside of its namespaces only, and change nothing of the machine',
    fix: 'see whether it works, else use rootful Podman',
  };
}

function devices(service: ComposeService, { rootless }: Place): Found | undefined {
  if (!rootless || listOf(service['devices']).length === 0) return undefined;
  return {
    grade: 'warning',
    finding: 'it has devices of the host',
    why: "rootless, they keep the host's owners and modes: the user must be allowed to open them",
    fix: 'add the user to the group of the device, and let the service keep it',
    rewrite: 'group_add: [keep-groups]',
  };
}

function gpus(service: ComposeService, { provider, providerVersion }: Place): Found | undefined {
  const { reservations } = recordOf(recordOf(service['deploy'])['resources']);
  const reserved = listOf(recordOf(reservations)['devices']).map(recordOf);
  const asked = listOf(service['gpus']).length > 0 || textOf(service['gpus']) !== undefined;
  if (!asked && reserved.length === 0) return undefined;
  const converts = provider === 'podman-compose' && isAtLeast(providerVersion, '1.2');
  const given = converts && !asked && reserved.every(({ driver }) => driver === 'nvidia');
  return {
    grade: given ? 'warning' : 'critical',
    finding: 'it reserves GPUs',
    why: given
      ? 'podman-compose asks for devices of the Container Device Interface, which has to be set up'
      : 'Podman starts it without them: it takes devices of the Container Device Interface', // Measured, 4.3.1 and 5.8.6.
    fix: 'set up CDI (nvidia-ctk cdi generate) and name the device',
    rewrite: 'devices: ["nvidia.com/gpu=all"]',
  };
}

function apparmor(service: ComposeService, place: Place): Found | undefined {
  const profile = textsOf(service['security_opt']).find((option) =>
    /^apparmor[:=](?!unconfined)/.test(option),
  );
  if (profile === undefined) return undefined;
  const refused = place.rootless || !place.apparmor;
  return {
    grade: refused ? 'critical' : 'warning',
    finding: `it asks for ${profile}`,
    why: refused
      ? `Podman makes no container with a profile ${place.rootless ? 'without root' : 'where AppArmor is off'}`
      : "Podman's own profile is another, and Docker's is loaded by Docker",
    fix: 'leave it out, or load the profile and use rootful Podman',
  };
}

function hostNamespaces(service: ComposeService, { rootless }: Place): Found | undefined {
  const shared = ['pid', 'ipc', 'uts'].filter((key) => service[key] === 'host');
  if (!rootless || shared.length === 0) return undefined;
  return {
    grade: 'warning',
    finding: `it shares ${shared.join(', ')} with the host`,
    why: "rootless, it has the user's rights there: it may signal the user's own processes only, and set nothing",
    fix: 'see whether it works, else use rootful Podman',
  };
}

function otherRuntime(service: ComposeService, { provider }: Place): Found | undefined {
  const runtime = textOf(service['runtime']);
  if (runtime === undefined || runtime === 'runc' || runtime === 'crun') return undefined;
  return {
    grade: 'critical',
    finding: `it asks for the runtime ${runtime}`,
    why:
      provider === 'docker compose'
        ? 'Podman starts it with its own runtime, whatever compose asks for' // Measured, 4.3.1 and 5.8.6.
        : "Podman has its own list of runtimes, and Docker's is not read",
    fix: `set it up in containers.conf ([engine.runtimes]), or leave it out${runtime === 'nvidia' ? ' and use CDI devices' : ''}`,
  };
}
