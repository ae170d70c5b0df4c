import { web, type Facet, type Fragment } from './fragments.js';
import type { Yaml } from './keys.js';

/** Limits, devices, kernel settings, and how often a service runs. */

const DISK = '%DISK%';

const io = (key: string): Facet => ({
  name: `blkio ${key}`,
  values: [
    {},
    ...['1mb', '2mb'].map((rate) =>
      web({
        blkio_config: {
          [key]: [{ path: DISK, rate: key.endsWith('iops') ? rate.length * Number(rate[0]) * 100 : rate }],
        },
      }),
    ),
  ],
});

const deploy = (values: Record<string, Yaml>): Fragment => web({ deploy: values });

const update = (n: number) => ({
  parallelism: n,
  delay: `${n}s`,
  failure_action: n === 1 ? 'pause' : 'continue',
  monitor: `${n}s`,
  max_failure_ratio: n / 10,
  order: n === 1 ? 'stop-first' : 'start-first',
});

export const RESOURCE_FACETS: Facet[] = [
  ...['device_read_bps', 'device_read_iops', 'device_write_bps', 'device_write_iops'].map(io),
  {
    name: 'cgroup_parent',
    values: [{}, web({ cgroup_parent: '/property-a' }), web({ cgroup_parent: '/property-b' })],
  },
  { name: 'cpu_count', values: [{}, web({ cpu_count: 1 }), web({ cpu_count: 2 })] },
  {
    name: 'cpu_percent',
    values: [{}, web({ cpu_percent: 10 }), web({ cpu_percent: 20 })],
    unseen: 'only Windows uses it',
  },
  { name: 'cpu_shares', values: [{}, web({ cpu_shares: 256 }), web({ cpu_shares: 512 })] },
  {
    name: 'cpu_quota',
    values: [
      {},
      web({ cpu_quota: 50_000, cpu_period: 100_000 }),
      web({ cpu_quota: 60_000, cpu_period: 200_000 }),
    ],
    clash: ['cpus'],
  },
  { name: 'cpus', values: [{}, web({ cpus: 0.5 }), web({ cpus: '1.5' })], clash: ['cpu_quota', 'deploy'] },
  { name: 'cpuset', values: [{}, web({ cpuset: '0' }), web({ cpuset: '0,1' })] },
  {
    name: 'mem_limit',
    values: [{}, web({ mem_limit: '100m' }), web({ mem_limit: '200m' })],
    clash: ['deploy'],
  },
  {
    name: 'mem_reservation',
    values: [{}, web({ mem_reservation: '20m' }), web({ mem_reservation: '30m' })],
    clash: ['deploy'],
  },
  {
    name: 'memswap_limit',
    values: [
      web({ mem_limit: '100m' }),
      web({ mem_limit: '100m', memswap_limit: '150m' }),
      web({ mem_limit: '100m', memswap_limit: -1 }),
    ],
    clash: ['deploy'],
  },
  { name: 'mem_swappiness', values: [{}, web({ mem_swappiness: 10 }), web({ mem_swappiness: 90 })] },
  {
    name: 'oom_kill_disable',
    values: [{}, web({ oom_kill_disable: true, mem_limit: '300m' })],
    clash: ['deploy'],
  },
  { name: 'oom_score_adj', values: [{}, web({ oom_score_adj: 100 }), web({ oom_score_adj: 200 })] },
  { name: 'pids_limit', values: [{}, web({ pids_limit: 50 }), web({ pids_limit: 60 })], clash: ['deploy'] },
  { name: 'shm_size', values: [{}, web({ shm_size: '16m' }), web({ shm_size: 33554432 })], clash: ['ipc'] },
  {
    name: 'ulimits',
    values: [
      {},
      web({ ulimits: { nofile: 1000 } }),
      web({ ulimits: { nofile: { soft: 1000, hard: 2000 } } }),
      web({ ulimits: { nofile: { soft: 1500, hard: 2500 } } }),
    ],
  },
  {
    name: 'sysctls',
    values: [{}, web({ sysctls: { 'net.core.somaxconn': 99 } }), web({ sysctls: ['net.core.somaxconn=98'] })],
    clash: ['network_mode'],
  },
  {
    name: 'devices',
    values: [
      {},
      web({ devices: ['/dev/null:/dev/one'] }),
      web({ devices: [{ source: '/dev/null', target: '/dev/two', permissions: 'rwm' }] }),
      web({ devices: [{ source: '/dev/zero', target: '/dev/three', permissions: 'r' }] }),
    ],
  },
  {
    name: 'device_cgroup_rules',
    values: [{}, web({ device_cgroup_rules: ['c 1:3 rw'] }), web({ device_cgroup_rules: ['c 1:5 r'] })],
  },
  { name: 'scale', values: [{}, web({ scale: 2 }), web({ scale: 3 })], clash: ['deploy'], multiple: true },
  {
    name: 'deploy replicas',
    alone: true,
    values: [{}, deploy({ replicas: 2 }), deploy({ replicas: 0 })],
    clash: ['scale'],
    multiple: true,
  },
  {
    name: 'deploy limits',
    values: [
      {},
      deploy({ resources: { limits: { cpus: '0.5', memory: '100m', pids: 50 } } }),
      deploy({ resources: { limits: { cpus: '0.6', memory: '120m', pids: 60 } } }),
    ],
  },
  {
    name: 'deploy reservations',
    values: [
      {},
      deploy({ resources: { reservations: { memory: '20m' } } }),
      deploy({ resources: { reservations: { memory: '30m' } } }),
    ],
  },
  {
    name: 'deploy restart_policy',
    values: [
      {},
      deploy({ restart_policy: { condition: 'on-failure', max_attempts: 2, delay: '1s', window: '9s' } }),
      deploy({ restart_policy: { condition: 'on-failure', max_attempts: 3, delay: '2s', window: '8s' } }),
      deploy({ restart_policy: { condition: 'any' } }),
    ],
    clash: ['restart'],
  },
  {
    name: 'deploy of Swarm',
    values: [
      {},
      ...[1, 2].map((n) =>
        deploy({
          mode: n === 1 ? 'replicated' : 'replicated-job',
          endpoint_mode: n === 1 ? 'vip' : 'dnsrr',
          labels: { a: `${n}` },
          rollback_config: update(n),
          update_config: update(n),
          placement: {
            constraints: [`node.labels.a==${n}`],
            preferences: [{ spread: `node.labels.b${n}` }],
            max_replicas_per_node: n,
          },
          resources: {
            reservations: {
              cpus: `0.0${n}`,
              generic_resources: [{ discrete_resource_spec: { kind: `k${n}`, value: n } }],
            },
          },
        }),
      ),
    ],
    unseen: 'only Swarm uses it',
  },
];
