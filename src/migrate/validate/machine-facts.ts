import { access, constants, open, readFile, realpath, stat } from 'node:fs/promises';
import { availableParallelism, freemem, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { findProgram } from '../../engine/search-path.js';
import { hasCode, isDenied, isMissing } from '../../project/paths.js';
import { spaceIn } from '../../store/space.js';
import { findForwarding, type Forwarding } from './forwarding.js';

/** What of a machine decides whether Podman runs well on it, for the user who asks. Nothing here changes anything. */
export interface Machine {
  platform: NodeJS.Platform;
  kernel: string;
  processors: number;
  memory: { total: number; available: number };
  user: { id: number; name: string };
  /** Does systemd run here, and, for others than root, for this user? */
  systemd: boolean;
  /** Do the user's processes go on when they log out? */
  lingering: boolean;
  runtimeDirectory: { path: string | undefined; problem: string | undefined };
  /** How many ids the user may have in a namespace. */
  subordinate: { uids: number; gids: number };
  /** Programs that are needed to use them, and are not on PATH. */
  missingMappers: string[];
  /** May a user make namespaces? */
  namespaces: { user: boolean; network: boolean };
  /** The lowest port that others than root may open. */
  lowestPort: number;
  /** May the user open /dev/net/tun? */
  tun: boolean;
  /** Is the program nft there? */
  nftables: boolean;
  forwarding: Forwarding;
}

type Environment = Record<string, string | undefined>;

export async function lookAtMachine(env: Environment, name: string): Promise<Machine> {
  const id = process.geteuid?.() ?? 0;
  const user = { id, name };
  return {
    platform: process.platform,
    kernel: release(),
    processors: availableParallelism(),
    memory: { total: totalmem(), available: await availableMemory() },
    user,
    systemd: await hasSystemd(id, env),
    lingering: await isThere(join('/var/lib/systemd/linger', name)),
    runtimeDirectory: await lookAtRuntimeDirectory(id, env),
    subordinate: {
      uids: await subordinateIds('/etc/subuid', user),
      gids: await subordinateIds('/etc/subgid', user),
    },
    missingMappers: await missingPrograms(['newuidmap', 'newgidmap'], env),
    namespaces: await lookAtNamespaces(),
    lowestPort: (await setting('net/ipv4/ip_unprivileged_port_start')) ?? 1024,
    tun: await canOpen('/dev/net/tun'),
    // Podman looks there too, whatever the user's PATH is.
    nftables: (await findProgram('nft', { PATH: `${env['PATH'] ?? ''}:/usr/sbin:/sbin` })) !== undefined,
    forwarding: await findForwarding(env),
  };
}

/** Bytes that are free for us where `path` is, or would be. */
export async function freeBytes(path: string): Promise<number> {
  return await spaceIn(await nearest(path));
}

/** May we write there, or make it? */
export async function isWritable(path: string): Promise<boolean> {
  try {
    await access(await nearest(path), constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    if (isDenied(error) || hasCode(error, 'EROFS')) return false;
    throw error;
  }
}

/** The path itself, or the first folder above that is there. */
async function nearest(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return await nearest(dirname(path));
  }
}

async function textOrNothing(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error) || isDenied(error)) return '';
    throw error;
  }
}

/** With what the kernel would give back at once. */
async function availableMemory(): Promise<number> {
  const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(await textOrNothing('/proc/meminfo')) ?? [];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
}

/** A number below /proc/sys; undefined where the kernel has no such setting. */
async function setting(path: string): Promise<number | undefined> {
  const text = await textOrNothing(join('/proc/sys', path));
  return text === '' ? undefined : Number.parseInt(text, 10);
}

async function lookAtNamespaces(): Promise<Machine['namespaces']> {
  const [user, network, clone] = await Promise.all([
    setting('user/max_user_namespaces'),
    setting('user/max_net_namespaces'),
    setting('kernel/unprivileged_userns_clone'), // Debian's own.
  ]);
  return { user: user !== 0 && clone !== 0, network: network !== 0 };
}

/** For this user: what others have is not there. */
async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error) || isDenied(error)) return false;
    throw error;
  }
}

async function hasSystemd(id: number, { XDG_RUNTIME_DIR: own }: Environment): Promise<boolean> {
  if (!(await isThere('/run/systemd/system'))) return false;
  return id === 0 || (own !== undefined && (await isThere(join(own, 'systemd'))));
}

async function lookAtRuntimeDirectory(
  id: number,
  { XDG_RUNTIME_DIR: path }: Environment,
): Promise<Machine['runtimeDirectory']> {
  if (!path) return { path: undefined, problem: 'it is not set' };
  try {
    const { uid } = await stat(path);
    return { path, problem: uid === id ? undefined : `${path} belongs to another user` };
  } catch (error) {
    if (isMissing(error)) return { path, problem: `there is no ${path}` };
    if (isDenied(error)) return { path, problem: `${path} belongs to another user` };
    throw error;
  }
}

/** `name:100000:65536`, the user by name or id. */
async function subordinateIds(file: string, { id, name }: Machine['user']): Promise<number> {
  const rows = (await textOrNothing(file)).split('\n').map((row) => row.trim().split(':'));
  return rows
    .filter(([owner]) => owner === name || owner === String(id))
    .reduce((sum, [, , count]) => sum + (Number.parseInt(count ?? '', 10) || 0), 0);
}

async function missingPrograms(names: string[], env: Environment): Promise<string[]> {
  const found = await Promise.all(names.map((name) => findProgram(name, env)));
  return names.filter((_, index) => found[index] === undefined);
}

async function canOpen(device: string): Promise<boolean> {
  try {
    await using _ = await open(device, constants.O_RDWR);
    return true;
  } catch (error) {
    if (isMissing(error) || isDenied(error) || hasCode(error, 'ENODEV', 'ENXIO')) return false;
    throw error;
  }
}
