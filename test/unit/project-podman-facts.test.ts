import { describe, expect, it } from 'vitest';
import { toNetworkSettings, toSettings } from '../../src/engine/docker-settings.js';
import { composeModelSchema } from '../../src/model/compose.js';
import type { Settings } from '../../src/model/facts.js';
import { withAskedGateways, withAskedValues } from '../../src/project/podman-facts.js';

/** Answers as Podman 5.8.6 gives them. */

const model = composeModelSchema.parse({
  services: {
    web: {
      ports: [
        { target: 80, published: '8080' },
        { target: 81 },
        { target: 82, published: '0', host_ip: '127.0.0.1' },
        { target: 83, published: '9000-9010', protocol: 'udp' },
      ],
      networks: {
        front: { ipv4_address: '10.9.0.7', ipv6_address: 'fd00::7' },
        back: null,
      },
    },
  },
  networks: { front: { name: 'outer' }, back: {} },
});

const asked = (settings: Settings, addresses: Record<string, string>, isTrusted = true) =>
  withAskedValues(settings, { addresses }, { model, project: 'shop', service: 'web', isTrusted });

describe('ports', () => {
  it.each([
    ['fixed', 'port.80/tcp', ['0.0.0.0:8080'], ['0.0.0.0:8080']],
    ['fixed, and changed', 'port.80/tcp', ['0.0.0.0:8081'], ['0.0.0.0:8081']],
    ['chosen by Podman', 'port.81/tcp', ['0.0.0.0:46383'], ['0.0.0.0:']],
    ['chosen by Podman at one address', 'port.82/tcp', ['127.0.0.1:46383'], ['127.0.0.1:']],
    ['at another address', 'port.82/tcp', ['127.0.0.2:46383'], ['127.0.0.2:46383']],
    ['out of a range', 'port.83/udp', ['0.0.0.0:9003'], ['0.0.0.0:9000-9010']],
    ['in no definition', 'port.99/tcp', ['0.0.0.0:9003'], ['0.0.0.0:9003']],
  ])('%s', (_, key, found, expected) => {
    expect(asked({ [key]: found }, {})).toEqual({ [key]: expected });
  });
});

describe('addresses', () => {
  const outer = { aliases: ['web'] };

  it.each([
    ['as defined', '10.9.0.7', true, { ...outer, ipv4: '10.9.0.7', ipv6: 'fd00::7' }],
    ['changed by hand', '10.9.0.8', true, { ...outer, ipv4: '10.9.0.8', ipv6: 'fd00::7' }],
    ['of a stopped container', undefined, true, { ...outer, ipv4: '10.9.0.7', ipv6: 'fd00::7' }],
    ['of another definition', '10.9.0.8', false, outer],
    ['of another definition, and the same', '10.9.0.7', false, { ...outer, ipv4: '10.9.0.7' }],
  ])('%s', (_, address, isTrusted, expected) => {
    const addresses = address === undefined ? {} : { outer: address };
    expect(asked({ 'network.outer': outer }, addresses, isTrusted)).toEqual({ 'network.outer': expected });
  });

  it('that nobody asked for are left out', () => {
    const settings = { 'network.shop_back': { aliases: ['web'] } };
    expect(asked(settings, { shop_back: '10.8.0.2' })).toEqual(settings);
  });
});

it('gateways that nobody asked for are left out', () => {
  const found = {
    driver: 'bridge',
    subnets: [
      { subnet: '10.9.0.0/24', gateway: '10.9.0.1' },
      { subnet: '10.8.0.0/24', gateway: '10.8.0.5' },
    ],
  };
  const config = [{ subnet: '10.9.0.0/24' }, { subnet: '10.8.0.0/24', gateway: '10.8.0.5' }];
  expect(withAskedGateways(found, { ipam: { config } })).toEqual({
    driver: 'bridge',
    subnets: [{ subnet: '10.9.0.0/24' }, { subnet: '10.8.0.0/24', gateway: '10.8.0.5' }],
  });
  expect(withAskedGateways(found, {})).toEqual(found);
});

