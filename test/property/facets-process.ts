import { web, type Facet, type Fragment } from './fragments.js';

/** What a container is called, what it runs and as whom. */

const hook = (values: Record<string, string | boolean | string[]>) => [
  { command: ['true'], user: '0', privileged: false, working_dir: '/', environment: ['A=1'], ...values },
];

const check = (values: Record<string, string | number>): Fragment =>
  web({
    healthcheck: {
      test: ['CMD', 'true'],
      interval: '30s',
      timeout: '5s',
      retries: 3,
      start_period: '40s',
      start_interval: '5s',
      ...values,
    },
  });

export const PROCESS_FACETS: Facet[] = [
  { name: 'command', values: [{}, web({ command: ['sleep', '10000'] }), web({ command: 'sleep 20000' })] },
  {
    name: 'entrypoint',
    values: [
      {},
      web({ entrypoint: ['/bin/sh', '-c', 'exec sleep infinity'] }),
      web({ entrypoint: 'env A=1' }),
    ],
  },
  { name: 'working_dir', values: [{}, web({ working_dir: '/tmp' }), web({ working_dir: '/etc' })] },
  { name: 'user', values: [{}, web({ user: '1000:1000' }), web({ user: '7' })] },
  { name: 'group_add', values: [{}, web({ group_add: ['4'] }), web({ group_add: ['4', '5'] })] },
  {
    name: 'environment',
    values: [
      {},
      web({ environment: { COLOUR: 'red', EMPTY: '' } }),
      web({ environment: { COLOUR: 'a b=c #"' } }),
      web({ environment: ['COLOUR=blue', 'PATH=/usr/bin:/bin'] }),
    ],
  },
  {
    name: 'env_file',
    values: [
      {},
      { ...web({ env_file: 'own.env' }), files: { 'own.env': 'A=1\n' } },
      { ...web({ env_file: 'own.env' }), files: { 'own.env': 'A=2\n' } },
      {
        ...web({ env_file: [{ path: 'raw.env', format: 'raw', required: true }] }),
        files: { 'raw.env': 'A="$B"\n' },
      },
    ],
  },
  {
    name: 'env_file required',
    values: [
      {},
      { ...web({ env_file: [{ path: 'some.env', required: true }] }), files: { 'some.env': 'A=1\n' } },
      web({ env_file: [{ path: 'some.env', required: false }] }),
    ],
  },
  {
    name: 'labels',
    values: [
      {},
      web({ labels: { 'org.example.a': '1' } }),
      web({ labels: ['org.example.a=2', 'org.example.b'] }),
    ],
  },
  {
    name: 'label_file',
    values: [
      {},
      { ...web({ label_file: 'own.labels' }), files: { 'own.labels': 'org.example.file=1\n' } },
      { ...web({ label_file: ['own.labels'] }), files: { 'own.labels': 'org.example.file=2\n' } },
    ],
  },
  {
    name: 'annotations',
    values: [{}, web({ annotations: { 'org.example.a': '1' } }), web({ annotations: ['org.example.a=2'] })],
  },
  { name: 'hostname', values: [{}, web({ hostname: 'one' }), web({ hostname: 'two' })] },
  {
    name: 'domainname',
    values: [{}, web({ domainname: 'one.example' }), web({ domainname: 'two.example' })],
  },
  {
    name: 'container_name',
    single: true,
    values: [{}, web({ container_name: '%NAME%-own' }), web({ container_name: '%NAME%-other' })],
  },
  { name: 'init', values: [{}, web({ init: false, stop_signal: 'SIGKILL' })], clash: ['stop_signal'] },
  { name: 'tty', values: [{}, web({ tty: true })] },
  { name: 'stdin_open', values: [{}, web({ stdin_open: true })] },
  { name: 'read_only', values: [{}, web({ read_only: true })] },
  { name: 'privileged', values: [{}, web({ privileged: true })] },
  {
    name: 'cap_add',
    values: [{}, web({ cap_add: ['NET_ADMIN'] }), web({ cap_add: ['SYS_TIME', 'NET_ADMIN'] })],
  },
  { name: 'cap_drop', values: [{}, web({ cap_drop: ['MKNOD'] }), web({ cap_drop: ['ALL'] })] },
  {
    name: 'security_opt',
    values: [
      {},
      web({ security_opt: ['no-new-privileges:true'] }),
      web({ security_opt: ['seccomp=unconfined'] }),
    ],
  },
  { name: 'userns_mode', values: [{}, web({ userns_mode: 'host' })] },
  { name: 'uts', values: [{}, web({ uts: 'host' })], clash: ['hostname', 'domainname'] },
  { name: 'cgroup', values: [{}, web({ cgroup: 'host' }), web({ cgroup: 'private' })] },
  {
    name: 'ipc',
    values: [
      {},
      web({ ipc: 'shareable' }),
      web({ ipc: 'host' }),
      { ...web({ ipc: 'service:peer' }), peer: { ipc: 'shareable' } },
    ],
    clash: ['shm_size'],
  },
  { name: 'pid', values: [{}, web({ pid: 'host' }), web({ pid: 'service:peer' })] },
  {
    name: 'platform',
    values: [{}, web({ platform: 'linux/amd64' })],
    unseen: 'the machine runs one platform',
  },
  { name: 'runtime', values: [{}, web({ runtime: 'io.containerd.runc.v2' })] },
  { name: 'restart', values: [{}, web({ restart: 'always' }), web({ restart: 'on-failure:3' })] },
  { name: 'stop_signal', values: [{}, web({ stop_signal: 'SIGKILL' }), web({ stop_signal: 'SIGINT' })] },
  {
    name: 'stop_grace_period',
    values: [{}, web({ stop_grace_period: '1s' }), web({ stop_grace_period: '2s' })],
  },
  {
    name: 'logging',
    values: [
      {},
      web({ logging: { driver: 'json-file', options: { 'max-size': '1m' } } }),
      web({ logging: { driver: 'json-file', options: { 'max-size': '2m', labels: 'a' } } }),
      web({ logging: { driver: 'local' } }),
      web({ logging: { driver: 'none' } }),
    ],
  },
  {
    name: 'healthcheck',
    values: [
      {},
      check({}),
      check({ test: 'exit 0' }),
      check({ interval: '31s' }),
      check({ timeout: '6s' }),
      check({ retries: 4 }),
      check({ start_period: '50s' }),
      check({ start_interval: '6s' }),
      web({ healthcheck: { disable: true } }),
    ],
  },
  {
    name: 'depends_on',
    values: [
      {},
      web({ depends_on: ['peer'] }),
      web({ depends_on: { peer: { condition: 'service_started', restart: true, required: false } } }),
      {
        ...web({ depends_on: { peer: { condition: 'service_healthy', required: true, restart: false } } }),
        peer: {
          healthcheck: { test: ['CMD', 'true'], interval: '1s', start_period: '5s', start_interval: '100ms' },
        },
      },
    ],
    unseen: 'depends_on of a started service shows in labels of compose only',
  },
  { name: 'attach', values: [{}, web({ attach: false })], unseen: 'only says whose output is shown' },
  {
    name: 'post_start',
    values: [
      {},
      web({ post_start: hook({}) }),
      web({
        post_start: hook({
          command: ['echo'],
          user: '1',
          privileged: true,
          working_dir: '/tmp',
          environment: ['A=2'],
        }),
      }),
    ],
    unseen: 'runs once after the start and leaves nothing',
  },
  {
    name: 'pre_stop',
    values: [
      {},
      web({ pre_stop: hook({}) }),
      web({
        pre_stop: hook({
          command: ['echo'],
          user: '1',
          privileged: true,
          working_dir: '/tmp',
          environment: ['A=2'],
        }),
      }),
    ],
    unseen: 'runs once before the stop and leaves nothing',
  },
  {
    name: 'profiles',
    alone: true,
    values: [{}, web({ profiles: ['extra'] })],
    unseen: 'up leaves a running service of a profile that is not active',
  },
  {
    name: 'extends',
    values: [
      {},
      {
        ...web({ extends: { file: 'base.yaml', service: 'base' } }),
        files: {
          'base.yaml':
            'services: {base: {environment: {EXTENDED: "1"}}, other: {environment: {EXTENDED: "3"}}}\n',
        },
      },
      {
        ...web({ extends: { file: 'base.yaml', service: 'base' } }),
        files: {
          'base.yaml':
            'services: {base: {environment: {EXTENDED: "2"}}, other: {environment: {EXTENDED: "3"}}}\n',
        },
      },
      {
        ...web({ extends: { file: 'base2.yaml', service: 'other' } }),
        files: { 'base2.yaml': 'services: {other: {environment: {EXTENDED: "3"}}}\n' },
      },
    ],
  },
  {
    name: 'develop',
    values: [1, 2].map((n) =>
      web({
        image: '%NAME%-built',
        build: { context: '.', dockerfile_inline: 'FROM compose-rollback-property:a' },
        develop: {
          watch: [
            {
              path: `./src${n}`,
              action: n === 1 ? 'sync' : 'sync+restart',
              target: `/src${n}`,
              ignore: [`a${n}`],
              include: [`b${n}`],
              initial_sync: n === 1,
            },
            {
              path: `./x${n}`,
              action: 'sync+exec',
              target: `/x${n}`,
              exec: {
                command: `echo ${n}`,
                user: `${n}`,
                privileged: n === 1,
                working_dir: `/${n}`,
                environment: { A: `${n}` },
              },
            },
          ],
        },
      }),
    ),
    clash: ['image'],
    unseen: 'only compose watch uses it',
  },
];
