import { top, web, type Facet, type Fragment, type Mapping } from './fragments.js';
import type { Yaml } from './keys.js';

/** Mounts, volumes, configs and secrets. */

const mount = (values: Mapping, more: Partial<Fragment> = {}): Fragment => ({
  ...web({ volumes: [values] }),
  ...more,
});

const data = (values: Mapping = {}, more: Mapping = {}): Fragment =>
  mount({ type: 'volume', source: 'data', target: '/data', ...values }, top({ volumes: { data: more } }));

const bind = (values: Mapping = {}, text = 'one\n'): Fragment =>
  mount(
    { type: 'bind', source: './conf', target: '/etc/property', ...values },
    { files: { 'conf/a.conf': text, 'other/a.conf': 'other\n' } },
  );

/** Compose takes a volume that exists; a path in it has to be there before the container starts. */
const SUBPATH = [
  'volume create --label property=%NAME% %NAME%_data'.split(' '),
  'run --rm --volume %NAME%_data:/data busybox:latest mkdir -p /data/sub'.split(' '),
];

/** A config or secret of the service that comes from somewhere. */
const given = (
  section: 'configs' | 'secrets',
  reference: Yaml,
  definition: Yaml,
  files: Record<string, string> = {},
): Fragment => ({ ...web({ [section]: [reference] }), ...top({ [section]: { given: definition } }), files });

/** Different places for both, as a service may have both. */
const inside = (values: Mapping, target = '/etc/config') => ({ source: 'given', target, ...values });
const insideSecret = (values: Mapping) => inside(values, '/etc/secret');

