import { top, web, type Facet, type Fragment } from './fragments.js';
import type { Yaml } from './keys.js';

/** Networks, names, addresses and ports. `%NET%` stands for the first three numbers of a subnet of the case's own. */

/** A container that is not the project's. */
const STRANGER = [
  'run --detach --init --name %NAME%-outside --label property=%NAME% busybox:latest sleep infinity'.split(
    ' ',
  ),
];

const SHARED = ['network_mode'];

/** The service on a network with these settings of its attachment. */
const attached = (settings: Yaml, network: Yaml = {}): Fragment => ({
  ...web({ networks: { front: settings } }),
  ...top({ networks: { front: network } }),
});

/** A port that is published is one that something listens on: our program asks. */
const published = (...ports: Yaml[]): Fragment => web({ command: ['httpd', '-f', '-p', '80'], ports });

const SUBNET = { ipam: { config: [{ subnet: '%NET%.0/25' }] } };
const SIX = { enable_ipv6: true, ipam: { config: [{ subnet: '%NET%.0/25' }, { subnet: '%SIX%::/64' }] } };

const defined = (network: Yaml): Fragment => attached(null, network);

export const NETWORK_FACETS: Facet[] = [
  {
    name: 'dns',
    values: [{}, web({ dns: '192.0.2.1' }), web({ dns: ['192.0.2.2', '192.0.2.3'] })],
    clash: SHARED,
  },
  {
    name: 'dns_opt',
    values: [{}, web({ dns_opt: ['ndots:2'] }), web({ dns_opt: ['ndots:3'] })],
    clash: SHARED,
  },
  {
    name: 'dns_search',
    values: [{}, web({ dns_search: 'one.example' }), web({ dns_search: ['two.example'] })],
    clash: SHARED,
  },
  {
    name: 'extra_hosts',
    values: [
      {},
      web({ extra_hosts: ['one:192.0.2.1'] }),
      web({ extra_hosts: { one: '192.0.2.2', two: 'host-gateway' } }),
    ],
    clash: SHARED,
  },
  { name: 'expose', values: [{}, web({ expose: ['80'] }), web({ expose: ['81', '82/udp'] })], clash: SHARED },
  {
    name: 'ports',
    single: true,
    values: [
      {},
      published('127.0.0.1::80'),
      published('127.0.0.1:%PORT%:80'),
      published({ target: 80, published: '%PORT%', host_ip: '127.0.0.1', protocol: 'tcp', mode: 'host' }),
      published('127.0.0.1:%PORT%:80', {
        target: 81,
        published: '%PORT%',
        host_ip: '127.0.0.2',
        protocol: 'udp',
        mode: 'ingress',
      }),
    ],
    clash: [...SHARED, 'user', 'entrypoint', 'cap_drop', 'sysctls'],
  },
  {
    name: 'ports in words',
    single: true,
    values: [1, 2].map((n) =>
      published({
        target: 80,
        published: '%PORT%',
        host_ip: '127.0.0.1',
        name: `n${n}`,
        app_protocol: `p${n}`,
      }),
    ),
    clash: [...SHARED, 'user', 'entrypoint', 'cap_drop', 'sysctls'],
    unseen: 'names for people',
  },
  {
    name: 'links',
    values: [{}, web({ links: ['peer'] }), web({ links: ['peer:other'] })],
    clash: SHARED,
    unseen: 'compose keeps links of its services as aliases only when the network is no default one',
  },
  {
    name: 'external_links',
    values: [
      {},
      { ...web({ external_links: ['%NAME%-outside:one'] }), outside: STRANGER },
      { ...web({ external_links: ['%NAME%-outside:two'] }), outside: STRANGER },
    ],
    clash: SHARED,
  },
  {
    name: 'mac_address',
    single: true,
    values: [{}, web({ mac_address: '02:00:5e:00:00:01' }), web({ mac_address: '02:00:5e:00:00:02' })],
    clash: SHARED,
  },
  {
    name: 'network_mode',
    values: [
      {},
      web({ network_mode: 'none' }),
      web({ network_mode: 'host' }),
      web({ network_mode: 'bridge' }),
      web({ network_mode: 'service:peer' }),
      { ...web({ network_mode: 'container:%NAME%-outside' }), outside: STRANGER },
    ],
    clash: ['networks', 'hostname', 'domainname', 'uts', 'pid'],
  },
  {
    name: 'networks',
    values: [
      {},
      { ...web({ networks: ['front'] }), ...top({ networks: { front: {} } }) },
      { ...web({ networks: ['front', 'back'] }), ...top({ networks: { front: {}, back: {} } }) },
      { ...web({ networks: { default: null, back: null } }), ...top({ networks: { back: {} } }) },
    ],
    clash: SHARED,
  },
  {
    name: 'networks aliases',
    values: [{}, attached({ aliases: ['one'] }), attached({ aliases: ['one', 'two'] })],
    clash: SHARED,
  },
  {
    name: 'networks addresses',
    single: true,
    values: [
      attached({}, SUBNET),
      attached({ ipv4_address: '%NET%.10' }, SUBNET),
      attached({ ipv4_address: '%NET%.11' }, SUBNET),
    ],
    clash: SHARED,
  },
  {
    name: 'networks IPv6 addresses',
    single: true,
    values: [
      attached({}, SIX),
      attached({ ipv6_address: '%SIX%::10' }, SIX),
      attached({ ipv6_address: '%SIX%::11' }, SIX),
    ],
    clash: SHARED,
  },
  {
    name: 'networks settings',
    single: true,
    values: [
      attached({}, SUBNET),
      attached({ interface_name: 'wan0' }, SUBNET),
      attached({ interface_name: 'wan1' }, SUBNET),
      attached({ link_local_ips: ['169.254.7.7'] }, SUBNET),
      attached({ mac_address: '02:00:5e:00:00:03' }, SUBNET),
      attached({ mac_address: '02:00:5e:00:00:04' }, SUBNET),
      attached({ gw_priority: 3 }, SUBNET),
      attached(
        { driver_opts: { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.log_martians=1' } },
        SUBNET,
      ),
    ],
    clash: SHARED,
  },
  {
    name: 'networks priority',
    values: [{}, attached({ priority: 1 }), attached({ priority: 2 })].slice(1),
    clash: SHARED,
    unseen: 'only orders the connections',
  },
  {
    name: 'network definition',
    values: [
      defined({}),
      defined({ internal: true }),
      defined({ attachable: true }),
      defined({ labels: { 'org.example.a': '1' } }),
      defined({ labels: ['org.example.a=2'] }),
      defined({ driver: 'bridge', driver_opts: { 'com.docker.network.driver.mtu': '1400' } }),
      defined({ driver_opts: { 'com.docker.network.driver.mtu': '1300' } }),
      defined({ name: '%NAME%-front' }),
      defined({ name: '%NAME%-other' }),
    ],
    clash: SHARED,
  },
  {
    name: 'network IPAM',
    values: [
      defined({}),
      defined({ enable_ipv6: true, ipam: { config: [{ subnet: '%SIX%::/64' }] } }),
      defined({ ipam: { driver: 'default', config: [{ subnet: '%NET%.0/25' }] } }),
      defined({ ipam: { config: [{ subnet: '%NET%.128/26' }] } }),
      defined({ ipam: { config: [{ subnet: '%NET%.0/25', gateway: '%NET%.5' }] } }),
      defined({ ipam: { config: [{ subnet: '%NET%.0/25', ip_range: '%NET%.64/26' }] } }),
      defined({ ipam: { config: [{ subnet: '%NET%.0/25', aux_addresses: { router: '%NET%.9' } }] } }),
      defined({ ipam: { driver: 'default', options: { a: 'b' }, config: [{ subnet: '%NET%.0/25' }] } }),
      defined({
        enable_ipv4: false,
        enable_ipv6: true,
        ipam: { config: [{ subnet: '%SIX%::/64' }] },
      }),
    ],
    clash: SHARED,
  },
  {
    name: 'network external',
    values: [
      defined({ name: '%NAME%-far' }),
      {
        ...defined({ name: '%NAME%-outer', external: true }),
        outside: [['network', 'create', '--label', 'property=%NAME%', '%NAME%-outer']],
      },
      {
        ...defined({ external: { name: '%NAME%-outer2' } }),
        outside: [['network', 'create', '--label', 'property=%NAME%', '%NAME%-outer2']],
      },
    ],
    clash: SHARED,
  },
];
