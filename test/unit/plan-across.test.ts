import { describe, expect, it } from 'vitest';
import {
  CONTAINER_FACTS,
  type Fact,
  type Facts,
  type Json,
  NETWORK_FACTS,
  type Origin,
  VOLUME_FACTS,
} from '../../src/model/facts.js';
import { compareFacts } from '../../src/plan/facts.js';

/** Facts that one kind of engine told, against those that the other tells. Values as Docker 28.5, Podman 5.8 and podman-compose 1.6 gave them. */

const fact = (value: Json, origin: Origin = 'set'): Fact => ({ value, origin });
const facts = (values: Record<string, Json>): Facts =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fact(value)]));
const compare = (was: Facts, is: Facts) => compareFacts('service', 'web', was, is, 'other');

const CHECK = { Test: ['CMD', 'test', '-e', '/a'], Timeout: 5e9 };
const MOST =
  'CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  );
const EVERY = [...MOST, ...Array.from({ length: 20 }, (_, index) => `OTHER_${index}`)];
const volume = (options?: Json): Json => ({
  type: 'volume',
  volume: 'shop_data',
  ...(options === undefined ? {} : { options }),
});

describe('the same setting in the words of each engine', () => {
  it.each<[string, Record<string, Json>, Record<string, Json>]>([
    ['a generated name', { name: 'shop-web-N' }, { name: 'shop_web_N' }],
    [
      'a health check with defaults',
      { healthcheck: { ...CHECK, Interval: 30e9, Retries: 3, StartInterval: 6e9 } },
      { healthcheck: CHECK },
    ],
    [
      'a health check that a shell runs',
      { healthcheck: CHECK },
      { healthcheck: { ...CHECK, Test: ['CMD-SHELL', 'test -e /a'] } },
    ],
    [
      'no health check',
      { healthcheck: { Test: ['NONE'] } },
      { healthcheck: { Test: ['NONE'], Interval: 30e9 } },
    ],
    [
      'an option that is true',
      { security_opt: ['no-new-privileges:true'] },
      { security_opt: ['no-new-privileges'] },
    ],
    ['labels that Docker disables', { ipc: 'host', security_opt: ['label=disable'] }, { ipc: 'host' }],
    ['a capability that Podman does not give', { cap_drop: ['MKNOD'] }, {}],
    ['no capabilities', { cap_drop: ['ALL'] }, { cap_drop: MOST }],
    [
      'few capabilities',
      { cap_drop: ['ALL'], cap_add: ['CHOWN', 'NET_ADMIN'] },
      { cap_drop: MOST.filter((name) => name !== 'CHOWN'), cap_add: ['NET_ADMIN'] },
    ],
    ['one more that Docker gives', { cap_add: ['NET_RAW'] }, { cap_add: ['NET_RAW'] }],
    ['all capabilities', { cap_add: ['ALL'] }, { cap_add: EVERY }],
    [
      'all privileges',
      { privileged: true, cap_add: ['NET_RAW'], security_opt: ['label=disable'] },
      { privileged: true, cap_drop: ['SYS_RESOURCE'], security_opt: ['unmask=all'] },
    ],
    ['a device', { devices: ['/dev/zero:/dev/three:r'] }, { devices: ['/dev/zero:/dev/three:rwm'] }],
    ["the machine's user namespace", { userns_mode: 'host' }, {}],
    ['a quota of processor time', { cpu_quota: 50_000, cpu_period: 100_000 }, { cpus: 500_000_000 }],
    [
      'a quota of another period',
      { cpu_quota: 60_000, cpu_period: 200_000 },
      { cpu_quota: 60_000, cpu_period: 200_000 },
    ],
    [
      'a tmpfs',
      { 'mount./run': { type: 'tmpfs' } },
      { 'mount./run': { type: 'tmpfs', options: 'rprivate,nosuid,nodev,tmpcopyup' } },
    ],
    [
      'a tmpfs with a size',
      { 'mount./run': { type: 'tmpfs', options: 'size=1m' } },
      { 'mount./run': { type: 'tmpfs', options: 'size=1m,rprivate,nosuid,nodev,tmpcopyup' } },
    ],
    [
      'options of a mounted volume',
      { 'mount./data': volume({ volume: { NoCopy: true } }) },
      { 'mount./data': volume() },
    ],
    [
      'ports at every address',
      { 'port.80/tcp': ['127.0.0.1:8080', ':'] },
      { 'port.80/tcp': ['0.0.0.0:', '127.0.0.1:8080'] },
    ],
    ['options of a log', { 'logging_option.max-size': '1m' }, {}],
    [
      'a volume without a name',
      { 'mount./cache': { type: 'volume', volume: 'a'.repeat(64) } },
      { 'mount./cache': { type: 'volume', volume: `shop_web_${'b'.repeat(64)}` } },
    ],
    [
      'the owner of a copied file',
      { 'content./etc/a': { hash: 'a', mode: 292, uid: 5, gid: 6 } },
      { 'content./etc/a': { hash: 'a', mode: 292, uid: 0, gid: 0 } },
    ],
    ['a domain name', { domainname: 'one.example' }, {}],
    ['a setting of the kernel', { 'sysctl.net.core.somaxconn': '99' }, {}],
  ])('%s', (_, docker, podman) => {
    expect(compare(facts(docker), facts(podman)).differences).toEqual([]);
    expect(compare(facts(podman), facts(docker)).differences).toEqual([]);
  });
});

