import { stat } from 'node:fs/promises';
import { RollbackError } from '../../model/errors.js';
import type { Check } from '../../model/readiness.js';
import { aged, bytes } from '../../plan/text.js';
import { isMissing } from '../../project/paths.js';
import { isAtLeast } from '../../model/versions.js';
import { checksOf, result, when, type Result } from './checks.js';
import type { Forwarding } from './forwarding.js';
import { freeBytes, isWritable, type Machine } from './machine-facts.js';
import type { Podman } from './podman-facts.js';
import type { Source } from '../source.js';

/** What this project needs of network and backup. */

export function networkResults(
  { namespaces, tun, nftables, forwarding }: Machine,
  podman: Podman | undefined,
  rootless: boolean,
): Result[] {
  return [
    result(
      'network.namespaces',
      'every container has a network of its own',
      'network namespaces are allowed',
      when(
        !namespaces.network,
        'critical',
        'network namespaces are switched off',
        'sudo sysctl user.max_net_namespaces=28633',
      ),
    ),
    ...(podman
      ? [backendResult(podman), ...firewallResult(podman, nftables), ...forwardingResult(podman, forwarding)]
      : []),
    ...(rootless ? [tunResult(tun)] : []),
  ];
}

function backendResult({ networkBackend }: Podman): Result {
  return result(
    'network.backend',
    'with CNI names are resolved only where its dnsname plug-in is installed',
    `networks by ${networkBackend}`,
    when(
      networkBackend === 'cni',
      'note',
      'networks are made by CNI',
      'install netavark and aardvark-dns, or see that the plug-in dnsname is there',
    ),
  );
}

/** Measured, Podman 5.8.6 with netavark 1.17.2: without nft no container has a network, and iptables does not help. */
function firewallResult({ version }: Podman, nftables: boolean): Result[] {
  if (!isAtLeast(version, '5.0')) return [];
  return [
    result(
      'network.firewall',
      'from version 5 on Podman forwards ports by nftables, and version 6 has nothing else',
      'the program nft is there',
      when(
        !nftables,
        isAtLeast(version, '6.0') ? 'critical' : 'warning',
        'there is no program nft',
        'sudo apt install nftables, or sudo dnf install nftables',
      ),
    ),
  ];
}

function forwardingResult({ version, rootless }: Podman, forwarding: Forwarding): Result[] {
  if (rootless || forwarding === 'unknown' || !isAtLeast(version, '5.0')) return [];
  return [
    result(
      'network.forwarding',
      'Docker has the machine drop what is forwarded for nobody it knows, and Podman cannot open that by nftables',
      'containers of one network reach each other',
      when(
        forwarding === 'closed',
        'warning',
        'the firewall drops what containers of Podman send each other',
        'sudo iptables -I DOCKER-USER -i podman+ -o podman+ -j ACCEPT, again after each start of Docker',
      ),
    ),
  ];
}

function tunResult(tun: boolean): Result {
  return result(
    'network.tun',
    'rootless, the network of containers is made of it',
    '/dev/net/tun can be opened',
    when(
      !tun,
      'critical',
      '/dev/net/tun cannot be opened',
      'sudo modprobe tun && sudo chmod 0666 /dev/net/tun',
    ),
  );
}

/** Ports that others hold than the project's own containers on Docker. While Docker does not answer, nobody knows whose they are. */
export function portChecks({ docker }: Source): Check[] {
  if (docker instanceof RollbackError) return [];
  const why = 'what somebody else holds the service cannot publish';
  const free = result('network.ports', why, 'the published ports are free, or its own', undefined);
  if (docker.takenPorts.length === 0) return checksOf('network', [free]);
  return docker.takenPorts.flatMap(({ service, port, holder }) => {
    const problem = {
      grade: 'critical',
      finding: `port ${port} is held by ${holder}`,
      fix: `end that one, or publish another port`,
    } as const;
    return checksOf('network', [result('network.ports', why, '', problem)], service);
  });
}

export async function backupResults({ backup, backupDir, docker, project }: Source): Promise<Result[]> {
  const [writable, free, changed] = await Promise.all([
    isWritable(backupDir),
    freeBytes(backupDir),
    lastChange(project.files),
  ]);
  const data = 'version' in docker ? docker.volumes : null;
  return [
    pointResult(backup, changed),
    result(
      'backup.directory',
      'backups and points are written there',
      `${backupDir} can be written`,
      when(!writable, 'critical', `${backupDir} cannot be written`, 'choose another place with --backup-dir'),
    ),
    result(
      'backup.disk',
      'a backup with data may need as much space as the volumes have',
      data === null
        ? `${bytes(free)} free in ${backupDir}; how much the volumes have cannot be told from here`
        : `${bytes(free)} free in ${backupDir}, the volumes have ${bytes(data)}`,
      when(
        data !== null && free < data,
        'warning',
        `${bytes(free)} free in ${backupDir}, and the volumes have ${bytes(data ?? 0)}`,
        'free some space there, or choose another place with --backup-dir',
      ),
    ),
  ];
}

function pointResult(backup: Source['backup'], changed: number): Result {
  const why = 'a move leaves Docker as it is until it is finalized; a backup outlasts that';
  const fix = 'compose-rollback migrate backup';
  if (backup instanceof RollbackError) {
    const { message, hint = 'compose-rollback verify' } = backup;
    return result('backup.point', why, '', { grade: 'warning', finding: message, fix: hint });
  }
  if (!backup)
    return result('backup.point', why, '', { grade: 'note', finding: 'there is no backup yet', fix });
  const { id, timestamp } = backup;
  const age = aged(timestamp, new Date().toISOString(), 'old');
  const stale = Date.parse(timestamp) < changed;
  const newer = `the newest backup (${id}) is ${age}, and the compose files changed since`;
  return result('backup.point', why, `the newest backup (${id}) is ${age}`, when(stale, 'note', newer, fix));
}

/** When one of the files last changed, in milliseconds; those that are gone are told of elsewhere. */
async function lastChange(files: string[]): Promise<number> {
  const times = files.map(async (file) => {
    try {
      return (await stat(file)).mtimeMs;
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  });
  return Math.max(0, ...(await Promise.all(times)));
}