export const STORAGE_FACETS: Facet[] = [
  { name: 'tmpfs', values: [{}, web({ tmpfs: '/run/one' }), web({ tmpfs: ['/run/two:size=1m'] })] },
  {
    name: 'volumes named',
    values: [
      {},
      data(),
      data({ read_only: true }),
      data({ target: '/elsewhere' }),
      data({ consistency: 'cached' }),
    ],
    clash: ['volumes_from'],
  },
  {
    name: 'volumes volume',
    values: [
      data(),
      data({ volume: { nocopy: true } }),
      data({ volume: { labels: { a: '1' } } }),
      data({ volume: { labels: { a: '2' } } }),
    ],
    clash: ['volumes_from'],
  },
  {
    name: 'volumes subpath',
    values: [data(), { ...data({ volume: { subpath: 'sub' } }), outside: SUBPATH }],
    clash: ['volumes_from'],
  },
  {
    name: 'volumes short',
    values: [{}, web({ volumes: ['/anonymous'] }), web({ volumes: ['/anonymous2', './:/here:ro'] })],
    clash: ['volumes_from'],
  },
  {
    name: 'volumes bind',
    values: [
      {},
      bind(),
      // Files of a directory that the service may write to are data, which these points leave out.
      bind({ read_only: true }, 'two\n'),
      bind({ read_only: true }),
      bind({ source: './other' }),
      bind({ bind: { propagation: 'private' } }),
      bind({ bind: { create_host_path: false, recursive: 'disabled' } }),
      bind({ bind: { create_host_path: true, selinux: 'z' } }),
    ],
    clash: ['volumes_from'],
  },
  {
    name: 'volumes tmpfs',
    values: [
      {},
      mount({ type: 'tmpfs', target: '/scratch' }),
      mount({ type: 'tmpfs', target: '/scratch', tmpfs: { size: '1m' } }),
      mount({ type: 'tmpfs', target: '/scratch', tmpfs: { size: '1m', mode: 0o1770 } }),
    ],
    clash: ['volumes_from'],
  },
  {
    name: 'volumes image',
    values: [
      {},
      mount({ type: 'image', source: 'compose-rollback-property:a', target: '/img' }),
      mount({ type: 'image', source: 'compose-rollback-property:b', target: '/img' }),
      mount({
        type: 'image',
        source: 'compose-rollback-property:a',
        target: '/img',
        image: { subpath: 'etc' },
      }),
    ],
    clash: ['volumes_from'],
  },
  {
    name: 'volumes_from',
    values: [
      peer({ volumes: ['data:/data'] }),
      { ...peer({ volumes: ['data:/data'] }), ...web({ volumes_from: ['peer'] }) },
      { ...peer({ volumes: ['data:/elsewhere'] }), ...web({ volumes_from: ['peer:ro'] }) },
    ],
    clash: ['volumes'],
  },
  {
    name: 'volume name',
    values: [data(), data({}, { name: '%NAME%-named' }), data({}, { name: '%NAME%-other' })],
    clash: ['volumes_from'],
  },
  {
    name: 'volume external',
    values: [
      data(),
      {
        ...data({}, { external: true, name: '%NAME%-outer' }),
        outside: [['volume', 'create', '--label', 'property=%NAME%', '%NAME%-outer']],
      },
      {
        ...data({}, { external: { name: '%NAME%-outer2' } }),
        outside: [['volume', 'create', '--label', 'property=%NAME%', '%NAME%-outer2']],
      },
    ],
    clash: ['volumes_from'],
  },
  {
    name: 'volume definition',
    values: [
      data(),
      data({}, { labels: { a: '1' } }),
      data({}, { driver: 'local' }),
      data({}, { driver_opts: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } }),
      data({}, { driver: 'local', driver_opts: { type: 'tmpfs', device: 'tmpfs', o: 'size=2m' } }),
    ],
    clash: ['volumes_from'],
  },
  {
    name: 'configs of files',
    force: true,
    values: [
      given('configs', 'given', { file: './given.txt' }, { 'given.txt': 'one\n' }),
      given('configs', 'given', { file: './given.txt' }, { 'given.txt': 'two\n' }),
      given('configs', inside({}), { file: './given.txt' }, { 'given.txt': 'one\n' }),
      given(
        'configs',
        inside({ target: '/etc/config2' }),
        { file: './given2.txt' },
        { 'given2.txt': 'one\n' },
      ),
    ],
  },
  {
    name: 'configs of content',
    force: true,
    values: [
      {},
      given('configs', inside({}), { content: 'one' }),
      given('configs', inside({}), { content: 'two' }),
      given('configs', inside({ uid: '5' }), { content: 'two' }),
      given('configs', inside({ gid: '6' }), { content: 'two' }),
      given('configs', inside({ mode: 0o440 }), { content: 'two' }),
      given('configs', 'given', { content: 'two', name: 'own' }),
    ],
  },
  {
    name: 'configs of the environment',
    force: true,
    values: [
      given('configs', inside({}), { environment: 'PROPERTY_A' }),
      given('configs', inside({}), { environment: 'PROPERTY_B' }),
    ],
    environment: { PROPERTY_A: 'one', PROPERTY_B: 'two' },
  },
  {
    name: 'configs in words',
    values: ['a', 'b'].map((word) =>
      given('configs', inside({}), { content: 'one', name: word, labels: { word } }),
    ),
    unseen: 'only Swarm uses it',
  },
  {
    name: 'secrets of files',
    force: true,
    values: [
      given('secrets', 'given', { file: './given.key' }, { 'given.key': 'one\n' }),
      given('secrets', 'given', { file: './given.key' }, { 'given.key': 'two\n' }),
      given('secrets', insideSecret({}), { file: './given.key' }, { 'given.key': 'one\n' }),
      given(
        'secrets',
        insideSecret({ target: 'short' }),
        { file: './given2.key' },
        { 'given2.key': 'one\n' },
      ),
    ],
  },
  {
    name: 'secrets of the environment',
    force: true,
    values: [
      given('secrets', insideSecret({}), { environment: 'PROPERTY_A' }),
      given('secrets', insideSecret({}), { environment: 'PROPERTY_B' }),
      given('secrets', insideSecret({ uid: '5' }), { environment: 'PROPERTY_B' }),
      given('secrets', insideSecret({ gid: '6' }), { environment: 'PROPERTY_B' }),
      given('secrets', insideSecret({ mode: 0o440 }), { environment: 'PROPERTY_B' }),
    ],
    environment: { PROPERTY_A: 'one', PROPERTY_B: 'two' },
  },
  {
    name: 'secrets in words',
    values: ['a', 'b'].map((word) =>
      given(
        'secrets',
        insideSecret({}),
        {
          file: './given.key',
          name: word,
          labels: { word },
        },
        { 'given.key': 'one\n' },
      ),
    ),
    unseen: 'only Swarm uses it',
  },
];

function peer(values: Mapping): Fragment {
  return { peer: values, ...top({ volumes: { data: {} } }) };
}