it('values that Podman fills in by itself are no settings of a container', () => {
  const host = {
    Annotations: {
      'io.podman.annotations.init': 'TRUE',
      'io.container.manager': 'libpod',
      'io.kubernetes.cri-o.SandboxID': 'a'.repeat(64),
      'org.opencontainers.image.stopSignal': '15',
      'org.systemd.property.KillSignal': '15',
      'org.systemd.property.TimeoutStopUSec': 'uint64 10000000',
      mine: 'yes',
    },
    CgroupParent: `/libpod_parent/${'a'.repeat(64)}`,
    PidMode: 'private',
    UTSMode: 'private',
    NanoCpus: 500_000_000,
    CpuPeriod: 100_000,
    CpuQuota: 50_000,
  };
  const networkOf = (machine: string) => ({
    IPAddress: '',
    Aliases: ['shop-web-1', 'web', 'e95a0324b82e', machine],
  });
  const settings = toSettings(
    {
      Id: 'e95a0324b82ed6b5',
      Name: '/shop-web-1',
      Path: '/run/podman-init',
      Args: [],
      Image: 'sha256:a',
      State: { Status: 'created', ExitCode: 0, StartedAt: '', Pid: 0 },
      Config: {
        Image: 'busybox',
        Hostname: 'web-host',
        Tty: true,
        Env: ['container=podman', 'HOSTNAME=web-host', 'HOME=/root', 'TERM=xterm'],
        StopSignal: '15',
        WorkingDir: '/',
        Entrypoint: [],
        Healthcheck: { Test: ['CMD', 'true'], Interval: 30e9, Timeout: 30e9, Retries: 3 },
      },
      HostConfig: host,
      NetworkSettings: { Networks: { shop_back: networkOf('web-host') } },
    },
    true,
  );
  expect(settings).toEqual({
    name: 'shop-web-1',
    healthcheck: { Test: ['CMD', 'true'] },
    'annotation.mine': 'yes',
    hostname: 'web-host',
    tty: true,
    cpus: 500_000_000,
    'network.shop_back': { aliases: ['web', '{name}'] },
  });
});

it('the networks of another container are no settings of one that lives in them', () => {
  const owner = 'a'.repeat(64);
  const document = {
    Id: 'b'.repeat(64),
    Name: '/shop-follower-1',
    Path: 'sleep',
    Args: [],
    Image: 'sha256:a',
    State: { Status: 'created', ExitCode: 0, StartedAt: '', Pid: 0 },
    Config: { Image: 'busybox' },
    HostConfig: { NetworkMode: `container:${owner}` },
    NetworkSettings: { Networks: { shop_back: { IPAddress: '10.8.0.2', Aliases: [owner.slice(0, 12)] } } },
  };
  expect(toSettings(document, true)).toEqual({
    name: 'shop-follower-1',
    network_mode: `container:${owner}`,
  });
});

it('values that Podman fills in by itself are no settings of a network', () => {
  const document = { Id: 'a', Name: 'shop_back', Driver: 'bridge', EnableIPv4: false, EnableIPv6: false };
  const subnets = [{ Subnet: '10.8.0.0/24', Gateway: '10.8.0.1' }];
  const ipam = (driver: string) => ({ Driver: 'default', Options: { driver, a: 'b' }, Config: subnets });
  const expected = {
    driver: 'bridge',
    subnets: [{ subnet: '10.8.0.0/24', gateway: '10.8.0.1' }],
    'ipam_option.a': 'b',
  };
  expect(toNetworkSettings({ ...document, IPAM: ipam('host-local') })).toEqual(expected);
  expect(toNetworkSettings({ ...document, IPAM: ipam('dhcp') })).toEqual({
    ...expected,
    ipam_driver: 'dhcp',
  });
});
