import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { CONTAINER_FACTS, type Facts, type Settings, splitKey } from '../../src/model/facts.js';
import { compareFacts } from '../../src/plan/facts.js';
import { connectTestEngine, docker, isPodmanBefore, PODMAN } from '../support/engine.js';

/**
 * Each setting of a container by itself, given by the engine's own program: it is found, and nothing else seems to change with it. A fact that is left
 * out of the table or of the inspection makes this fail.
 */

/** Facts by the options that change them. */
const OPTIONS: [fact: string, options: string[], more?: string[]][] = [
  ['environment.A', ['--env', 'A=2']],
  ['user', ['--user', '5:6']],
  ['working_dir', ['--workdir', '/tmp']],
  ['label.mine', ['--label', 'mine=1']],
  ['stop_signal', ['--stop-signal', 'SIGINT']],
  ['stop_grace_period', ['--stop-timeout', '7']],
  ['healthcheck', ['--health-cmd', 'true', '--health-interval', '9s']],
  ['hostname', ['--hostname', 'other']],
  ['domainname', ['--domainname', 'example.org']],
  ['tty', ['--tty']],
  ['stdin_open', ['--interactive']],
  ['init', ['--init']],
  ['restart', ['--restart', 'on-failure:3']],
  // Podman 4.3 adds file systems to write to.
  ['read_only', ['--read-only'], ['mount./run', 'mount./tmp', 'mount./var/tmp']],
  // Podman tells what it takes away from all others.
  ['privileged', ['--privileged'], ['security_opt', 'cap_drop']],
  ['cap_add', ['--cap-add', 'NET_ADMIN']],
  ['cap_drop', ['--cap-drop', 'CHOWN']],
  ['security_opt', ['--security-opt', 'no-new-privileges']],
  ['group_add', ['--group-add', '7']],
  ['sysctl.net.core.somaxconn', ['--sysctl', 'net.core.somaxconn=512']],
  ['devices', ['--device', '/dev/null:/dev/other:r']],
  ['mount./here', ['--volume', '/usr:/here:ro']],
  ['mount./temporary', ['--tmpfs', '/temporary:size=1m']],
  ['expose.99/tcp', ['--expose', '99']],
  ['port.98/tcp', ['--publish', '127.0.0.1:29871:98'], ['expose.98/tcp']],
  ['dns', ['--dns', '192.0.2.1']],
  ['dns_opt', ['--dns-option', 'timeout:3']],
  ['dns_search', ['--dns-search', 'example.org']],
  ['extra_hosts', ['--add-host', 'other:192.0.2.7']],
  // Docker turns SELinux off for these.
  ['pid', ['--pid', 'host'], ['security_opt']],
  ['ipc', ['--ipc', 'host'], ['security_opt']],
  ['shm_size', ['--shm-size', '32m']],
  // Podman 4.3 leaves its own limits out then.
  ['ulimit.core', ['--ulimit', 'core=11:12'], ['ulimit.nofile', 'ulimit.nproc']],
  ['logging', ['--log-driver', 'none']],
  ['mem_limit', ['--memory', '64m']],
  ['mem_reservation', ['--memory-reservation', '32m']],
  ['memswap_limit', ['--memory', '64m', '--memory-swap', '96m'], ['mem_limit']],
  ['oom_score_adj', ['--oom-score-adj', '10']],
  ['cpus', ['--cpus', '0.5']],
  ['cpu_shares', ['--cpu-shares', '33']],
  ['cpu_quota', ['--cpu-quota', '9000']],
  ['cpu_period', ['--cpu-period', '9000']],
  ['cpuset', ['--cpuset-cpus', '0']],
  ['pids_limit', ['--pids-limit', '77']],
];

/** Facts that Podman does not tell (measured, 5.8.6). */
const UNKNOWN_TO_PODMAN = ['domainname', 'sysctl.net.core.somaxconn'];
/** The API of 4.3.1 does not tell `ipc`, and docker's command line cannot ask it for a device. */
const UNKNOWN_TO_PODMAN_4 = ['devices', 'ipc'];