describe('another setting', () => {
  it.each<[string, Record<string, Json>, Record<string, Json>, object]>([
    [
      'a health check',
      { healthcheck: CHECK },
      { healthcheck: { ...CHECK, Test: ['CMD', 'true'] } },
      { key: 'healthcheck', was: { Test: 'test -e /a', Timeout: 5e9 }, is: { Test: 'true', Timeout: 5e9 } },
    ],
    [
      'a capability',
      { cap_drop: ['CHOWN'] },
      {},
      { key: 'cap_add', was: MOST.filter((name) => name !== 'CHOWN'), is: null },
    ],
    [
      'a volume',
      { 'mount./data': volume() },
      { 'mount./data': { type: 'volume', volume: 'shop_other' } },
      { key: 'mount./data', was: volume(), is: { type: 'volume', volume: 'shop_other' }, isEssential: true },
    ],
    [
      'bytes of a copied file',
      { 'content./etc/a': { hash: 'a', mode: 292, uid: 0, gid: 0 } },
      { 'content./etc/a': { hash: 'b', mode: 292, uid: 0, gid: 0 } },
      { key: 'content./etc/a', isEssential: true, isSecret: true },
    ],
    [
      'a name of the network',
      { 'network.shop_back': { aliases: ['db', 'web', '{name}'] } },
      { 'network.shop_back': { aliases: ['web'] } },
      { key: 'network.shop_back', isEssential: true },
    ],
    [
      'a share of processors',
      { cpu_quota: 50_000 },
      { cpus: 600_000_000 },
      { key: 'cpus', was: 5e8, is: 6e8 },
    ],
  ])('%s', (_, was, is, expected) => {
    expect(compare(facts(was), facts(is)).differences).toMatchObject([expected]);
  });
});

/** Two settings of each kind; texts where that does. */
const TWO: Record<string, [Json, Json]> = {
  cap_add: [['NET_ADMIN'], ['SYS_TIME']],
  cap_drop: [['CHOWN'], ['KILL']],
  cpu_quota: [50_000, 60_000],
};

describe('each kind of fact', () => {
  it.each(Object.entries(CONTAINER_FACTS))('%s', (key, { across }) => {
    const [one, other] = TWO[key] ?? ['one', 'other'];
    const count = (was: Facts, is: Facts) => compare(was, is).differences.length;
    const isTold = across?.how === 'never' ? 0 : 1;
    expect(count({ [key]: fact(one) }, { [key]: fact(other) })).toBe(isTold);
    expect(count({ [key]: fact(one) }, {})).toBe(isTold);
    expect(count({}, { [key]: fact(one) })).toBe(across?.how === 'when-asked' ? 0 : isTold);
    expect(across?.because ?? 'equal by its value').not.toBe('');
  });

  it.each(Object.entries(NETWORK_FACTS))('%s of a network', (key, { across }) => {
    const found = compareFacts('network', 'n', { [key]: fact('one') }, { [key]: fact('other') }, 'other');
    expect(found.differences).toHaveLength(across?.how === 'never' ? 0 : 1);
  });

  it.each(Object.entries(VOLUME_FACTS))('%s of a volume', (key, { across }) => {
    const found = compareFacts('volume', 'v', { [key]: fact('one') }, { [key]: fact('other') }, 'other');
    expect(found.differences).toHaveLength(across?.how === 'never' ? 0 : 1);
  });
});

it('an option of a network driver', () => {
  const option = (name: string) => ({ [`option.${name}`]: fact('1400') });
  const [docker, podman] = [option('com.docker.network.driver.mtu'), option('mtu')];
  expect(compareFacts('network', 'n', docker, podman, 'other')).toMatchObject({ equal: 1, differences: [] });
});

it('defaults of two engines say nothing', () => {
  const daemon = (value: Json) => fact(value, 'daemon');
  const docker = { logging: daemon('json-file'), runtime: daemon('runc'), shm_size: daemon(67_108_864) };
  const podman = { logging: daemon('journald'), runtime: daemon('crun'), 'ulimit.nofile': fact({ soft: 1 }) };
  expect(compare(docker, podman)).toEqual({ equal: 0, differences: [], defaults: [] });
  expect(compare({ logging: fact('syslog') }, podman).differences).toMatchObject([
    { key: 'logging', was: 'syslog', is: 'journald' },
  ]);
});