const unknown = [
  ...(PODMAN === undefined ? [] : UNKNOWN_TO_PODMAN),
  ...((await isPodmanBefore(5, 0)) ? UNKNOWN_TO_PODMAN_4 : []),
];

const IMAGE = 'busybox:latest';
const made: string[] = [];
let engine: Engine;
let plain: Settings;

async function settingsOf(...options: string[]): Promise<Settings> {
  const id = await docker('create', ...options, IMAGE, 'sleep', '1');
  made.push(id);
  const container = await engine.container(id);
  return container?.settings ?? expect.fail(`${id} is gone`);
}

const asFacts = (settings: Settings): Facts =>
  Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) =>
      key === 'name' ? [] : [[key, { value, origin: 'set' }]],
    ),
  );

beforeAll(async () => {
  engine = await connectTestEngine();
  plain = await settingsOf();
});

afterAll(async () => {
  if (made.length > 0) await docker('rm', '--force', ...made);
});

it('two containers that were made alike differ in nothing', async () => {
  expect(compareFacts('service', 'x', asFacts(plain), asFacts(await settingsOf())).differences).toEqual([]);
});

it.each(OPTIONS.filter(([fact]) => !unknown.includes(fact)))('%s', async (fact, options, more = []) => {
  const { differences } = compareFacts('service', 'x', asFacts(plain), asFacts(await settingsOf(...options)));
  const found = differences.map(({ key }) => key).filter((key) => !more.includes(key));
  expect(found).toEqual([fact]);
});

it('command and entrypoint', async () => {
  const id = await docker('create', '--entrypoint', '/bin/true', IMAGE, 'x');
  made.push(id);
  const { settings } = (await engine.container(id)) ?? expect.fail('it is gone');
  expect(settings).toMatchObject({ entrypoint: ['/bin/true'], command: ['x'] });
});

it('networks with aliases and addresses, and namespaces of another container', async () => {
  const network = `facts-${process.pid}`;
  const subnet = `198.18.${randomInt(256)}`;
  await docker('network', 'create', '--subnet', `${subnet}.0/24`, network);
  try {
    const options = ['--network', network, '--network-alias', 'one', '--ip', `${subnet}.9`];
    const settings = await settingsOf(...options);
    const address = PODMAN === undefined ? { ipv4: `${subnet}.9` } : {};
    expect(settings[`network.${network}`]).toMatchObject({ aliases: ['one'], ...address });
    const owner = made.at(-1) ?? '';
    expect(await settingsOf('--network', `container:${owner}`)).toMatchObject({
      network_mode: `container:${owner}`,
    });
  } finally {
    await docker('rm', '--force', ...made.splice(0));
    await docker('network', 'rm', network);
  }
});

it('a table has no fact that nothing here gives, but those of files and of platforms', () => {
  const tested = new Set(OPTIONS.map(([fact]) => splitKey(fact)[0]));
  const others = Object.keys(CONTAINER_FACTS).filter((key) => !tested.has(key));
  // In the property: annotation, blkio, cgroup…, content, device…, links, uts, userns, volumes_from; here by themselves: command, entrypoint, network.
  expect(others.toSorted()).toEqual([
    'annotation',
    'blkio',
    'cgroup',
    'cgroup_parent',
    'command',
    'content',
    'cpu_count',
    'cpu_percent',
    'cpu_rt_period',
    'cpu_rt_runtime',
    'cpuset_mems',
    'device_cgroup_rules',
    'device_requests',
    'entrypoint',
    'isolation',
    'links',
    'logging_option',
    'mem_swappiness',
    'name',
    'network',
    'network_mode',
    'oom_kill_disable',
    'publish_all_ports',
    'runtime',
    'storage_opt',
    'userns_mode',
    'uts',
    'volume_driver',
    'volumes_from',
  ]);
});
